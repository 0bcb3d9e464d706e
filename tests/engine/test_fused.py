"""Two LoRAs of a class as one (LoFT)."""

import warnings
from dataclasses import replace

import pytest
from torch import Generator

from synthstudio.engine import diffusion
from synthstudio.engine.adapters import files, merging
from synthstudio.engine.diffusion import Request, Settings
from synthstudio.errors import BadInput
from tests.engine.drawing import QUICK, furthest, loaded, trained, values
from tests.engine.test_diffusion import ROUNDING, as_bytes, pipeline_with
from tests.engine.tiny import SIZE
from tests.matrix import first_of

SHORT = Settings(guidance_scale=3.0, inference_steps=4, resolution=SIZE)
CAT = Request("a photo of a cat", "", 7)


@pytest.fixture(scope="module")
def plain(tiny_sd):
    return loaded(tiny_sd)


def file_of(backbone, folder, **changed):
    folder.mkdir()
    trained(backbone, folder, replace(QUICK, learning_rate=0.05, **changed))
    return folder / "weights.safetensors"


@pytest.mark.parametrize("targets", first_of(["attention", "all"]))
def test_two_fused_draw_what_the_plain_pipeline_draws_with_half_of_each(plain, tmp_path, targets):
    paths = [file_of(plain, tmp_path / str(seed), seed=seed, targets=targets) for seed in (1, 2)]
    both = files.fused([files.read_adapter(path) for path in paths])
    merging.use_adapter(plain, "both", both, 1.0)
    ours = diffusion.sample(plain, [CAT], SHORT)[0]
    merging.use_adapter(plain, None, None, 1.0)
    alone = diffusion.sample(plain, [CAT], SHORT)[0]
    pipe = pipeline_with(plain.folder, "dpm++")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, path in zip("ab", paths, strict=True):
            pipe.load_lora_weights(path.parent, weight_name=path.name, adapter_name=name)
        pipe.set_adapters(["a", "b"], [0.5, 0.5])
        theirs = pipe(CAT.prompt, guidance_scale=3.0, num_inference_steps=4, generator=Generator().manual_seed(7))
    assert furthest(ours, as_bytes(theirs.images[0])) <= ROUNDING
    assert abs(values(ours) - values(alone)).max() > ROUNDING


def test_an_adapter_fused_with_itself_is_itself(plain, tmp_path):
    adapter = files.read_adapter(file_of(plain, tmp_path / "one"))
    merging.use_adapter(plain, "one", adapter, 1.0)
    alone = diffusion.sample(plain, [CAT], SHORT)[0]
    merging.use_adapter(plain, "twice", files.fused([adapter, adapter]), 1.0)
    twice = diffusion.sample(plain, [CAT], SHORT)[0]
    merging.use_adapter(plain, None, None, 1.0)
    assert furthest(alone, twice) <= ROUNDING


def test_adapters_of_other_kinds_or_layers_are_not_fused(plain, tmp_path):
    lora, dora, all_layers = (
        files.read_adapter(file_of(plain, tmp_path / name, **changed))
        for name, changed in (("lora", {}), ("dora", {"method": "dora"}), ("all", {"targets": "all"}))
    )
    for pair in ([lora, dora], [lora, all_layers]):
        with pytest.raises(BadInput, match="Only LoRAs of the same layers"):
            files.fused(pair)
