"""Intervals and tests for the numbers we show. Every function says which it gives, and under which assumption.

Answers come as a table: a row per draw (a fold with its own shots, or a training), a column per test image. Both are
samples: other photos and other shots would have given other numbers, and an interval has to speak of both.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, ndtri, stdtrit

Z95 = float(ndtri(0.975))


class Interval(NamedTuple):
    """A value with the two ends of its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(hits: float, n: float) -> Interval:
    """Score interval of a proportion (Wilson 1927): honest near 0 and 1 and for small n, where p ± 2 se is not.

    `n` may be an effective number of observations and need not be whole.
    """
    if not 0 <= hits <= n or n == 0:
        raise ValueError(f"{hits} of {n} is not a proportion")
    share, z2 = hits / n, Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # At 0 and 1 an end of the interval is the value itself, which rounding must not put outside.
    return Interval(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))


def t95(freedom: float) -> float:
    """The 97.5 % quantile of Student's t."""
    return float(stdtrit(freedom, 0.975))


def mean_over_draws(values: Sequence[float]) -> Interval:
    """Mean with Student's t interval; needs at least two values, which are taken as independent draws."""
    draws = np.asarray(values, dtype=float)
    if len(draws) < 2:
        raise ValueError("an interval over draws needs at least two draws")
    mean = float(draws.mean())
    half = float(t95(len(draws) - 1) * draws.std(ddof=1) / np.sqrt(len(draws)))
    return Interval(mean, mean - half, mean + half)


def crossed(values: NDArray[np.float64]) -> Interval:
    """Mean of a table (draws, images) whose rows and columns are both samples; NaN where an image was not asked.

    The half width is t over draws, widened by what all draws share and their spread therefore cannot show: the effects
    of the very images. half² = t²(F-1) s²/F + t²(n-1) v c, with s² the variance of the F means, v the covariance of
    different draws on one image and c its weight in the mean, less what s² holds of it already (all of it for disjoint
    test sets, nothing for a common one). The variance of a crossed random model; its two parts keep their own degrees
    of freedom, as a pooled number (Satterthwaite) covers too little with two or three draws. With one draw it is t over
    images, and nothing can be said of other draws; where no image was asked
    twice, it is never less than that either, or folds whose means agree by chance would be certain.

    Where no value differs, the share of images that might is bounded by Wilson's interval of none in n.
    """
    asked = ~np.isnan(values)
    images = int(asked.any(0).sum())
    means = np.nanmean(values, 1)
    value = float(means.mean())
    if images < 2 or np.nanmax(values) == np.nanmin(values):
        return _around(value, wilson(0, images).high)
    fixed = t95(images - 1) ** 2 * float(np.nanmean(values[:, asked.any(0)], 0).var(ddof=1)) / images
    if len(values) == 1:
        return _around(value, math.sqrt(fixed))
    spread = t95(len(values) - 1) ** 2 * float(means.var(ddof=1)) / len(values)
    common = t95(images - 1) ** 2 * _persistent(values, means) * _weight(asked)
    twice = bool((asked.sum(0) > 1).any())
    return _around(value, math.sqrt(spread + common if twice and spread + common else max(fixed, spread)))


def crossed_share(right: NDArray[np.float64]) -> Interval:
    """Accuracy with its interval from a table (draws, images) of what was right, each 0 to 1; NaN: not asked.

    Wilson's interval with the number of independent answers that would give the half width of `crossed`, so that it
    stays inside 0 and 1 and never shrinks to nothing.
    """
    found = crossed(right)
    share, images = min(1.0, max(0.0, found.value)), int((~np.isnan(right)).any(0).sum())
    if len(right) == 1 or share in (0.0, 1.0):
        return wilson(share * images, images)
    answers = share * (1 - share) * (Z95 / (found.high - found.value)) ** 2
    return wilson(share * answers, answers)


