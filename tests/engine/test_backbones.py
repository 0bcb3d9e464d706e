import json
import shutil

import pytest
import torch

from synthstudio import modelfolder
from synthstudio.engine import backbones
from synthstudio.engine.families import base
from synthstudio.errors import BadInput, Damaged, Missing, UnsafeInput
from tests.engine.drawing import CPU, loaded


@pytest.fixture(scope="module")
def backbone(tiny_sd):
    return loaded(tiny_sd)


def altered(folder, target, change):
    shutil.copytree(folder, target)
    change(target)
    return target


def test_both_generations_load_by_the_same_code(tiny_sd, tiny_sd2):
    first, second = loaded(tiny_sd), loaded(tiny_sd2)
    assert (first.prediction, second.prediction) == ("epsilon", "v_prediction")
    assert first.resolution == second.resolution == 32
    assert not any(weight.requires_grad for weight in first.unet.parameters())


@pytest.mark.parametrize("name", ["StableDiffusionXLInpaintPipeline", "FluxPipeline", "Flux2Pipeline", "Unheard"])
def test_other_families_are_refused_by_name(tiny_sd, tmp_path, name):
    index = tmp_path / "model_index.json"
    index.write_text(json.dumps({"_class_name": name}))
    with pytest.raises(BadInput, match="not supported yet .* XL, FLUX.2 klein base, or pico"):
        backbones.load(tmp_path, CPU)


def test_the_folders_of_every_family_are_known_part_by_part():
    assert set(backbones.FAMILIES) == modelfolder.FAMILIES


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(BadInput, match="give a diffusers folder"):
        backbones.load(tmp_path, CPU)


def test_pickled_weights_are_refused(tiny_sd, tmp_path):
    unet = "unet/diffusion_pytorch_model"
    folder = altered(tiny_sd, tmp_path / "m", lambda f: (f / f"{unet}.safetensors").rename(f / f"{unet}.bin"))
    with pytest.raises(UnsafeInput, match="pickled"):
        backbones.load(folder, CPU)


def test_a_missing_part_is_named(tiny_sd, tmp_path):
    folder = altered(tiny_sd, tmp_path / "m", lambda f: shutil.rmtree(f / "vae"))
    with pytest.raises(Missing, match="vae"):
        backbones.load(folder, CPU)


def test_weights_that_are_absent_are_not_made_up(tiny_sd, tmp_path):
    from safetensors.torch import load_file, save_file

    for part, file in (("text_encoder", "model"), ("unet", "diffusion_pytorch_model")):
        folder = altered(tiny_sd, tmp_path / part, lambda _: None)
        weights = folder / part / f"{file}.safetensors"
        kept = load_file(weights)
        name = sorted(kept)[0]
        save_file({one: tensor for one, tensor in kept.items() if one != name}, weights, {"format": "pt"})
        with pytest.raises(Damaged, match=f"{part} lacks 1 of its weights, .*{name}"):
            backbones.load(folder, CPU)


@pytest.mark.filterwarnings("ignore:.*deprecated:FutureWarning")
def test_weights_under_the_names_of_earlier_years_are_read(tiny_sd, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = altered(tiny_sd, tmp_path / "old", lambda _: None)
    words, pictures = folder / "text_encoder/model.safetensors", folder / "vae/diffusion_pytorch_model.safetensors"
    named = {f"text_model.{name.removeprefix('text_model.')}": one for name, one in load_file(words).items()}
    save_file({**named, "text_model.embeddings.position_ids": torch.arange(77)[None]}, words, {"format": "pt"})
    renamed, then = load_file(pictures), {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    for new, old in then.items():
        renamed = {name.replace(f".{new}.", f".{old}."): one for name, one in renamed.items()}
    save_file(renamed, pictures, {"format": "pt"})
    old, new = loaded(folder), loaded(tiny_sd)
    pixels = torch.rand(1, 3, 32, 32) * 2 - 1
    assert torch.equal(old.encode_images(pixels), new.encode_images(pixels))
    assert torch.equal(old.encode_prompts(["a dog"]), new.encode_prompts(["a dog"]))


def test_half_precision_files_load_when_they_are_all_there_is(tiny_sd, tmp_path):
    vae = "vae/diffusion_pytorch_model"
    folder = altered(
        tiny_sd, tmp_path / "m", lambda f: (f / f"{vae}.safetensors").rename(f / f"{vae}.fp16.safetensors")
    )
    assert backbones.load(folder, CPU).vae.dtype == torch.float32


def test_a_prompt_does_not_depend_on_its_neighbours(backbone):
    alone = backbone.encode_prompts(["a dog"])
    backbone.forget_prompts()
    together = backbone.encode_prompts(["a cat", "a dog", "a cat"])
    assert torch.equal(together[1], alone[0]) and torch.equal(together[0], together[2])


def test_prompts_are_encoded_as_the_pipeline_does(backbone):
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(backbone.folder, local_files_only=True, use_safetensors=True)
    theirs, _ = pipe.encode_prompt("a forget-me-not", CPU, 1, False)
    assert torch.allclose(backbone.encode_prompts(["a forget-me-not"]), theirs, atol=1e-6)


def test_rows_that_share_a_prompt_give_what_separate_prompts_give(backbone):
    latents = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    prompts = backbone.encode_prompts(["a cat", "a dog"])
    rows, time = torch.tensor([1, 0, 1]), torch.tensor([10, 500, 900])
    shared = backbone.predict(latents, time, prompts, rows)
    apart = backbone.predict(latents, time, prompts[rows], torch.arange(3))
    assert torch.allclose(shared, apart, atol=1e-5)


def test_an_image_survives_encoding_in_parts(backbone, monkeypatch):
    pixels = torch.rand(5, 3, 32, 32) * 2 - 1
    whole = backbone.encode_images(pixels)
    monkeypatch.setattr(base, "_LATENTS_AT_ONCE", 2 * 32 * 32)
    assert torch.allclose(backbone.encode_images(pixels), whole, atol=1e-5)
    assert backbone.decode(whole).shape == pixels.shape


def test_a_size_that_does_not_divide_is_refused(backbone):
    assert backbone.latent_shape(64) == (4, 16, 16)
    with pytest.raises(BadInput, match="multiple of 8"):
        backbone.latent_shape(36)


def test_more_layers_can_be_adapted_than_attention(backbone):
    few, many = (backbone.adapter_layers(targets, True) for targets in ("attention", "all"))
    assert set(few) < set(many)
    assert any(name.startswith("text_encoder.") for name in few)
    assert not any(name.startswith("text_encoder.") for name in backbone.adapter_layers("all", False))
    assert "unet.time_embedding.linear_1" in many and "unet.conv_in" not in many
