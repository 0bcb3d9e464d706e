import pickle

import pytest
import torch

from synthstudio.engine.distil import generators
from synthstudio.engine.distil.decoded import resized
from synthstudio.engine.distil.forms import FORMS, images_of, pull_back
from synthstudio.engine.distil.forms.generator import Generator
from synthstudio.engine.distil.forms.latents import Latents
from synthstudio.engine.seeds import generator
from synthstudio.errors import BadInput, Damaged, UnsafeInput
from synthstudio.steps.distil.preparing import choices
from tests.engine.distil.kit import pixels_form
from tests.engine.drawing import loaded

ABOUT = generators.About(architecture="convolutional", latent=(4, 4, 4), widths=(16, 8), groups=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generator")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generators.save(folder / "mine.safetensors", generators.ConvolutionalGenerator(ABOUT))
    return folder


@pytest.fixture(scope="module")
def vae(tiny_sd):
    return loaded(tiny_sd).vae


def forms(vae, folder):
    return {
        "pixels": pixels_form(),
        "latents": Latents(vae, level=0, made=16, size=8),
        "a feature": Latents(vae, level=2, made=16, size=16),
        "generator": Generator(folder, torch.device("cpu"), level=1, size=8),
    }


@pytest.mark.parametrize("name", ["pixels", "latents", "a feature", "generator"])
@pytest.mark.parametrize("chunk", [1, 2, 5])
def test_two_passes_give_the_gradient_of_one(vae, folder, name, chunk):
    form = forms(vae, folder)[name]
    form.chunk = chunk
    variables = form.noise(5, generator(3)).requires_grad_()
    decoded = form.decode(variables)
    images = decoded + (decoded.clamp(0, 1) - decoded).detach()  # the clamp lets gradients straight through
    weight = torch.randn(images.shape, generator=generator(4))
    loss = (images * weight).sum() + images.square().sum()
    expected = torch.autograd.grad(loss, variables)[0]
    shown = images_of(form, variables.detach())
    found = pull_back(form, variables.detach(), weight + 2 * shown)
    assert torch.allclose(shown, images, atol=1e-6)
    assert float((found - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


def test_levels_are_cuts_of_one_decoder(vae):
    whole = Latents(vae, level=0, made=16, size=16)
    latents = torch.randn((2, *whole.latent), generator=generator(5))
    expected = vae.decode(latents / whole.scale).sample / 2 + 0.5
    for level in range(len(whole.stages)):
        form = Latents(vae, level=level, made=16, size=16)
        assert torch.allclose(form.decode(form._to_level(latents)), expected, atol=1e-5)


def test_encoding_follows_the_backbone(tiny_sd):
    backbone = loaded(tiny_sd)
    images = torch.rand((3, 3, 16, 16), generator=generator(6))
    form = Latents(backbone.vae, level=0, made=16, size=16)
    assert torch.allclose(form.encode(images), backbone.encode_images(images * 2 - 1), atol=1e-5)


def test_a_level_beyond_the_decoder_is_refused(vae):
    with pytest.raises(BadInput, match="levels go from 0 to 3"):
        Latents(vae, level=4, made=16, size=16)


def test_a_size_that_does_not_fit_is_refused(vae):
    with pytest.raises(BadInput, match="multiple of 4"):
        Latents(vae, level=0, made=18, size=18)


def test_pixels_stay_within_black_and_white():
    form = pixels_form()
    variables = form.noise(2, generator(7)) * 10
    form.project(variables)
    decoded = form.decode(variables)
    assert float(decoded.min()) >= -1e-6 and float(decoded.max()) <= 1 + 1e-6


def test_pixels_come_back_as_they_were():
    form = pixels_form()
    images = torch.rand((2, 3, 8, 8), generator=generator(8))
    assert torch.allclose(form.decode(form.encode(images)), images, atol=1e-6)


def test_a_generator_comes_back_from_its_file(folder):
    read = generators.load(folder, torch.device("cpu"))
    assert read.about == ABOUT and read(torch.zeros(1, 4, 4, 4)).shape == (1, 3, 16, 16)
    assert not any(parameter.requires_grad for parameter in read.parameters())


def test_a_generator_that_is_a_pickle_is_refused(tmp_path):
    (tmp_path / "generator.pkl").write_bytes(pickle.dumps({"weights": [1, 2, 3]}))
    with pytest.raises(UnsafeInput, match="pickle"):
        generators.load(tmp_path, torch.device("cpu"))


def test_a_pickle_under_another_name_is_refused(tmp_path):
    torch.save({"enter.weight": torch.zeros(1)}, tmp_path / "generator.safetensors")
    with pytest.raises((UnsafeInput, Damaged)):
        generators.load(tmp_path, torch.device("cpu"))


def test_a_file_that_does_not_describe_itself_is_refused(tmp_path):
    from synthstudio import weightfile
    from synthstudio.engine.tensors import plain

    weightfile.write(tmp_path / "mine.safetensors", {"a": plain(torch.zeros(1))}, {})
    with pytest.raises(BadInput, match="does not say what it is"):
        generators.load(tmp_path, torch.device("cpu"))


def test_tensors_that_do_not_fit_their_description_are_refused(tmp_path):
    from synthstudio import weightfile
    from synthstudio.engine.tensors import plain

    tensors = {"enter.weight": plain(torch.zeros(1))}
    weightfile.write(tmp_path / "mine.safetensors", tensors, {generators.KEY: ABOUT.model_dump_json()})
    with pytest.raises(BadInput, match="not those its metadata describe"):
        generators.load(tmp_path, torch.device("cpu"))


@pytest.mark.parametrize("bad", [{"groups": 3}, {"latent": (4, 4, 2)}, {"widths": ()}, {"output": "sigmoid"}])
def test_a_description_that_cannot_be_is_refused(bad):
    with pytest.raises(ValueError, match=r"groups|square|widths|output"):
        generators.About(**{**ABOUT.model_dump(), **bad})


def test_a_generator_has_no_way_back(folder):
    form = Generator(folder, torch.device("cpu"), level=0, size=16)
    with pytest.raises(BadInput, match="initialisation to noise"):
        form.encode(torch.zeros(1, 3, 16, 16))


def test_every_form_is_a_file_and_in_the_table():
    assert set(FORMS) == {"pixels", "latents", "generator"} == set(choices("forms"))


def test_reducing_is_a_mean_over_areas():
    images = torch.rand((1, 3, 8, 8), generator=generator(9))
    assert torch.allclose(resized(images, 4)[0, 0, 0, 0], images[0, 0, :2, :2].mean())
    assert resized(images, 6).shape[-1] == 6
