"""Diffusion Inversion: every photo as vectors that a frozen model attends to."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from synthstudio.engine import diffusion, lora
from synthstudio.engine.adapters import inverted
from synthstudio.engine.diffusion import Request, Settings
from synthstudio.errors import BadInput
from tests.engine.drawing import QUICK, loaded, photos, trained
from tests.engine.tiny import SIZE
from tests.matrix import first_of

SHORT = Settings(guidance_scale=3.0, inference_steps=3, resolution=SIZE)
FIVE = replace(QUICK, method=lora.VECTORS, vectors=5, learning_rate=0.1, warmup_steps=0, steps=6, batch_size=4)
NAMES = tuple(f"{number:064x}" for number in range(4))


@pytest.fixture(scope="module")
def plain(tiny_sd):
    return loaded(tiny_sd)


@pytest.fixture(scope="module")
def xl(tiny_sdxl):
    return loaded(tiny_sdxl)


@pytest.fixture(scope="module")
def klein(tiny_klein):
    return loaded(tiny_klein)


def shots(backbone):
    return replace(photos(backbone), prompts=NAMES)


def file_of(backbone, folder, recipe=FIVE):
    folder.mkdir(exist_ok=True)
    trained(backbone, folder, recipe, shots(backbone))
    return folder / "weights.safetensors"


def table_of(backbone, folder, recipe=FIVE):
    return inverted.Table(backbone, inverted.read_vectors(file_of(backbone, folder, recipe)))


@pytest.mark.parametrize("family", first_of(["plain", "xl", "klein"]))
def test_the_loss_falls_and_nothing_of_the_model_changes(family, request, tmp_path):
    backbone = request.getfixturevalue(family)
    before = {name: part.state_dict() for name, part in backbone.modules.items()}
    kept = {(name, key): one.clone() for name, state in before.items() for key, one in state.items()}
    training = lora.Training(backbone, shots(backbone), replace(FIVE, steps=15), tmp_path)
    first = training.probe()
    *_, last = training.run(100)
    training.close()
    assert last.probe < first
    assert all(torch.equal(one, backbone.modules[part].state_dict()[key]) for (part, key), one in kept.items())


def test_every_photo_has_vectors_of_its_own(plain, tmp_path):
    vectors = load_file(file_of(plain, tmp_path))
    assert sorted(vectors) == sorted(NAMES) and {tuple(one.shape) for one in vectors.values()} == {(5, 16)}
    assert len({one.numpy().tobytes() for one in vectors.values()}) == 4


def test_the_vectors_of_a_photo_begin_apart_and_hang_on_the_photo_alone(plain):
    both = inverted.Inverted(plain, NAMES, 3, seed=1).table().vectors
    alone = inverted.Inverted(plain, NAMES[2:3], 3, seed=1).table().vectors
    assert torch.equal(both[NAMES[2]], alone[NAMES[2]])
    assert (both[NAMES[2]][1] - both[NAMES[2]][2]).abs().max() > 0.01  # equal ones would stay equal for ever


def test_a_stopped_training_ends_as_an_unbroken_one(plain, tmp_path):
    whole = file_of(plain, tmp_path / "whole").read_bytes()
    first = lora.Training(plain, shots(plain), FIVE, tmp_path / "stopped")
    running = first.run(100)
    for _ in range(4):
        next(running)
    running.close()
    first.close()
    assert file_of(plain, tmp_path / "stopped").read_bytes() == whole


@pytest.mark.parametrize("family", ["plain", "xl", "klein"])
def test_images_follow_the_vectors(family, request, tmp_path):
    backbone = request.getfixturevalue(family)
    table = table_of(backbone, tmp_path, replace(FIVE, steps=2))
    requests = [Request(table.drawn(name), table.mean, 7) for name in NAMES[:2]]
    together = diffusion.sample(backbone, requests, replace(SHORT, resolution=backbone.resolution))
    assert together[0] != together[1]


def test_guidance_leads_away_from_the_mean_of_all_vectors(plain, tmp_path):
    table = table_of(plain, tmp_path)
    all_of_them = torch.stack([table.vectors[name] for name in NAMES])
    assert torch.allclose(table.mean.values, all_of_them.mean(0))
    nowhere = [Request(table.mean, table.mean, 7)]
    unguided, guided = (diffusion.sample(plain, nowhere, replace(SHORT, guidance_scale=g)) for g in (1.0, 9.0))
    assert unguided == guided  # from the mean to the mean there is no way


def test_a_share_of_the_way_and_noise_move_vectors_as_they_say(plain, tmp_path):
    table = table_of(plain, tmp_path)
    one, other = table.vectors[NAMES[0]], table.vectors[NAMES[1]]
    assert torch.allclose(table.drawn(NAMES[0], NAMES[1], 0.25).values, 0.75 * one + 0.25 * other)
    noisy = table.drawn(NAMES[0], noise=0.5, seed=3).values - one
    assert 0.3 < noisy.std() < 0.7 and torch.equal(noisy + one, table.drawn(NAMES[0], noise=0.5, seed=3).values)
    assert not torch.equal(table.drawn(NAMES[0], noise=0.5, seed=4).values - one, noisy)


def test_vectors_of_another_model_are_refused(plain, xl, tmp_path):
    vectors = inverted.read_vectors(file_of(plain, tmp_path))
    with pytest.raises(BadInput, match="learned by another model"):
        inverted.Table(xl, vectors)


def test_more_vectors_than_the_model_attends_to_are_refused(plain):
    with pytest.raises(BadInput, match="77 vectors at most"):
        inverted.Inverted(plain, NAMES, 78, seed=1)


def test_a_file_without_vectors_is_refused(plain, tmp_path):
    trained(plain, tmp_path)
    with pytest.raises(BadInput, match="no inverted vectors"):
        inverted.read_vectors(tmp_path / "weights.safetensors")
