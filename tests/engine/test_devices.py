"""Text-to-image on a device: every entry point, every precision, and the numbers of the CPU."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from synthstudio.engine import backbones, devices, diffusion, lora, pixels
from synthstudio.engine.adapters import files, inverted, learned, merging
from synthstudio.engine.families import flux2_klein
from synthstudio.steps.adapt.previews import Previews, rows_in
from tests.engine import pretend
from tests.engine.drawing import CPU, QUICK, furthest, photos, picture
from tests.engine.tiny import SIZE
from tests.matrix import first_of

SHORT = replace(QUICK, steps=3)
ADAPTATIONS = {
    "as it is": {},
    "UNet only": {"text_encoder": False},
    "all layers": {"targets": "all"},
    "min-SNR": {"min_snr_gamma": 5.0},
    "prompt dropout": {"prompt_dropout": 0.5},
    "minimax": {"representativeness": 0.1, "diversity": 0.1, "batch_size": 6},
}
SAMPLERS = ["dpm++", "dpm++sde", "ddim", "ddpm", "euler", "euler_a", "heun", "lcm", "pndm", "unipc", "own"]
REQUESTS = [diffusion.Request(f"a photo of {number}", "blurry", number) for number in range(2)]
VARIATIONS = [replace(one, source=picture(one.seed)) for one in REQUESTS]
SETTINGS = diffusion.Settings(inference_steps=3, resolution=SIZE)


@pytest.fixture(scope="module")
def loaded(tiny_sd):
    """Backbones by device and precision, each read once; whoever uses one leaves it as it was."""
    return cache(lambda device, dtype, _kind=None, folder=tiny_sd: backbones.load(folder, device, dtype))


@pytest.fixture(params=first_of([torch.bfloat16, torch.float16]), ids=["bfloat16", "float16"])
def backbone(cuda, loaded, request):
    return loaded(cuda, request.param, request.node.callspec.params["cuda"])


# In float32 all of it is compared with the CPU, so it need not be run once more.
@pytest.fixture
def exact(cuda, loaded, request):
    """In float32, to be compared with the CPU."""
    return loaded(cuda, torch.float32, request.node.callspec.params["cuda"])


@pytest.fixture
def here(loaded):
    """The same backbone on the CPU."""
    return loaded(CPU, torch.float32)


def trained(backbone, folder, recipe=SHORT, said=""):
    """The losses of a training, and its factors on the CPU."""
    shots = photos(backbone, labels=(said,)) if said else photos(backbone)
    training = lora.Training(backbone, shots, recipe, folder)
    losses = [tick.loss for tick in training.run(2)]
    training.close()
    return losses, training.flat.detach().cpu()


@pytest.mark.parametrize("options", first_of(ADAPTATIONS.values()), ids=ADAPTATIONS)
def test_an_adapter_is_trained(cuda, loaded, request, tmp_path, options):
    backbone = loaded(cuda, torch.bfloat16, request.node.callspec.params["cuda"])
    losses, factors = trained(backbone, tmp_path, replace(SHORT, **options))
    assert np.isfinite(losses).all() and factors.isfinite().all() and factors.abs().sum() > 0


@pytest.mark.parametrize("dtype", first_of([torch.bfloat16, torch.float16]), ids=["bfloat16", "float16"])
def test_velocity_is_trained_with_all_options_at_once(cuda, tiny_sd2, tmp_path, dtype):
    backbone = backbones.load(tiny_sd2, cuda, dtype)
    every = {name: value for options in ADAPTATIONS.values() for name, value in options.items()}
    assert np.isfinite(trained(backbone, tmp_path, replace(SHORT, **every | {"text_encoder": True}))[0]).all()


@pytest.mark.parametrize("options", first_of(ADAPTATIONS.values(), kept=3), ids=ADAPTATIONS)
def test_an_adapter_learns_what_it_learns_on_the_cpu(exact, here, tmp_path, options):
    (tmp_path / "cpu").mkdir()
    recipe = replace(SHORT, **options)
    losses, factors = trained(here, tmp_path / "cpu", recipe)
    found, learned = trained(exact, tmp_path, recipe)
    assert found == pytest.approx(losses, rel=1e-3)
    assert torch.allclose(learned, factors, atol=1e-3)


def test_a_stopped_training_goes_on_as_an_unbroken_one(exact, tmp_path):
    recipe = replace(SHORT, **ADAPTATIONS["minimax"])
    _, whole = trained(exact, tmp_path, recipe)
    (tmp_path / "broken").mkdir()
    first = lora.Training(exact, photos(exact), recipe, tmp_path / "broken")
    running = first.run(100)
    next(running), next(running)
    running.close()
    first.close()
    assert torch.allclose(trained(exact, tmp_path / "broken", recipe)[1], whole, atol=1e-5)


@pytest.mark.parametrize("family", ["tiny_sd", "tiny_sdxl", "tiny_klein"])
def test_a_step_of_a_training_waits_once(card, loaded, request, family, tmp_path):
    backbone = loaded(pretend.DEVICE, torch.bfloat16, "pretended", request.getfixturevalue(family))
    training = lora.Training(backbone, photos(backbone), replace(QUICK, steps=100), tmp_path)
    running = training.run(1000)
    next(running)
    card.waits.clear()
    next(running)
    assert len(card.waits) == 1


def test_an_adapter_is_merged_and_taken_out(backbone, tmp_path):
    file = tmp_path / files.FILE
    training = lora.Training(backbone, photos(backbone), SHORT, tmp_path)
    list(training.run(100))
    training.write(file)
    training.close()
    before = diffusion.sample(backbone, REQUESTS, SETTINGS)
    merging.use_adapter(backbone, "one", files.read_adapter(file), 5.0)
    assert diffusion.sample(backbone, REQUESTS, SETTINGS) != before
    merging.use_adapter(backbone, None, None, 1.0)
    assert diffusion.sample(backbone, REQUESTS, SETTINGS) == before


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("requests", [REQUESTS, VARIATIONS], ids=["text", "variation"])
def test_a_seed_is_the_same_image_on_every_device(exact, here, sampler, requests):
    settings = replace(SETTINGS, sampler=sampler, strength=1.0 if requests is REQUESTS else 0.6)
    ours, theirs = (diffusion.sample(one, requests, settings) for one in (here, exact))
    assert max(map(furthest, ours, theirs)) <= 2


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("strength", [1.0, 0.6], ids=["text", "variation"])
def test_images_are_made(backbone, sampler, strength):
    requests = REQUESTS if strength == 1 else VARIATIONS
    assert len(diffusion.sample(backbone, requests, replace(SETTINGS, sampler=sampler, strength=strength))) == 2


@pytest.mark.parametrize("family", ["tiny_sd", "tiny_sdxl", "tiny_klein"])
def test_a_batch_of_images_waits_once(card, loaded, request, family):
    backbone = loaded(pretend.DEVICE, torch.bfloat16, "pretended", request.getfixturevalue(family))
    card.waits.clear()
    diffusion.sample(backbone, REQUESTS, SETTINGS)
    assert len(card.waits) == 1


def test_two_text_encoders_and_sizes_go_to_the_device(cuda, loaded, request, tiny_sdxl, tmp_path):
    backbone = loaded(cuda, torch.bfloat16, request.node.callspec.params["cuda"], tiny_sdxl)
    every = {name: value for options in ADAPTATIONS.values() for name, value in options.items()}
    losses, factors = trained(backbone, tmp_path, replace(SHORT, **every | {"text_encoder": True}))
    assert np.isfinite(losses).all() and factors.abs().sum() > 0
    for requests, strength in ((REQUESTS, 1.0), (VARIATIONS, 0.6)):
        assert len(diffusion.sample(backbone, requests, replace(SETTINGS, sampler="euler", strength=strength))) == 2


@pytest.mark.parametrize("family", ["tiny_sdxl", "tiny_klein"])
def test_other_families_learn_and_draw_what_they_do_on_the_cpu(cuda, request, family, tmp_path, monkeypatch):
    monkeypatch.setattr(flux2_klein, "_WORDS", 48)  # padding costs the same every time
    folder = request.getfixturevalue(family)
    here, there = (backbones.load(folder, device, torch.float32) for device in (CPU, cuda))
    recipe = replace(SHORT, **ADAPTATIONS["prompt dropout"])
    losses, factors = trained(here, tmp_path / "cpu", recipe)
    found, learned = trained(there, tmp_path / "cuda", recipe)
    assert found == pytest.approx(losses, rel=1e-3)
    assert torch.allclose(learned, factors, atol=1e-3)
    for requests, strength in ((REQUESTS, 1.0), (VARIATIONS, 0.6)):
        settings = replace(SETTINGS, strength=strength)
        assert max(map(furthest, *(diffusion.sample(one, requests, settings) for one in (here, there)))) <= 2


def test_a_batch_of_many_kinds_is_the_same_on_every_device(exact, here):
    mix = diffusion.Mix("a drawing", picture(5), 0.4)
    requests = [replace(VARIATIONS[0], strength=0.4, mix=mix), replace(VARIATIONS[1], guidance_scale=1.0, strength=0.7)]
    settings = replace(SETTINGS, guided=(0.2, 0.9), sampler="euler_a")
    ours, theirs = (diffusion.sample(one, requests, settings) for one in (here, exact))
    assert max(map(furthest, ours, theirs)) <= 2


def test_a_word_is_learned_as_on_the_cpu_and_read(exact, here, tmp_path):
    recipe = replace(SHORT, method=lora.WORDS, word="<cat>", vectors=2, learning_rate=0.05)
    (tmp_path / "cpu").mkdir()
    losses, factors = trained(here, tmp_path / "cpu", recipe, said="<cat>")
    found, vectors = trained(exact, tmp_path, recipe, said="<cat>")
    assert found == pytest.approx(losses, rel=1e-3) and torch.allclose(vectors, factors, atol=1e-3)
    word = learned.LearnedWord("<cat>", {"text_encoder": vectors.view(2, -1)})
    requests = [replace(REQUESTS[0], prompt="a photo of a <cat>")]
    made = []
    for one in (here, exact):
        learned.use_words(one, "x", [word])
        made += diffusion.sample(one, requests, SETTINGS)
        learned.use_words(one, None, ())
    assert furthest(*made) <= 2


def test_photos_are_inverted_as_on_the_cpu_and_drawn_from(exact, here, tmp_path):
    recipe = replace(SHORT, method=lora.VECTORS, vectors=3, learning_rate=0.05)
    (tmp_path / "cpu").mkdir()
    losses, factors = trained(here, tmp_path / "cpu", recipe)
    found, vectors = trained(exact, tmp_path, recipe)
    assert found == pytest.approx(losses, rel=1e-3) and torch.allclose(vectors, factors, atol=1e-3)
    made = []
    for one in (here, exact):
        table = inverted.Table(one, dict(zip("ab", vectors.view(2, 3, -1), strict=True)))
        requests = [diffusion.Request(table.drawn("a", "b", 0.3, 0.1, 5), table.mean, 5)]
        made += diffusion.sample(one, requests, SETTINGS)
    assert furthest(*made) <= 2


def test_a_word_is_learned_in_every_precision(backbone, tmp_path):
    recipe = replace(SHORT, method=lora.WORDS, word="<cat>", vectors=2)
    losses, vectors = trained(backbone, tmp_path, recipe, said="<cat>")
    assert np.isfinite(losses).all() and vectors.isfinite().all()


def test_pictures_go_into_latents_and_come_back(backbone):
    pictures = pixels.to_tensor([picture(0), picture(1)])
    latents = backbone.encode_images(pictures)
    assert latents.device == backbone.device and latents.dtype is torch.float32
    assert len(pixels.to_png(pixels.to_uint8(backbone.decode(latents)))) == 2


def test_previews_are_drawn_while_an_adapter_is_trained(backbone, tmp_path):
    training = lora.Training(backbone, photos(backbone), SHORT, tmp_path)
    shown = Previews(tmp_path / "shown", "a photo of a {label}", None)
    running = training.run(100)
    shown.draw(backbone, ["cat", "dog"], next(running).step)
    next(running)
    training.close()
    assert not shown.problem and len(rows_in(tmp_path / "shown")) == 1


def test_a_card_that_only_emulates_bfloat16_works_in_float16_and_trains_in_float32():
    with pretend.card(bfloat16=False):
        assert not devices.has_bfloat16(pretend.DEVICE)
        assert backbones.working_dtype(pretend.DEVICE) is torch.float16
        assert backbones.training_dtype(pretend.DEVICE) is torch.float32
    with pretend.card():
        assert backbones.working_dtype(pretend.DEVICE) is backbones.training_dtype(pretend.DEVICE) is torch.bfloat16
