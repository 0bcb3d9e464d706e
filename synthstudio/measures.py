"""How a set of images differs from real ones: pure functions of embeddings, rows as images, float32 or float64.

None of them looks at pixels; what they see is what the eye that made the embeddings sees. Distances are worked out in
blocks of rows, so that memory grows with the number of images and not with its square.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from synthstudio.statistics import Interval, wilson

Vectors = NDArray[np.float32] | NDArray[np.float64]
Floats = NDArray[np.float64]
ENOUGH_FOR_FRECHET = 2048  # fewer images than this make the Fréchet distance look larger than it is
_BLOCK = 1024
_KERNEL_ROWS = 1000  # images of each side in one estimate of the kernel distance


@dataclass(frozen=True)
class Manifold:
    """Improved precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

    precision: share of made images inside the balls of real ones, each as wide as the distance to its k-th real
    neighbour; recall: the same the other way round; density: how many balls a made image lies in, over k, may exceed 1;
    coverage: share of balls of real images with a made image in it.
    """

    precision: Interval
    recall: Interval
    density: float
    coverage: Interval
    neighbours: int


class Copying(NamedTuple):
    """How often made images are new (AuthPct; Alaa et al. 2022), and how often held-out real ones would be.

    share: of made images whose nearest real image is farther than that real image's own nearest real neighbour.
    expected: the same of real images held out of the others, which is no constant: it depends on the dimension.
    """

    share: Interval
    expected: Interval


def frechet_distance(real: Vectors, made: Vectors) -> float:
    """|μx - μy|² + Tr(Σx + Σy - 2 (Σx Σy)^½) (Heusel et al. 2017); biased upwards below `ENOUGH_FOR_FRECHET` images."""
    _at_least(2, real, made)
    x, y = real.astype(np.float64), made.astype(np.float64)
    gap = x.mean(0) - y.mean(0)
    first, second = np.atleast_2d(np.cov(x, rowvar=False)), np.atleast_2d(np.cov(y, rowvar=False))
    root = _root(first)
    # The eigenvalues of Σx Σy are those of the symmetric Σx^½ Σy Σx^½, which has a root even where Σ is singular.
    middle = np.linalg.eigvalsh(root @ second @ root).clip(0)
    return float(gap @ gap + np.trace(first) + np.trace(second) - 2 * np.sqrt(middle).sum())


def kernel_distance(real: Vectors, made: Vectors, *, draws: int = 200, seed: int = 0) -> Interval:
    """Squared maximum mean discrepancy with the kernel (x·y/d + 1)³, unbiased (KID; Bińkowski et al. 2018).

    It may be negative where the sets do not differ. The 95 % interval is a percentile bootstrap over images of both
    sides; of more than 1,000 images a side, as many are drawn by `seed`.
    """
    _at_least(2, real, made)
    random = np.random.default_rng(seed)
    x, y = (_some(side, random) for side in (real, made))
    within, between, other = _cubic(x, x), _cubic(x, y), _cubic(y, y)
    value = _discrepancy(within, between, other, np.ones(len(x)), np.ones(len(y)))
    drawn = [
        _discrepancy(within, between, other, _resampled(len(x), random), _resampled(len(y), random))
        for _ in range(draws)
    ]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Interval(value, min(value, float(low)), max(value, float(high)))


def manifold(real: Vectors, made: Vectors, neighbours: int = 5) -> Manifold:
    """Precision, recall, density and coverage with Wilson's intervals; k is at most the smaller set less one."""
    _at_least(2, real, made)
    k = min(neighbours, len(real) - 1, len(made) - 1)
    real_reach, made_reach = _reach(real, k), _reach(made, k)
    inside, covered, within = np.zeros(len(made)), np.zeros(len(real), bool), np.zeros(len(real), bool)
    for rows, distances in _distances(made, real):
        in_ball = distances <= real_reach
        inside[rows] = in_ball.sum(1)
        covered |= in_ball.any(0)
        within |= (distances <= made_reach[rows, None]).any(0)
    return Manifold(
        precision=wilson(int((inside > 0).sum()), len(made)),
        recall=wilson(int(within.sum()), len(real)),
        density=float(inside.mean() / k),
        coverage=wilson(int(covered.sum()), len(real)),
        neighbours=k,
    )


