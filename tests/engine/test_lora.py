from dataclasses import replace

import pytest
import torch

from synthstudio import weightfile
from synthstudio.engine import lora
from synthstudio.engine.noising import Diffusion
from tests.engine.drawing import QUICK, loaded, photos, trained
from tests.matrix import first_of


@pytest.fixture(scope="module")
def backbone(tiny_sd):
    return loaded(tiny_sd)


@pytest.fixture(scope="module")
def unbroken(backbone, tmp_path_factory):
    return trained(backbone, tmp_path_factory.mktemp("unbroken"))


def test_the_same_recipe_gives_the_same_bytes(backbone, unbroken, tmp_path):
    torch.manual_seed(123)
    assert trained(backbone, tmp_path) == unbroken


def test_another_seed_gives_other_weights(backbone, unbroken, tmp_path):
    assert trained(backbone, tmp_path, replace(QUICK, seed=6)) != unbroken


@pytest.mark.parametrize("stop_after", first_of([2, 1, 5]))
def test_a_stopped_training_ends_as_an_unbroken_one(backbone, unbroken, tmp_path, stop_after):
    first = lora.Training(backbone, photos(backbone), QUICK, tmp_path)
    running = first.run(100)
    for _ in range(stop_after):
        next(running)
    running.close()
    first.close()
    assert weightfile.read_header(first.checkpoint).metadata["step"] == str(stop_after)
    assert trained(backbone, tmp_path) == unbroken


@pytest.mark.parametrize("lost_after", first_of([5, 1]))
def test_a_killed_training_ends_as_an_unbroken_one(backbone, unbroken, tmp_path, lost_after):
    first = lora.Training(backbone, photos(backbone), QUICK, tmp_path)
    running = first.run(2)
    for _ in range(lost_after):
        next(running)
    first.save = lambda: None  # what was not yet written is lost
    running.close()
    first.close()
    assert trained(backbone, tmp_path) == unbroken


def test_a_checkpoint_of_another_recipe_is_not_used(backbone, unbroken, tmp_path):
    other = lora.Training(backbone, photos(backbone), replace(QUICK, learning_rate=1e-3), tmp_path)
    running = other.run(1)
    next(running)
    running.close()
    other.close()
    assert trained(backbone, tmp_path) == unbroken


@pytest.mark.parametrize(("targets", "text_encoder"), first_of([("attention", True), ("all", False)]))
def test_the_probe_loss_falls(backbone, tmp_path, targets, text_encoder):
    recipe = replace(QUICK, steps=25, targets=targets, text_encoder=text_encoder, batch_size=8)
    training = lora.Training(backbone, photos(backbone), recipe, tmp_path)
    before = training.probe()
    ticks = list(training.run(100))
    training.close()
    assert ticks[-1].probe < 0.95 * before


def test_the_probe_loss_of_large_images_is_measured_in_parts(backbone, tmp_path, monkeypatch):
    training = lora.Training(backbone, photos(backbone), QUICK, tmp_path)
    whole, seen = training.probe(), []
    monkeypatch.setattr(lora, "_PROBED_TOGETHER", 3 * 8 * 8)
    handle = backbone.unet.register_forward_pre_hook(lambda _module, inputs: seen.append(len(inputs[0])))
    assert training.probe() == pytest.approx(whole, rel=1e-5) and seen == [3, 1]
    handle.remove()
    training.close()


def test_velocity_is_learnt_too(tiny_sd2, tmp_path):
    backbone = loaded(tiny_sd2)
    training = lora.Training(backbone, photos(backbone), replace(QUICK, steps=25, batch_size=8), tmp_path)
    before = training.probe()
    *_, last = training.run(100)
    assert last.probe < 0.95 * before


def test_training_leaves_the_backbone_as_it_was(backbone, tmp_path):
    latents, rows = photos(backbone).mean[:2], torch.tensor([0, 0])

    def answer():
        return backbone.predict(latents, torch.tensor([5, 6]), backbone.encode_prompts(["a cat"]), rows)

    before = answer()
    trained(backbone, tmp_path)
    assert torch.equal(answer(), before)


def test_training_starts_at_the_frozen_model(backbone, tmp_path):
    latents, rows = photos(backbone).mean[:2], torch.tensor([0, 0])
    before = backbone.predict(latents, torch.tensor([5, 6]), backbone.embed(["a cat"]), rows)
    training = lora.Training(backbone, photos(backbone), replace(QUICK, targets="all"), tmp_path)
    with torch.no_grad():
        started = backbone.predict(latents, torch.tensor([5, 6]), backbone.embed(["a cat"]), rows)
    training.close()
    assert torch.allclose(started, before, atol=1e-6)


@pytest.mark.filterwarnings("error")
def test_a_loss_that_is_no_number_stops_the_training(backbone, tmp_path):
    shots = photos(backbone)
    broken = replace(shots, mean=torch.full_like(shots.mean, float("nan")))
    training = lora.Training(backbone, broken, QUICK, tmp_path)
    with pytest.raises(lora.NotFinite, match="learning rate below 0.01"):
        list(training.run(100))
    training.close()


def test_a_photo_of_several_views_shows_all_of_them(backbone, tmp_path):
    shots = photos(backbone, count=4)
    one = lora.Photos(shots.mean, torch.zeros_like(shots.deviation), ((0, 1, 2, 3),), ("a photo of a cat",))
    training = lora.Training(backbone, one, replace(QUICK, batch_size=64), tmp_path)
    seen = {tuple(row.flatten().tolist()) for row in training._batch(0).latents}
    training.close()
    assert len(seen) == 4


def test_the_learning_rate_warms_up_and_fades():
    recipe = lora.Recipe(steps=100, warmup_steps=10, learning_rate=1.0)
    rates = [recipe.rate(step) for step in range(100)]
    assert rates[0] == 0 and rates[10] == max(rates) == 1.0 and rates[99] < 0.001


def test_an_epoch_shows_every_photo_once(backbone, tmp_path):
    training = lora.Training(backbone, photos(backbone, count=6), replace(QUICK, batch_size=2), tmp_path)
    means = {tuple(m.flatten().tolist()[:3]): i for i, m in enumerate(training.photos.mean)}
    still = replace(training.photos, deviation=torch.zeros_like(training.photos.deviation))
    training.photos = still
    shown = [means[tuple(x.flatten().tolist()[:3])] for step in range(3) for x in training._batch(step).latents]
    training.close()
    assert sorted(shown) == list(range(6))


def test_min_snr_lowers_the_weight_of_nearly_clean_latents():
    weights = Diffusion(torch.tensor([0.999, 0.5]), velocity=False).weights(torch.tensor([0, 1]), 5.0)
    assert weights[0] < 0.01 and weights[1] == 1


def test_the_prompt_is_dropped_as_often_as_asked(backbone, tmp_path):
    recipe = replace(QUICK, prompt_dropout=0.5, batch_size=200)
    training = lora.Training(backbone, photos(backbone), recipe, tmp_path)
    dropped = training._batch(0).prompts.count("")
    training.close()
    assert 70 < dropped < 130
