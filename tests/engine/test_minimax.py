"""The Minimax losses: what they pull and push, what they remember, and that a resume forgets nothing."""

from dataclasses import replace

import pytest
import torch

from synthstudio.engine import lora
from synthstudio.engine.minimax import REMEMBERED, Minimax
from tests.engine.drawing import QUICK, loaded, photos, trained
from tests.matrix import first_of

BOTH = replace(QUICK, representativeness=0.5, diversity=0.5)


def minimax(representativeness, diversity):
    return Minimax(2, 3, representativeness, diversity, torch.device("cpu"))


def show(losses, predicted, real, place=0, share=0.9):
    rows = torch.tensor([predicted], dtype=torch.float32)
    return losses.loss(rows, torch.tensor([real], dtype=torch.float32), torch.tensor([place]), torch.tensor([share]))


def test_representativeness_is_the_distance_from_the_least_alike_photo():
    losses = minimax(2.0, 0.0)
    assert show(losses, [1, 0, 0], [1, 0, 0]) == 0  # nothing to compare with yet
    show(losses, [1, 0, 0], [0, 1, 0])
    assert show(losses, [3, 0, 0], [0, 0, 1]) == pytest.approx(2.0)  # cos with the second photo is 0
    assert show(losses, [1, 1, 1], [0, 0, 1]) == pytest.approx(2.0 * (1 - 3**-0.5))


def test_diversity_is_the_likeness_to_the_most_alike_earlier_prediction():
    losses = minimax(0.0, 0.5)
    show(losses, [1, 0, 0], [1, 0, 0])
    show(losses, [0, 1, 0], [1, 0, 0])
    assert show(losses, [0, 5, 0], [1, 0, 0]) == pytest.approx(0.5)
    assert show(losses, [0, 0, 1], [1, 0, 0]) == pytest.approx(0.0)


def test_classes_do_not_hear_of_each_other_and_noisy_predictions_are_left_out():
    losses = minimax(1.0, 1.0)
    show(losses, [1, 0, 0], [1, 0, 0], place=0)
    assert show(losses, [1, 0, 0], [1, 0, 0], place=1) == 0
    assert show(losses, [1, 0, 0], [1, 0, 0], place=0, share=0.1) == 0
    assert losses.seen.tolist() == [1, 1]


def test_the_oldest_is_forgotten_first():
    losses = minimax(0.0, 1.0)
    show(losses, [1, 0, 0], [1, 0, 0])
    for _ in range(REMEMBERED):
        show(losses, [0, 1, 0], [1, 0, 0])
    assert show(losses, [1, 0, 0], [1, 0, 0]) == pytest.approx(0.0)


def test_the_gradient_reaches_the_prediction_and_not_the_memory():
    losses = minimax(1.0, 1.0)
    show(losses, [1, 0, 0], [0, 1, 0])
    predicted = torch.tensor([[1.0, 0.5, 0.0]], requires_grad=True)
    losses.loss(predicted, torch.ones(1, 3), torch.tensor([0]), torch.tensor([0.9])).backward()
    assert predicted.grad.abs().sum() > 0
    assert not losses.predicted.requires_grad


@pytest.mark.parametrize("stop_after", first_of([4, 1]))
def test_a_stopped_training_with_memories_ends_as_an_unbroken_one(tiny_sd, tmp_path, stop_after):
    backbone = loaded(tiny_sd)
    unbroken = trained(backbone, tmp_path / "whole", BOTH)
    first = lora.Training(backbone, photos(backbone), BOTH, tmp_path / "stopped")
    running = first.run(100)
    for _ in range(stop_after):
        next(running)
    running.close()
    first.close()
    assert trained(backbone, tmp_path / "stopped", BOTH) == unbroken


def test_the_losses_change_what_is_learnt_and_the_reported_loss_stays_the_plain_one(tiny_sd, tmp_path):
    backbone = loaded(tiny_sd)
    assert trained(backbone, tmp_path / "plain") != trained(backbone, tmp_path / "minimax", BOTH)
    ticks = []
    for recipe in (QUICK, BOTH):
        training = lora.Training(backbone, photos(backbone), recipe, tmp_path / str(recipe.diversity))
        ticks.append(next(training.run(100)))
        training.close()
    assert ticks[0].loss == ticks[1].loss  # the first step starts from the same weights
