"""Encoders and classifiers on a device: every entry point, with the numbers of the CPU."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from synthstudio.engine import classifier, encoders, finetune
from synthstudio.engine.probe import Examples, fit
from tests.engine import pretend
from tests.engine.drawing import CPU
from tests.engine.tiny_clip import make_clip
from tests.engine.tiny_timm import make_timm
from tests.matrix import first_of

LABELS = ("cat", "dog")
CLIP = classifier.Settings(training_steps=3, batch_size=4, seed=1, rank=4, learning_rate=1e-2)
TIMM = finetune.Settings(training_steps=3, batch_size=4, seed=1, learning_rate=1e-2)
WAYS = {"light": {}, "strong": {"augmentation": "strong", "flip": True}, "none": {"augmentation": "none"}}
CUTS = {"attention": {}, "all": {"targets": "all"}, "last block": {"depth": 1}, "fixed views": {"depth": 1, "views": 2}}
SCOPES = {"head": {"scope": "head"}, "blocks": {}, "all": {"scope": "all"}, "mixup": {"mix": "mixup"},
          "cutmix": {"mix": "cutmix"}}  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    home = tmp_path_factory.mktemp("eyes")
    return {
        "vit": make_clip(home / "vit", "vit"), "resnet": make_clip(home / "resnet", "resnet"),
        "timm": make_timm(home / "timm"),
    }  # fmt: skip


def pixels(encoder, count=5, seed=0):
    chance = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, 3, encoder.size, encoder.size), generator=chance, dtype=torch.uint8)


def parts(encoder):
    return {
        name: classifier.Part.of(tuple(f"{name}{n}" for n in range(6)), pixels(encoder, 6, seed), [0, 1] * 3)
        for seed, name in enumerate(("real", "synthetic"))
    }


def told(training, steps=3):
    """The losses of a training, and what it ends with, on the CPU."""
    losses = [training.advance() and training.look()["loss"] for _ in range(steps)]
    return losses, training


def of_clip(encoder, settings, **how):
    training = classifier.Training(encoder, parts(encoder), LABELS, settings, **how)
    list(training.prepare())
    return told(training)


def of_timm(encoder, settings, **how):
    head = {"weight": torch.zeros(2, encoder.embed_images(pixels(encoder, 1)).shape[1]), "bias": torch.zeros(2)}
    return told(finetune.Training(encoder, parts(encoder), head, settings, **how))


@pytest.mark.parametrize("kind", ["vit", "resnet", "timm"])
def test_an_image_has_the_vector_it_has_on_the_cpu(cuda, folders, kind):
    here, there = (encoders.load(folders[kind], device) for device in (CPU, cuda))
    assert np.allclose(here.embed_images(pixels(here)), there.embed_images(pixels(here)), atol=1e-4)


def test_a_word_has_the_vector_it_has_on_the_cpu(cuda, folders):
    prompts = ["a photo of a {label}", "a drawing of a {label}"]
    here, there = (encoders.load(folders["vit"], device).embed_labels(LABELS, prompts) for device in (CPU, cuda))
    assert np.allclose(here, there, atol=1e-4)


def test_a_probe_is_fitted_to_vectors_of_the_device(cuda, folders):
    encoder = encoders.load(folders["vit"], cuda)
    seen = Examples(encoder.embed_images(pixels(encoder, 6)), np.array([0, 1] * 3))
    prior = encoder.embed_labels(LABELS, ["{label}"])
    head = fit({"real": seen}, prior, 2, scale=encoder.scale, penalty=0.04, real_weight=1.0)
    fitted = classifier.Fitted("linear_probe", LABELS, "{label}", head)
    assert classifier.probabilities(fitted, classifier.Images(encoder, pixels(encoder))).shape == (5, 2)


@pytest.mark.parametrize("kind", ["vit", "resnet"])
@pytest.mark.parametrize("options", [*CUTS.values(), WAYS["strong"]], ids=[*CUTS, "strong"])
def test_a_clip_model_is_trained(cuda, folders, kind, options):
    losses, _ = of_clip(encoders.load(folders[kind], cuda), replace(CLIP, **options))
    assert np.isfinite(losses).all()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("at_once", first_of([3, 0]))
def test_a_clip_model_learns_what_it_learns_on_the_cpu(cuda, folders, way, at_once):
    how = {"dtype": torch.float32, "at_once": at_once}  # no mixed precision, so that numbers can be compared
    losses, training = of_clip(encoders.load(folders["vit"], cuda), replace(CLIP, **way), **how)
    expected, here = of_clip(encoders.load(folders["vit"], CPU), replace(CLIP, **way))
    assert losses == pytest.approx(expected, rel=1e-3)
    assert torch.allclose(training.update.flat.detach().cpu(), here.update.flat, atol=1e-3)


@pytest.mark.parametrize("kind", ["clip", "timm"])
def test_a_stopped_training_goes_on(cuda, folders, tmp_path, kind):
    encoder = encoders.load(folders["vit" if kind == "clip" else "timm"], cuda)
    run, settings = (of_clip, CLIP) if kind == "clip" else (of_timm, TIMM)
    _, first = run(encoder, replace(settings, training_steps=5))
    first.save(tmp_path / "checkpoint")
    expected, _ = told(first, 2)
    _, again = run(encoder, replace(settings, training_steps=5))
    assert again.resume(tmp_path / "checkpoint") and again.step == 3
    assert told(again, 2)[0] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("kind", ["clip", "timm"])
def test_steps_do_not_wait_until_their_values_are_wanted(card, folders, kind):
    if kind == "clip":
        settings = replace(CLIP, training_steps=99, **WAYS["strong"])
        _, training = of_clip(encoders.load(folders["vit"], pretend.DEVICE), settings)
    else:
        _, training = of_timm(encoders.load(folders["timm"], pretend.DEVICE), replace(TIMM, training_steps=99))
    training._told._looked = float("inf")  # however slow this machine is
    card.waits.clear()
    values = [training.advance() for _ in range(4)]
    assert not card.waits and len({one["loss"] for one in values}) == 1
    assert training.look()["loss"] != values[0]["loss"] and len(card.waits) == 1


@pytest.mark.parametrize("options", SCOPES.values(), ids=SCOPES)
def test_a_timm_network_learns_what_it_learns_on_the_cpu(cuda, folders, options):
    expected, _ = of_timm(encoders.load(folders["timm"], CPU), replace(TIMM, **options))
    settings, how = replace(TIMM, **options), {"dtype": torch.float32, "at_once": 3}
    losses, training = of_timm(encoders.load(folders["timm"], cuda), settings, **how)
    assert losses == pytest.approx(expected, rel=1e-2)
    assert all(one.isfinite().all() for one in training.tensors().values())


def test_a_timm_network_is_trained_in_half_precision(cuda, folders):
    losses, training = of_timm(encoders.load(folders["timm"], cuda), replace(TIMM, scope="all"))
    assert training.updates.dtype is torch.bfloat16 and np.isfinite(losses).all()
    assert all(one.dtype is torch.float32 and one.isfinite().all() for one in training.tensors().values())


@pytest.mark.parametrize("kind", ["lora", "finetuned"])
def test_a_trained_classifier_is_asked_and_taken_out_in_one_piece(cuda, folders, kind):
    if kind == "lora":
        encoder = encoders.load(folders["vit"], cuda)
        tensors = of_clip(encoder, CLIP)[1].update.tensors()
    else:
        encoder = encoders.load(folders["timm"], cuda)
        tensors = {name: value.cpu() for name, value in of_timm(encoder, TIMM)[1].tensors().items()}
    fitted = classifier.Fitted(kind, LABELS, "{label}", tensors, rank=CLIP.rank, alpha=CLIP.alpha)
    chances = classifier.probabilities(fitted, classifier.Images(encoder, pixels(encoder)))
    assert np.allclose(chances.sum(1), 1)
    state, weight, bias = classifier.standalone(fitted, encoder)
    assert len(weight) == len(bias) == 2 and state
