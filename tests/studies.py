"""Simulated studies: do 95 % intervals hold the truth 95 times in 100?

An image is easy or hard for everybody and suits one arm more than the other (both last over all draws), a draw of shots
lifts or lowers an arm, and single answers have chance. No arm is better in expectation.
"""

from collections.abc import Callable

import numpy as np

from synthstudio.statistics import Interval, contrast, crossed, crossed_share

BASE, DIFFICULTY, TASTE, CHANCE = 1.0, 2.0, 0.35, 0.7
RIVAL_DRAWS = 5  # of the random subset that the judge of small sets compares three trainings with
Study = Callable[[np.random.Generator], tuple[Interval, float]]  # an interval, and what it should hold


def answers(random: np.random.Generator, images: int, draws: tuple[int, int], of_draws: float) -> list[np.ndarray]:
    """Two tables (draws, images) of 1 for right and 0."""
    base = random.normal(BASE, DIFFICULTY, images)
    tables = []
    for count in draws:
        known = base + random.normal(0, TASTE, images)
        level = random.normal(0, of_draws, (count, 1))
        tables.append((known + level + random.normal(0, CHANCE, (count, images)) > 0) * 1.0)
    return tables


def difference(images: int, draws: int, of_draws: float) -> Study:
    """Of two arms trained on the same draws and asked the same images."""

    def study(random):
        after, before = answers(random, images, (draws, draws), of_draws)
        return crossed(after - before), 0.0

    return study


def accuracy(images: int, draws: int, of_draws: float) -> Study:
    """Of one arm; the truth is known, as everything added is normal."""
    from scipy.special import ndtr

    truth = float(ndtr(BASE / np.sqrt(DIFFICULTY**2 + TASTE**2 + CHANCE**2 + of_draws**2)))
    return lambda random: (crossed_share(answers(random, images, (draws, 1), of_draws)[0]), truth)


def unpaired(images: int, of_draws: float) -> Study:
    """As the judge of small sets compares three trainings of a method with five draws of a rival."""
    return lambda random: (contrast(*answers(random, images, (3, RIVAL_DRAWS), of_draws)), 0.0)


def coverage(study: Study, repeats: int) -> float:
    """The share of studies whose interval holds the truth."""
    random = np.random.default_rng(0)
    found = [study(random) for _ in range(repeats)]
    return float(np.mean([interval.low <= truth <= interval.high for interval, truth in found]))