def contrast(after: NDArray[np.float64], before: NDArray[np.float64]) -> Interval:
    """Difference of the means of two tables over the same images whose draws are not paired; no NaN.

    As `crossed`, with the spread of the draws of both sides (Welch's degrees of freedom). A side of one draw adds none:
    nothing is known of it.
    """
    gains = after.mean(0) - before.mean(0)
    value, images = float(gains.mean()), len(gains)
    if images < 2 or (np.ptp(gains) == 0 and np.ptp(after.mean(1)) == np.ptp(before.mean(1)) == 0):
        return _around(value, wilson(0, images).high)
    persistent = max(0.0, float(gains.var(ddof=1)) - _noise(after) - _noise(before))
    sides = [(float(side.mean(1).var(ddof=1)) / len(side), len(side) - 1) for side in (after, before) if len(side) > 1]
    spread = sum(variance for variance, _ in sides)
    squared = t95(images - 1) ** 2 * persistent / images
    if spread:
        squared += t95(spread**2 / sum(variance**2 / freedom for variance, freedom in sides)) ** 2 * spread
    return _around(value, math.sqrt(squared))


def best_of(right: NDArray[np.float64], before: NDArray[np.float64], tried: int) -> Interval:
    """Difference of two shares of the same images, where `right` is the best of `tried` others than `before`.

    Student's t over images as in `contrast`, at 1 - 0.05/tried (Bonferroni): the best of many is better by chance.
    """
    found, freedom = contrast(right[None], before[None]), len(right) - 1
    wider = float(stdtrit(freedom, 1 - 0.025 / max(1, tried))) / t95(freedom) if freedom else 1.0
    return _around(found.value, wider * (found.high - found.value))


def fisher(
    hits: NDArray[np.int64], having: NDArray[np.int64], rejected: NDArray[np.int64] | int, n: NDArray[np.int64] | int
) -> NDArray[np.float64]:
    """ln p of Fisher's exact test, one-sided: of `n` images `having` have a setting and `rejected` were rejected; how
    likely is it that at least `hits` are both, if the two had nothing to do with each other?

    The upper tail of the hypergeometric distribution, summed from its first term on, each a ratio of the one before:
    logarithms stay exact where p itself is 0. Where `hits` are no more than expected, 0 (p = 1) is given: nobody asks.
    """
    x, k, r, size = (np.asarray(one, dtype=float) for one in (hits, having, rejected, n))
    first = _ln_choose(k, x) + _ln_choose(size - k, r - x) - _ln_choose(size, r)
    more = x * size > k * r
    term, total = more.astype(float), np.ones_like(x)
    while term.max(initial=0.0) > 1e-15:
        term = term * (k - x) * (r - x) / np.maximum(1, (x + 1) * (size - k - r + x + 1))
        x, total = x + 1, total + term
    return np.asarray(np.where(more, np.minimum(0.0, first + np.log(total)), 0.0))


def _ln_choose(n: NDArray[np.float64], k: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def _around(value: float, half: float) -> Interval:
    return Interval(value, value - half, value + half)


def _persistent(values: NDArray[np.float64], means: NDArray[np.float64]) -> float:
    """The variance of what an image adds in every draw, from the products of different draws; never below 0."""
    centred = np.nan_to_num(values - means[:, None])
    counts = (~np.isnan(values)).sum(0)
    pairs = int((counts * (counts - 1)).sum())
    if not pairs:
        return 0.0
    products = float((centred.sum(0) ** 2 - (centred**2).sum(0)).sum())
    images = int((counts > 0).sum())
    return max(0.0, products / pairs * images / (images - 1))


def _weight(asked: NDArray[np.bool_]) -> float:
    """What the effects of images weigh in the variance of the mean, less what the spread of the draws shows of them."""
    draws = len(asked)
    each = asked / asked.sum(1, keepdims=True)
    mean = each.mean(0)
    return max(0.0, float((mean**2).sum() - ((each - mean) ** 2).sum() / (draws * (draws - 1))))


def _noise(table: NDArray[np.float64]) -> float:
    """The variance that chance of single answers leaves in the mean of a column: residuals of rows and columns."""
    draws, images = table.shape
    if draws == 1:
        return 0.0
    rest = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    return float((rest**2).sum()) / ((draws - 1) * (images - 1) * draws)
