"""Stable Diffusion XL beside the plain pipeline; what both families share is tested in test_diffusion.py."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from synthstudio.engine import backbones, diffusion, lora
from synthstudio.engine.adapters import files, merging
from synthstudio.engine.adapters.kinds import KINDS
from synthstudio.engine.diffusion import Request, Settings
from synthstudio.errors import BadInput, Missing, UnsafeInput
from tests.engine.drawing import CPU, ONE_OF_EACH_SORT, QUICK, furthest, loaded, photos, trained, values
from tests.engine.hostile import changed, copy_of
from tests.engine.test_diffusion import ROUNDING, as_bytes, pipeline_with
from tests.engine.tiny import SIZE, write_sdxl
from tests.matrix import first_of

SHORT = Settings(guidance_scale=3.0, inference_steps=4, resolution=SIZE)
CAT = Request("a photo of a cat", "", 7)


@pytest.fixture(scope="module")
def xl(tiny_sdxl):
    return loaded(tiny_sdxl)


@pytest.fixture(autouse=True)
def _as_it_was(xl):
    merging.use_adapter(xl, None, None, 1.0)


@pytest.fixture
def folder(tiny_sdxl, tmp_path):
    return copy_of(tiny_sdxl, tmp_path / "model")


def seeded():
    return torch.Generator().manual_seed(7)


def drawn_by(pipe):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = pipe(CAT.prompt, guidance_scale=3.0, num_inference_steps=4, generator=seeded())
    return as_bytes(made.images[0])


def answer(backbone):
    with torch.no_grad():
        latents = torch.linspace(-1, 1, 2 * 4 * 8 * 8).view(2, 4, 8, 8)
        return backbone.predict(latents, torch.tensor([5, 600]), backbone.embed(["a cat"]), torch.tensor([0, 0]))


@pytest.mark.parametrize("zeros", [True, False])
def test_texts_are_encoded_as_the_pipeline_does_and_an_empty_one_as_the_folder_says(tmp_path, zeros):
    folder = write_sdxl(tmp_path / "xl", zeros=zeros)
    ours = loaded(folder).encode_prompts(["a forget-me-not", ""])
    theirs = pipeline_with(folder, "euler").encode_prompt("a forget-me-not", None, CPU)
    for mine, (one, none) in zip(ours, (theirs[:2], theirs[2:]), strict=True):
        assert torch.allclose(mine, torch.cat([one, none]), atol=1e-6)
        assert bool(mine[1].any()) != zeros


def test_another_size_is_told_to_the_network_as_the_pipeline_tells_it(xl):
    ours = diffusion.sample(xl, [CAT], replace(SHORT, resolution=64))
    pipe = pipeline_with(xl.folder, "dpm++")
    theirs = pipe(CAT.prompt, guidance_scale=3.0, num_inference_steps=4, generator=seeded(), height=64, width=64)
    assert furthest(ours[0], as_bytes(theirs.images[0])) <= ROUNDING


def test_rows_that_share_a_prompt_give_what_separate_prompts_give(xl):
    latents, time = torch.randn(3, 4, 8, 8, generator=seeded()), torch.tensor([10, 500, 900])
    rows = torch.tensor([1, 0, 1])
    shared = xl.predict(latents, time, xl.encode_prompts(["a cat", "a dog"]), rows)
    apart = xl.predict(latents, time, xl.encode_prompts(["a dog", "a cat", "a dog"]), torch.arange(3))
    assert torch.allclose(shared, apart, atol=1e-5)


@pytest.mark.parametrize("kind", first_of(ONE_OF_EACH_SORT))
def test_an_adapter_of_each_sort_is_learnt_and_read_by_stock_libraries(xl, tmp_path, kind):
    from peft import PeftModel

    frozen, before = diffusion.sample(xl, [CAT], SHORT)[0], answer(xl)
    # transformers 5 leaves out the magnitudes of a text encoder's DoRA when diffusers has it read one.
    words = kind != "dora"
    recipe = replace(QUICK, method=kind, targets="all", learning_rate=0.05, alpha=4, text_encoder=words)
    training = lora.Training(xl, photos(xl), recipe, tmp_path)
    assert torch.allclose(answer(xl), before, atol=2e-6)
    list(training.run(100))
    fitted, file = answer(xl), tmp_path / files.FILE
    training.write(file)
    training.close()
    assert torch.equal(answer(xl), before)
    merging.use_adapter(xl, "x", files.read_adapter(file), 1.0)
    assert torch.allclose(answer(xl), fitted, atol=1e-5)
    ours = diffusion.sample(xl, [CAT], SHORT)[0]
    assert np.abs(values(ours) - values(frozen)).mean() > 0.5
    pipe = pipeline_with(xl.folder, "dpm++")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if KINDS[kind].low_rank:
            pipe.load_lora_weights(tmp_path, weight_name=file.name)
        else:
            files.export_peft(file, tmp_path / "out")
            for part in ("unet", "text_encoder", "text_encoder_2"):
                read = PeftModel.from_pretrained(getattr(pipe, part), tmp_path / "out" / part)
                setattr(pipe, part, read.merge_and_unload())
    assert furthest(ours, drawn_by(pipe)) <= ROUNDING


def test_a_lora_of_the_unet_alone_is_read_by_the_plain_pipeline(xl, tmp_path):
    trained(xl, tmp_path, replace(QUICK, text_encoder=False, learning_rate=0.05))
    merging.use_adapter(xl, "x", files.read_adapter(tmp_path / "weights.safetensors"), 1.0)
    pipe = pipeline_with(xl.folder, "dpm++")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe.load_lora_weights(tmp_path, weight_name="weights.safetensors")
    assert furthest(diffusion.sample(xl, [CAT], SHORT)[0], drawn_by(pipe)) <= ROUNDING


@pytest.mark.parametrize("stop_after", first_of([1, 4]))
def test_a_stopped_training_ends_as_an_unbroken_one(xl, tmp_path, stop_after):
    whole = trained(xl, tmp_path / "whole")
    first = lora.Training(xl, photos(xl), QUICK, tmp_path / "stopped")
    running = first.run(100)
    for _ in range(stop_after):
        next(running)
    running.close()
    first.close()
    assert trained(xl, tmp_path / "stopped") == whole


def test_an_adapter_of_another_family_is_refused_and_nothing_is_left_of_it(xl, tiny_sd, tmp_path):
    other = loaded(tiny_sd)
    for maker, user in ((other, xl), (xl, other)):  # they share layers of a text encoder, which fit
        folder, before = tmp_path / maker.pipeline, answer(user)
        trained(maker, folder)
        with pytest.raises(BadInput, match="trained on another one"):
            merging.use_adapter(user, "x", files.read_adapter(folder / "weights.safetensors"), 1.0)
        assert torch.equal(answer(user), before)


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        ("model_index.json", {"requires_aesthetics_score": True}, "is a refiner"),
        ("model_index.json", {"text_encoder": [None, None]}, "is a refiner"),
        ("unet/config.json", {"addition_embed_type": None}, "is not told the pooled text"),
        ("unet/config.json", {"addition_time_embed_dim": 4}, "is not told the pooled text"),
        ("unet/config.json", {"time_cond_proj_dim": 8}, "as distilled models are"),
        ("vae/config.json", {"latents_mean": [0.0] * 4, "latents_std": [1.0] * 4}, "a mean and a deviation"),
        ("scheduler/scheduler_config.json", {"prediction_type": "sample"}, "only epsilon and v_prediction"),
    ],
)
def test_what_is_not_supported_is_named_with_what_is(folder, file, change, says):
    changed(folder / file, lambda body: body.update(change))
    with pytest.raises(BadInput, match=says):
        backbones.load(folder, CPU)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"text_encoder_2": ["transformers", "AutoModel"]}, "names .* as its 'text_encoder_2'"),
        ({"text_encoder_2": ["transformers", "CLIPTextModel"]}, "names .* as its 'text_encoder_2'"),
        ({"tokenizer_2": ["transformers", "AutoTokenizer"]}, "names .* as its 'tokenizer_2'"),
        ({"tokenizer_2": ["my_code", "CLIPTokenizer"]}, "names .* as its 'tokenizer_2'"),
        ({"unet": ["diffusers", "AutoModel"]}, "names .* as its 'unet'"),
        ({"image_encoder": ["os", "system"]}, "names .* as its 'image_encoder'"),
    ],
)
def test_a_part_of_another_class_is_refused_by_name(folder, change, says):
    changed(folder / "model_index.json", lambda body: body.update(change))
    with pytest.raises(UnsafeInput, match=says):
        backbones.load(folder, CPU)


def test_the_second_encoder_and_tokenizer_are_read_by_known_settings_only(xl, folder):
    tokenizer = folder / "tokenizer_2" / "tokenizer_config.json"
    changed(folder / "text_encoder_2" / "config.json", lambda body: body.update(attn_implementation="somebody/kernel"))
    changed(tokenizer, lambda body: body.update(vocab="/etc/passwd"))
    ours, theirs = (one.encode_prompts(["a dog"]) for one in (loaded(folder), xl))
    assert all(map(torch.equal, ours, theirs))
    changed(tokenizer, lambda body: body.update(auto_map={"AutoTokenizer": "a.B"}))
    with pytest.raises(UnsafeInput, match="tokenizer_2/tokenizer_config.json sets 'auto_map'"):
        backbones.load(folder, CPU)


def test_weights_of_the_second_encoder_are_safetensors_or_nothing(folder):
    weights = folder / "text_encoder_2" / "model.safetensors"
    weights.rename(weights.with_name("pytorch_model.bin"))
    with pytest.raises(UnsafeInput, match="text_encoder_2 holds pickled weights only"):
        backbones.load(folder, CPU)
    weights.with_name("pytorch_model.bin").unlink()
    with pytest.raises(Missing, match="text_encoder_2 holds no weights"):
        backbones.load(folder, CPU)