def densities(real: Vectors, made: Vectors, neighbours: int = 5) -> Floats:
    """How many balls of real images each made one lies in, over k: what `density` is the mean of (Naeem et al. 2020).

    0 lies outside of the real images, about 1 as crowded as they are; k is at most the real images less one.
    """
    _at_least(2, real)
    k = min(neighbours, len(real) - 1)
    reach, inside = _reach(real, k), np.zeros(len(made))
    for rows, distances in _distances(made, real):
        inside[rows] = (distances <= reach).sum(1)
    return inside / k


def closest(vectors: Vectors, *, before: bool) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """The highest cosine of each unit row to another one, or with `before` to one of those before it, block by block;
    -1 where there is none.
    """
    unit = vectors.astype(np.float32)
    for start in range(0, len(unit), _BLOCK):
        block = unit[start : start + _BLOCK]
        cosines = block @ unit[: start + len(block) if before else None].T
        own = cosines[:, start : start + len(block)]
        own[np.triu_indices(len(block)) if before else np.diag_indices(len(block))] = -1
        yield slice(start, start + len(block)), cosines.max(1)


def gaps(real: Vectors, made: Vectors, neighbours: int = 5) -> NDArray[np.float32]:
    """How far the closest made image is from each real one, in radii of its ball: above 1 are those that coverage
    misses; infinite where nothing was made.
    """
    _at_least(2, real)
    reach = _reach(real, min(neighbours, len(real) - 1)).clip(1e-6)
    closest = np.full(len(real), np.inf, np.float32)
    for _, distances in _distances(made, real):
        np.minimum(closest, distances.min(0), out=closest)
    return np.asarray(closest / reach)


def vendi(vectors: Vectors) -> float:
    """The effective number of different images, 1 to n: exp of the entropy of the eigenvalues of the cosines over n.

    Friedman and Dieng 2022. Worked out in the smaller of images and dimensions, whose eigenvalues are the same.
    """
    if not len(vectors):
        raise ValueError("no image has no diversity")
    unit = vectors.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True).clip(1e-12)
    gram = unit @ unit.T if len(unit) <= unit.shape[1] else unit.T @ unit
    shares = np.linalg.eigvalsh(gram / len(unit)).clip(0)
    shares = shares[shares > 1e-12]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def copying(real: Vectors, made: Vectors) -> Copying:
    """AuthPct of made images, beside that of real images among real images as what to expect of new photos."""
    _at_least(3, real)
    _at_least(1, made)
    own = _reach(real, 1)
    new = 0
    for _, distances in _distances(made, real):
        closest = distances.argmin(1)
        new += int((distances.min(1) > own[closest]).sum())
    return Copying(wilson(new, len(made)), wilson(_authentic_real(real), len(real)))


def told_apart(real: Vectors, made: Vectors, *, folds: int = 5, seed: int = 0) -> Interval:
    """Balanced accuracy of a linear probe that tells real from made, cross-validated: 0.5 is chance, 1 never fooled.

    Both sides count equally whatever their numbers. Wilson's interval for twice the smaller side of answers.
    """
    smaller = min(len(real), len(made))
    _at_least(2, real, made)
    x, y = np.vstack([real, made]), np.repeat([0, 1], [len(real), len(made)])
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000))
    parts = StratifiedKFold(min(folds, smaller), shuffle=True, random_state=seed)
    right = cross_val_predict(probe, x, y, cv=parts) == y
    balanced = (right[y == 0].mean() + right[y == 1].mean()) / 2
    return wilson(float(balanced) * 2 * smaller, 2 * smaller)


