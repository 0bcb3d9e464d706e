"""Every kind of adapter: trained, stopped and resumed, stored, read by stock libraries, sampled."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from synthstudio.engine import diffusion, lora
from synthstudio.engine.adapters import files, merging
from synthstudio.engine.adapters.kinds import KINDS
from synthstudio.engine.diffusion import Request, Settings
from synthstudio.errors import BadInput
from tests.engine.drawing import QUICK, furthest, loaded, photos, trained, values
from tests.engine.test_diffusion import ROUNDING, as_bytes, pipeline_with
from tests.engine.tiny import SIZE
from tests.matrix import first_of

SHORT = Settings(guidance_scale=3.0, inference_steps=4, resolution=SIZE)
CAT = Request("a photo of a cat", "", 7)
EVERY_KIND = pytest.mark.parametrize("kind", first_of(KINDS, kept=2))
# Every kind in every layer it can be in; where it sits is told apart once.
EVERY_PLACE = pytest.mark.parametrize(
    ("kind", "targets"), first_of([("lora", "attention"), *((kind, "all") for kind in KINDS)], kept=6)
)


def recipe_of(kind, targets="attention"):
    return replace(QUICK, method=kind, targets=targets, learning_rate=0.05, rank=4, alpha=4)


@pytest.fixture(scope="module")
def plain(tiny_sd):
    return loaded(tiny_sd)


@pytest.fixture(autouse=True)
def _as_it_was(plain):
    merging.use_adapter(plain, None, None, 1.0)


def answer(backbone):
    with torch.no_grad():
        latents = torch.linspace(-1, 1, 2 * 4 * 8 * 8).view(2, 4, 8, 8)
        return backbone.predict(latents, torch.tensor([5, 600]), backbone.embed(["a cat"]), torch.tensor([0, 0]))


@EVERY_PLACE
def test_training_starts_at_the_frozen_model_learns_and_leaves_it_as_it_was(plain, tmp_path, kind, targets):
    before = answer(plain)
    recipe = replace(recipe_of(kind, targets), steps=20, batch_size=8)
    training = lora.Training(plain, photos(plain), recipe, tmp_path)
    assert torch.allclose(answer(plain), before, atol=2e-6)
    first = training.probe()
    *_, last = training.run(100)
    assert last.probe < 0.98 * first
    training.close()
    assert torch.equal(answer(plain), before)


@EVERY_KIND
def test_a_stopped_training_of_any_kind_ends_as_an_unbroken_one(plain, tmp_path, kind):
    whole = trained(plain, tmp_path / "whole", recipe_of(kind, "all"))
    first = lora.Training(plain, photos(plain), recipe_of(kind, "all"), tmp_path / "stopped")
    running = first.run(100)
    for _ in range(4):
        next(running)
    running.close()
    first.close()
    torch.manual_seed(99)
    assert trained(plain, tmp_path / "stopped", recipe_of(kind, "all")) == whole


@EVERY_PLACE
def test_what_is_sampled_is_what_was_trained(plain, tmp_path, kind, targets):
    training = lora.Training(plain, photos(plain), recipe_of(kind, targets), tmp_path)
    list(training.run(100))
    fitted, file = answer(plain), tmp_path / files.FILE
    training.write(file)
    training.close()
    frozen = answer(plain)
    merging.use_adapter(plain, "one", files.read_adapter(file), 1.0)
    assert torch.allclose(answer(plain), fitted, atol=1e-5) and not torch.allclose(fitted, frozen, atol=1e-3)
    merging.use_adapter(plain, "half", files.read_adapter(file), 0.5)
    halfway = answer(plain)
    merging.use_adapter(plain, None, None, 1.0)
    assert torch.equal(answer(plain), frozen) and not torch.allclose(halfway, fitted, atol=1e-4)


@pytest.mark.parametrize("kind", first_of([name for name, kind in KINDS.items() if kind.low_rank], kept=2))
def test_the_plain_pipeline_reads_low_rank_kinds(plain, tmp_path, kind):
    trained(plain, tmp_path, recipe_of(kind, "all"))
    frozen = diffusion.sample(plain, [CAT], SHORT)
    file = tmp_path / "weights.safetensors"
    merging.use_adapter(plain, "x", files.read_adapter(file), 1.0)
    ours = diffusion.sample(plain, [CAT], SHORT)
    pipe = pipeline_with(plain.folder, "dpm++")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe.load_lora_weights(tmp_path, weight_name=file.name)
        theirs = pipe(CAT.prompt, guidance_scale=3.0, num_inference_steps=4, generator=seeded())
    assert furthest(ours[0], as_bytes(theirs.images[0])) <= ROUNDING
    assert np.abs(values(ours[0]) - values(frozen[0])).mean() > 0.5


@pytest.mark.parametrize("kind", first_of([name for name, kind in KINDS.items() if not kind.low_rank], kept=2))
def test_peft_reads_the_other_kinds_into_the_plain_pipeline(plain, tmp_path, kind):
    from peft import PeftModel

    trained(plain, tmp_path, recipe_of(kind, "all"))
    frozen = diffusion.sample(plain, [CAT], SHORT)
    file = tmp_path / "weights.safetensors"
    merging.use_adapter(plain, "x", files.read_adapter(file), 1.0)
    ours = diffusion.sample(plain, [CAT], SHORT)
    files.export_peft(file, tmp_path / "out")
    pipe = pipeline_with(plain.folder, "dpm++")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe.unet = PeftModel.from_pretrained(pipe.unet, tmp_path / "out" / "unet").merge_and_unload()
        text = PeftModel.from_pretrained(pipe.text_encoder, tmp_path / "out" / "text_encoder")
        pipe.text_encoder = text.merge_and_unload()
        theirs = pipe(CAT.prompt, guidance_scale=3.0, num_inference_steps=4, generator=seeded())
    assert furthest(ours[0], as_bytes(theirs.images[0])) <= ROUNDING
    assert np.abs(values(ours[0]) - values(frozen[0])).mean() > 0.5


@pytest.mark.parametrize("kind", ["dora", "loha", "ia3"])
def test_an_adapter_of_another_model_is_refused_and_nothing_is_left_of_it(plain, tmp_path, kind):
    trained(plain, tmp_path, recipe_of(kind))
    adapter, before = files.read_adapter(tmp_path / "weights.safetensors"), answer(plain)
    elsewhere = {"unet": {**adapter.settings["unet"], "target_modules": ["mid_block.nowhere"]}}
    longer = {"unet": {name: torch.cat([one, one]) for name, one in adapter.tensors["unet"].items()}}
    for broken in (
        replace(adapter, settings={**adapter.settings, **elsewhere}),
        replace(adapter, tensors={**adapter.tensors, **longer}),
    ):
        with pytest.raises(BadInput, match="trained on another one"):
            merging.use_adapter(plain, "x", broken, 1.0)
        merging.use_adapter(plain, None, None, 1.0)
        assert torch.equal(answer(plain), before)


def test_a_kind_nobody_knows_is_refused(tmp_path):
    from synthstudio import weightfile

    weightfile.write(tmp_path / "x", {}, {"peft_adapter_configs": '{"unet": {"peft_type": "ODD"}}'})
    with pytest.raises(BadInput, match="unknown here: ODD"):
        files.read_adapter(tmp_path / "x")


def seeded():
    return torch.Generator().manual_seed(7)
