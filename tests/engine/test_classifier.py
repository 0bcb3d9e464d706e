import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from synthstudio.engine import classifier, encoders
from synthstudio.engine.classifier import Fitted, Images, Part, Settings, Training
from synthstudio.engine.low_rank import LowRank, targets_of
from synthstudio.errors import BadInput
from tests.engine.tiny_clip import make_clip
from tests.steps.kit import coloured

LABELS = ("blue", "green", "red")
TEXTS = [f"a photo of a {label}" for label in LABELS]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return {tower: encoders.load(make_clip(folder / tower, tower), torch.device("cpu")) for tower in ("vit", "resnet")}


@pytest.fixture(scope="module", params=["vit", "resnet"])
def encoder(request, clips):
    return clips[request.param]


def part(encoder, numbers, labels=LABELS):
    names = [(label, n) for label in labels for n in numbers]
    pixels = encoder.pixels(coloured(label, n) for label, n in names)
    places = torch.tensor([LABELS.index(label) for label, _ in names])
    return Part(tuple(f"{label}{n}" for label, n in names), pixels, places)


def settings(**changes):
    chosen = {"training_steps": 4, "batch_size": 6, "seed": 1, "learning_rate": 1e-2, "views": 2, "rank": 4, "alpha": 8}
    return Settings(**{**chosen, **changes})


def trained(encoder, parts, chosen):
    training = Training(encoder, parts, TEXTS, chosen)
    list(training.prepare())
    while training.step < chosen.training_steps:
        training.advance()
    return training


@pytest.mark.parametrize("which", ["attention", "all"])
def test_lora_reaches_both_towers_and_nothing_else(encoder, which):
    before = {name: weight.clone() for name, weight in encoder.model.named_parameters()}
    training = trained(encoder, {"real": part(encoder, range(3))}, settings(targets=which))
    adapted = training.update.weights(encoder.model)
    moved = {name for name, weight in adapted.items() if not torch.equal(weight, before[name])}
    assert moved == {target.name for target in training.update.targets}
    assert any(name.startswith("visual.") for name in moved) and any(not name.startswith("visual.") for name in moved)
    assert all(torch.equal(weight, before[name]) for name, weight in encoder.model.named_parameters())


def test_query_key_value_and_output_are_all_adapted(clips):
    names = {target.name for target in targets_of(clips["vit"].model, "attention", None)}
    assert {"visual.transformer.resblocks.0.attn.in_proj_weight", "visual.transformer.resblocks.0.attn.out_proj.weight",
            "transformer.resblocks.1.attn.in_proj_weight"} <= names  # fmt: skip
    pool = {target.name for target in targets_of(clips["resnet"].model, "attention", None)}
    assert {f"visual.attnpool.{one}_proj.weight" for one in "qkvc"} <= pool
    training = trained(clips["vit"], {"real": part(clips["vit"], range(3))}, settings(dropout=0.0))
    down, up = training.update.factors()[training.update.targets[0]]
    assert down.shape[0] == 3 and all((up[i].abs().sum() > 0) for i in range(3))


def test_depth_keeps_the_last_blocks(clips):
    last = {t.name for t in targets_of(clips["resnet"].model, "all", 2) if t.name.startswith("visual.")}
    assert all(name.startswith(("visual.layer4.", "visual.attnpool.")) for name in last) and last
    one = {t.name for t in targets_of(clips["vit"].model, "attention", 1) if t.name.startswith("visual.")}
    assert all(name.startswith("visual.transformer.resblocks.1.") for name in one) and one


def test_an_untrained_update_is_the_frozen_model(encoder):
    update = LowRank(targets_of(encoder.model, "all", None), rank=4, alpha=8)
    update.initialise(0)
    base = dict(encoder.model.named_parameters())
    assert all(torch.equal(weight, base[name]) for name, weight in update.weights(encoder.model).items())


def test_the_update_is_alpha_over_rank_times_b_a(clips):
    update = LowRank(targets_of(clips["vit"].model, "attention", None), rank=2, alpha=6)
    torch.nn.init.normal_(update.flat)
    target = next(t for t in update.targets if t.parts == 3)
    down, up = update.factors()[target]
    base = dict(clips["vit"].model.named_parameters())[target.name]
    key = (update.weights(clips["vit"].model)[target.name] - base)[target.rows : 2 * target.rows]
    assert torch.allclose(key, 3 * up[1] @ down[1], atol=1e-5)


