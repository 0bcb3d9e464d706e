"""What a training image does to the loss on validation images: exact, in closed form, without a training.

The classifier is ridge regression of one-hot labels on embeddings, so leaving one image out is a change of rank one and
its effect has a formula (Cook 1977; influence functions, Koh and Liang 2017, are its first-order form). Everything is
worked out from sums over images in the dimensions of an embedding, block by block: a hundred thousand images are a few
matrix products.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Places = NDArray[np.int64]
Floats = NDArray[np.float64]
_SHARES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # penalties to choose among, as shares of the mean eigenvalue
_BLOCK = 2048


class Labelled(NamedTuple):
    """Embeddings (n, d) and the places (n,) of their labels."""

    vectors: Vectors
    labels: Places


@dataclass(frozen=True)
class _Ridge:
    """The fitted classifier: how vectors are read, the inverse of the Gram matrix (d, d), the weight (d, C)."""

    middle: Floats
    inverse: Floats
    weight: Floats

    def rows(self, part: Labelled) -> Iterator[tuple[slice, Floats, Floats]]:
        """Blocks of a part: where, its vectors as they are read, and what the classifier leaves of its labels."""
        for start in range(0, len(part.labels), _BLOCK):
            where = slice(start, start + _BLOCK)
            seen = _seen(part.vectors[where], self.middle)
            yield where, seen, _one_hot(part.labels[where], self.weight.shape[1]) - seen @ self.weight


class Harm(NamedTuple):
    """By how many percent the squared loss on validation images falls when an image (n,) is left out of training.

    reliability: 0 to 1, how well two halves of the validation images agree about it (Spearman and Brown, 1910).
    """

    values: Floats
    reliability: float


def harm(
    images: Labelled, validation: Labelled, classes: int, *, real: Labelled | None = None, real_weight: float = 0.8
) -> Harm:
    """What each image does to the loss. Real images weigh `real_weight` of the whole and are never left out; the
    penalty is that of the least validation loss.
    """
    parts = [(images, 1.0)]
    if real is not None and len(real.labels):
        share = real_weight / max(1 - real_weight, 1e-6)
        parts.append((real, share * len(images.labels) / len(real.labels)))
    ridge = _fitted(parts, validation, classes)
    halves = [_asked(ridge, half, classes) for half in _halves(validation)]
    found = np.empty((2, len(images.labels)))
    for where, seen, left in ridge.rows(images):
        pull = seen @ ridge.inverse
        left /= 1 - (pull * seen).sum(1, keepdims=True).clip(0, 1 - 1e-9)  # what is left of an image not learnt from
        for own, half in zip(found, halves, strict=True):
            own[where] = -2 * ((pull @ half.slope) * left).sum(1)
            own[where] -= ((pull @ half.gram) * pull).sum(1) * (left**2).sum(1)
    found *= 100 / max(sum(half.loss for half in halves), 1e-12)
    return Harm(found.sum(0), _reliability(*found))


def expected(found: Harm, chances: Floats, labels: Places) -> Floats:
    """What a decision on each image (n,) is expected to take off the loss: P(reject) times the harm.

    P(reject) is 1 − p(label) by `chances` (n, C) of a probe that has not seen the image. Single harms are noisy where
    validation images are few, so each is drawn to the mean harm of the images whose label is doubted, the more the
    less the halves agree (empirical Bayes). Not a number where nobody can say anything of the label.
    """
    doubt = 1 - chances[np.arange(len(labels)), labels]
    doubted = np.isfinite(doubt) & (chances.argmax(1) != labels)
    usual = max(float(found.values[doubted].mean()), 0.0) if doubted.any() else 0.0
    return np.asarray(doubt * (usual + found.reliability * (found.values - usual)))


def _fitted(parts: list[tuple[Labelled, float]], validation: Labelled, classes: int) -> _Ridge:
    """The ridge regression of the weighted parts, with the penalty under which validation images fit best."""
    total = sum(weight * len(part.labels) for part, weight in parts)
    middle = np.sum([weight * part.vectors.sum(0, dtype=np.float64) for part, weight in parts], axis=0) / total
    width = len(middle) + 1
    gram, towards = np.zeros((width, width)), np.zeros((width, classes))
    for part, weight in parts:
        for seen, truth in _blocks(part, middle, classes):
            gram += weight * seen.T @ seen
            towards += weight * seen.T @ truth
    values, basis = np.linalg.eigh(gram)
    turned = basis.T @ towards
    penalties = [share * float(values[:-1].mean()) + 1e-12 for share in _SHARES]
    ridges = [_Ridge(middle, basis / (values + one) @ basis.T, basis @ (turned / (values + one)[:, None]))
              for one in penalties]  # fmt: skip
    return min(ridges, key=lambda one: _asked(one, validation, classes).loss)


class _Asked(NamedTuple):
    """Of some images the summed squared loss, the products (d, C) of vectors and what is left, and the Gram matrix."""

    loss: float
    slope: Floats
    gram: Floats


def _asked(ridge: _Ridge, part: Labelled, classes: int) -> _Asked:
    width = len(ridge.middle) + 1
    loss, slope, gram = 0.0, np.zeros((width, classes)), np.zeros((width, width))
    for _, seen, left in ridge.rows(part):
        loss += float((left**2).sum())
        slope += seen.T @ left
        gram += seen.T @ seen
    return _Asked(loss, slope, gram)


def _halves(part: Labelled) -> list[Labelled]:
    """Every other image, class by class."""
    order = np.argsort(part.labels, kind="stable")
    return [Labelled(part.vectors[own], part.labels[own]) for own in (order[::2], order[1::2])]


def _reliability(first: Floats, second: Floats) -> float:
    if min(first.std(), second.std()) < 1e-12:
        return 0.0
    shared = max(float(np.corrcoef(first, second)[0, 1]), 0.0)
    return 2 * shared / (1 + shared)


def _blocks(part: Labelled, middle: Floats, classes: int) -> Iterator[tuple[Floats, Floats]]:
    for start in range(0, len(part.labels), _BLOCK):
        where = slice(start, start + _BLOCK)
        yield _seen(part.vectors[where], middle), _one_hot(part.labels[where], classes)


def _seen(vectors: Vectors, middle: Floats) -> Floats:
    """Vectors relative to the middle of all, and a one for the bias."""
    return np.hstack([vectors - middle, np.ones((len(vectors), 1))])


def _one_hot(places: Places, classes: int) -> Floats:
    found = np.zeros((len(places), classes))
    found[np.arange(len(places)), places] = 1
    return found
