"""Intervals for the numbers we show. Every function says which interval it gives, and under which assumption."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Z95 = 1.959963984540054
_T95 = (12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157, 2.228139)


class Interval(NamedTuple):
    """A value with the two ends of its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(hits: int, n: int) -> Interval:
    """Score interval of a proportion (Wilson 1927): honest near 0 and 1 and for small n, where p ± 2 se is not."""
    if not 0 <= hits <= n or n == 0:
        raise ValueError(f"{hits} of {n} is not a proportion")
    share, z2 = hits / n, Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # At 0 and 1 an end of the interval is the value itself, which rounding must not put outside.
    return Interval(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))


def t95(freedom: int) -> float:
    """The 97.5 % quantile of Student's t: a table to 10 degrees of freedom, then its expansion around the normal."""
    if freedom <= len(_T95):
        return _T95[freedom - 1]
    z, n = Z95, freedom
    return z + (z**3 + z) / (4 * n) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)


def mean_over_folds(values: Sequence[float]) -> Interval:
    """Mean with Student's t interval over folds; needs at least two. Folds are taken as independent draws."""
    folds = np.asarray(values, dtype=float)
    if len(folds) < 2:
        raise ValueError("an interval over folds needs at least two folds")
    mean = float(folds.mean())
    half = float(t95(len(folds) - 1) * folds.std(ddof=1) / np.sqrt(len(folds)))
    return Interval(mean, mean - half, mean + half)


def paired_bootstrap(
    images: Sequence[str], after: Sequence[float], before: Sequence[float], *, draws: int = 10_000, seed: int = 0
) -> Interval:
    """Difference of two accuracies on the same images, resampling images (percentile bootstrap; Efron 1979).

    One entry per (fold, image): whether it was right, or the share of trainings that had it right. Entries of one image
    are drawn together, because the same test photo answered in three folds is not three photos.
    """
    _, place = np.unique(np.asarray(images), return_inverse=True)
    gain = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
    gains = np.bincount(place, weights=gain)
    counts = np.bincount(place).astype(float)
    random = np.random.default_rng(seed)
    drawn = np.empty(draws)
    for start in range(0, draws, 500):
        rows = random.integers(0, len(gains), size=(min(500, draws - start), len(gains)))
        drawn[start : start + len(rows)] = gains[rows].sum(1) / counts[rows].sum(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(float(gain.mean()), float(low), float(high))