def test_real_weight_weighs_the_means_of_the_parts():
    logits = {"real": torch.randn(2, 3), "synthetic": torch.randn(7, 3)}
    labels = {"real": torch.tensor([0, 1]), "synthetic": torch.tensor([2] * 7)}
    real, synthetic = (F.cross_entropy(logits[name], labels[name]) for name in ("real", "synthetic"))
    both = classifier.weighted_loss(logits, labels, 0.8)
    assert torch.isclose(both, 0.8 * real + 0.2 * synthetic)
    assert torch.equal(classifier.weighted_loss({"synthetic": logits["synthetic"]}, labels, 0.8), synthetic)


def test_every_arm_sees_batches_of_the_same_size():
    assert classifier.shares(64, ["real"]) == {"real": 64}
    assert classifier.shares(64, ["real", "synthetic"]) == {"real": 32, "synthetic": 32}


def test_shots_repeat_in_shuffled_passes():
    drawn = torch.cat([classifier.chosen(0, "real", 5, step, 4) for step in range(5)])
    assert all(sorted(drawn[start : start + 5].tolist()) == [0, 1, 2, 3, 4] for start in range(0, 20, 5))
    assert drawn[:5].tolist() != drawn[5:10].tolist()


def test_the_rate_warms_up_and_falls_to_zero():
    chosen = settings(training_steps=100, warmup_steps=10, learning_rate=1.0)
    rates = [classifier.learning_rate_at(step, chosen) for step in range(101)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == rates[10] == 1.0 and rates[100] == pytest.approx(0)
    assert rates[55] == pytest.approx(0.5) and max(rates) == 1.0 and not math.isnan(sum(rates))


@pytest.mark.parametrize("views", [0, 2])
@pytest.mark.parametrize("stop", [0, 1, 3])
def test_a_resumed_training_ends_with_the_same_bytes(encoder, tmp_path, views, stop):
    parts = {"real": part(encoder, range(2)), "synthetic": part(encoder, range(5, 9))}
    chosen = settings(views=views, warmup_steps=2, augmentation="strong")
    unbroken = trained(encoder, parts, chosen)
    first = Training(encoder, parts, TEXTS, chosen)
    list(first.prepare())
    for _ in range(stop):
        first.advance()
    first.save(tmp_path / "checkpoint.safetensors")
    second = Training(encoder, parts, TEXTS, chosen)
    assert second.resume(tmp_path / "checkpoint.safetensors") and second.step == stop
    list(second.prepare())
    while second.step < chosen.training_steps:
        second.advance()
    assert torch.equal(second.update.flat, unbroken.update.flat)


def test_a_broken_checkpoint_starts_anew(encoder, tmp_path):
    (tmp_path / "half.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{")
    training = Training(encoder, {"real": part(encoder, range(2))}, TEXTS, settings())
    assert not training.resume(tmp_path / "half.safetensors") and training.step == 0


def test_a_simple_problem_is_learned_and_answered_from_the_file(encoder, tmp_path):
    chosen = settings(training_steps=60, batch_size=12, targets="all", augmentation="light", learning_rate=5e-3)
    training = trained(encoder, {"real": part(encoder, range(4))}, chosen)
    file = tmp_path / "weights.safetensors"
    classifier.write_tensors(file, training.update.tensors())
    prompt = "a photo of a {label}"
    about = {"kind": "lora", "labels": LABELS, "prompt": prompt, "rank": 4, "alpha": 8, "targets": "all"}
    others = part(encoder, range(20, 26))
    chances = classifier.probabilities(Fitted.read(about, file), Images(encoder, others.pixels))
    assert np.allclose(chances.sum(1), 1)
    assert (chances.argmax(1) == others.labels.numpy()).mean() >= 0.9


def test_pictures_that_are_asked_about_stay_bytes_until_their_batch(clips, monkeypatch):
    for tower, depth in (("vit", None), ("resnet", 1)):
        encoder = clips[tower]
        update = LowRank(targets_of(encoder.model, "attention", depth), rank=2, alpha=2)
        about = Fitted("lora", LABELS, "{label}", update.tensors(), rank=2, alpha=2, depth=depth)
        asked, towers = Images(encoder, part(encoder, range(3)).pixels), classifier.Towers(encoder, bool(depth) * 5)
        kept = asked.frozen(towers)
        assert (kept.dtype == torch.uint8) == (tower == "vit")
        found = classifier.probabilities(about, asked)
        monkeypatch.setattr(classifier, "_KEPT", 0)  # and so do they where a frozen tower would make too much of them
        asked = Images(encoder, asked.pixels)
        assert asked.frozen(towers) is asked.pixels
        assert np.array_equal(classifier.probabilities(about, asked), found)
        monkeypatch.undo()


def test_a_model_that_no_lora_fits_is_refused():
    with pytest.raises(BadInput, match="image tower"):
        targets_of(torch.nn.Sequential(torch.nn.ReLU()), "attention", None)
