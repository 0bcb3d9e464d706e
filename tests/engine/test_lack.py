"""Guidance towards what a classifier is unsure of: its gradient, on every kind of network that predicts."""

from dataclasses import replace

import pytest
import torch

from synthstudio.engine import backbones, diffusion, encoders
from synthstudio.engine.classifier import Fitted
from synthstudio.engine.diffusion import Request, Settings
from synthstudio.engine.lack import Judge, Lack
from synthstudio.engine.noising import Diffusion, Flow
from synthstudio.engine.pixels import to_png, to_tensor
from synthstudio.errors import BadInput
from tests.engine.drawing import CPU, furthest, loaded, picture
from tests.engine.test_diffusion import ROUNDING
from tests.engine.tiny import SIZE
from tests.engine.tiny_clip import make_clip
from tests.engine.tiny_timm import make_timm

SHORT = Settings(guidance_scale=3.0, inference_steps=4, resolution=SIZE)
SIGNAL = torch.linspace(0.999, 0.005, 100)
NOISINGS = [Diffusion(SIGNAL, velocity=False), Diffusion(SIGNAL, velocity=True), Flow(100)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return encoders.load(make_clip(tmp_path_factory.mktemp("clip") / "resnet", "resnet"), CPU)


@pytest.fixture(scope="module")
def judge(clip):
    """A probe that is sure of what noise shows it, as a trained one is."""
    weight = 6 * torch.randn(3, 24, generator=torch.Generator().manual_seed(0))
    return Judge(Fitted("linear_probe", ("a", "b", "c"), "", {"weight": weight, "bias": torch.zeros(3)}), clip)


@pytest.fixture(scope="module", params=["tiny_sd", "tiny_sd2", "tiny_klein"])
def backbone(request):
    return loaded(request.getfixturevalue(request.param))


def requests(count):
    return [Request(f"a photo of a {name}", "", seed) for seed, name in enumerate(("cat", "dog", "owl")[:count])]


@pytest.mark.parametrize("noising", NOISINGS, ids=["noise", "velocity", "flow"])
def test_a_prediction_means_clean_latents_and_a_score_moves_them_as_tweedie_says(noising):
    chance = torch.Generator().manual_seed(0)
    clean, noise, score = torch.randn((3, 1, 2, 1, 1), generator=chance)
    for timestep in (3, 50, 97):
        at = torch.tensor([timestep])
        noised, told = noising.noised(clean, noise, at), noising.told(at)[0]
        alpha, sigma = noising.parts(told)
        assert torch.allclose(alpha * clean + sigma * noise, noised, atol=1e-4)
        said = noising.target(clean, noise, at)
        assert torch.allclose(noising.expected(noised, said, told), clean, atol=1e-3)
        moved = noising.expected(noised, noising.moved(said, score, told), told)
        assert torch.allclose(moved - clean, sigma**2 / alpha * score, rtol=1e-3, atol=1e-3)


def test_pure_noise_has_no_image_to_be_unsure_of():
    for noising, told in ((Flow(100), 1000.0), (Diffusion(torch.tensor([0.5, 0.0]), velocity=True), 1.0)):
        said = torch.ones(1, 1, 2, 2)
        assert torch.equal(noising.moved(said, said, torch.tensor(told)), said)


def test_the_prediction_moves_by_the_gradient_of_the_entropy_through_network_and_decoder(backbone, judge):
    noising, prompts = backbone.noising(), backbone.encode_prompts(["a cat", "a dog"])
    seen = torch.randn(2, *backbone.latent_shape(SIZE), generator=torch.Generator().manual_seed(1))
    t = noising.told(torch.tensor(len(noising) // 2))

    def predict(latents, when):
        return backbone.predict(latents, when, prompts, torch.tensor([0, 1])).float()

    def entropy(latents):
        expected = noising.expected(latents, predict(latents, t), t)
        return judge.entropy(backbone.decoded(expected)).double()

    alpha, sigma = noising.parts(t)
    plain, guided = predict(seen, t), Lack(judge, 5.0).guided(backbone, predict)(seen, t)
    score = (noising.expected(seen, guided, t) - noising.expected(seen, plain, t)) * alpha / sigma**2 / 5.0
    along = score / score.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    with torch.no_grad():
        risen = (entropy(seen + 0.02 * along) - entropy(seen - 0.02 * along)) / 0.04
    assert torch.allclose(risen.float(), score.flatten(1).norm(dim=1), rtol=0.05)
    assert (risen > 0).all()


def test_without_strength_or_outside_its_part_of_the_schedule_nothing_is_asked(backbone, judge, monkeypatch):
    asked = []
    monkeypatch.setattr(judge, "entropy", lambda images: asked.append(len(images)) or images.sum((1, 2, 3)))
    settings = replace(SHORT, sampler="euler", guided=(0.5, 1.0))
    diffusion.sample(backbone, requests(2), settings)
    assert asked == []
    diffusion.sample(backbone, requests(2), replace(settings, lack=Lack(judge, 1.0)))
    assert asked == [2, 2]


def test_neighbours_guidance_and_t0_change_nothing_but_rounding(tiny_sd, judge):
    plain = loaded(tiny_sd)
    mixed = [
        replace(one, source=picture(one.seed), guidance_scale=scale, strength=strength)
        for one, scale, strength in zip(requests(3), (3.0, 1.0, 5.0), (0.5, 1.0, 1.0), strict=True)
    ]
    settings = replace(SHORT, sampler="heun", inference_steps=3, lack=Lack(judge, 3.0))
    together = diffusion.sample(plain, mixed, settings)
    alone = [diffusion.sample(plain, [one], settings)[0] for one in mixed]
    assert max(furthest(a, b) for a, b in zip(together, alone, strict=True)) <= ROUNDING
    assert not set(diffusion.sample(plain, mixed, replace(settings, lack=None))) & set(together)


@pytest.mark.parametrize("side", [32, 64, 90])
def test_pictures_are_resized_and_cut_as_files_are(clip, tmp_path_factory, side):
    timm = encoders.load(make_timm(tmp_path_factory.mktemp("eye") / "network"), CPU)
    shown = picture(2, side)
    for encoder in (clip, timm):
        width = encoder.features(encoder.normalised(torch.zeros(1, 3, 64, 64))).shape[1]
        head = {"weight": torch.zeros(2, width), "bias": torch.zeros(2)}
        ours = Judge(Fitted("linear_probe", ("a", "b"), "", head), encoder).pixels(to_tensor([shown]))
        file = to_png([(to_tensor([shown])[0] / 2 + 0.5).mul(255).round().byte().permute(1, 2, 0)])
        assert (255 * ours - encoder.pixels(file).float()).abs().max() <= 2


def test_an_encoder_that_prepares_pictures_in_its_own_way_is_refused(clip, monkeypatch):
    monkeypatch.setattr(type(clip), "pictures", None)
    with pytest.raises(BadInput, match="Train one on pico-clip"):
        Judge(Fitted("linear_probe", ("a",), "", {}), clip)


def test_images_are_guided_on_a_device_and_in_half_precision(cuda, tiny_sd, tmp_path):
    folder = make_clip(tmp_path / "vit", "vit")
    head = {"weight": 6 * torch.eye(3, 24), "bias": torch.zeros(3)}

    def drawn(device, dtype):
        judge = Judge(Fitted("linear_probe", ("a", "b", "c"), "", head), encoders.load(folder, device))
        drawing = backbones.load(tiny_sd, device, dtype)
        (file,) = diffusion.sample(drawing, requests(1), replace(SHORT, inference_steps=2, lack=Lack(judge, 3.0)))
        assert not drawing.notes
        return file

    assert furthest(drawn(cuda, torch.float16), drawn(CPU, torch.float32)) <= 16