def teaches(made: Vectors, labels: NDArray[np.str_], asked: Vectors, truth: NDArray[np.str_]) -> Interval:
    """Classification accuracy score (Ravuri and Vinyals 2019) by a linear probe: fitted on made images only, asked
    about real ones it was not fitted on. Wilson's interval over the real images.
    """
    return wilson(int(named(made, labels, asked, truth).sum()), len(asked))


def named(made: Vectors, labels: NDArray[np.str_], asked: Vectors, truth: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Which real images the probe of `teaches` names rightly, in order."""
    if len(set(labels.tolist())) < 2:
        return np.asarray(np.repeat(labels[:1], len(asked)) == truth)
    probe = LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000).fit(made, labels)
    return np.asarray(probe.predict(asked) == truth)


def _at_least(count: int, *sides: Vectors) -> None:
    for side in sides:
        if len(side) < count:
            raise ValueError(f"{len(side)} images are too few; this measure needs at least {count} on each side")


def _root(matrix: Floats) -> Floats:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(values.clip(0))) @ vectors.T)


def _some(side: Vectors, random: np.random.Generator) -> Floats:
    if len(side) > _KERNEL_ROWS:
        side = side[np.sort(random.choice(len(side), _KERNEL_ROWS, replace=False))]
    return side.astype(np.float64)


def _cubic(x: Floats, y: Floats) -> Floats:
    return np.asarray((x @ y.T / x.shape[1] + 1) ** 3)


def _resampled(count: int, random: np.random.Generator) -> Floats:
    return np.bincount(random.integers(0, count, count), minlength=count).astype(np.float64)


def _discrepancy(within: Floats, between: Floats, other: Floats, x: Floats, y: Floats) -> float:
    """The unbiased estimate for images with these weights; no image is compared with itself."""

    def same(kernel: Floats, weights: Floats) -> float:
        pairs = weights.sum() ** 2 - (weights**2).sum()
        return float((weights @ kernel @ weights - (weights**2 * np.diag(kernel)).sum()) / pairs) if pairs else math.nan

    return same(within, x) + same(other, y) - 2 * float(x @ between @ y) / float(x.sum() * y.sum())


def _distances(rows: Vectors, others: Vectors) -> Iterator[tuple[slice, Vectors]]:
    """Euclidean distances of a block of rows to all others, block by block."""
    lengths = (others.astype(np.float32) ** 2).sum(1)
    turned = np.ascontiguousarray(others.astype(np.float32).T)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK].astype(np.float32)
        squared = block @ turned
        squared *= -2
        squared += (block**2).sum(1)[:, None]
        squared += lengths
        yield slice(start, start + len(block)), np.sqrt(squared.clip(0, out=squared), out=squared)


def _reach(vectors: Vectors, k: int) -> NDArray[np.float32]:
    """The distance of each row to its k-th nearest other row."""
    found = np.empty(len(vectors), np.float32)
    for rows, distances in _distances(vectors, vectors):
        places = np.arange(rows.start, rows.stop)
        distances[places - rows.start, places] = np.inf
        found[rows] = np.partition(distances, k - 1, axis=1)[:, k - 1]
    return found


def _authentic_real(real: Vectors) -> int:
    """How many real images would count as new if each were compared with the others."""
    new = 0
    nearest, second = np.empty(len(real), np.float32), np.empty(len(real), np.float32)
    closest = np.empty(len(real), np.int64)
    for rows, distances in _distances(real, real):
        places = np.arange(rows.start, rows.stop)
        distances[places - rows.start, places] = np.inf
        closest[rows] = distances.argmin(1)
        two = np.partition(distances, 1, axis=1)[:, :2]
        nearest[rows], second[rows] = two[:, 0], two[:, 1]
    for place, other in enumerate(closest):
        # Without the image itself, its neighbour's own nearest is the next one where the two are each other's.
        own = second[other] if closest[other] == place else nearest[other]
        new += bool(nearest[place] > own)
    return new
