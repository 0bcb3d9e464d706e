"""A map of images: vectors of an encoder as places on a plane, near to each other where pictures are alike.

Places are shares of a square, (n, 2) between 0 and 1. A map is fitted once, to some images; all others are put among
those they are most like, so nothing that has a place ever moves. Equal vectors have equal places.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import KNeighborsRegressor
from threadpoolctl import threadpool_limits

Vectors = NDArray[np.float32]
Places = NDArray[np.float32]
Method = Literal["pca", "tsne"]

FEW = 30  # different vectors below which directions say more than neighbourhoods
_MARGIN = 0.04  # of the square, on each side
_COMPONENTS = 50
_PERPLEXITY = 30.0
_NEIGHBOURS = 5


class Fitted(NamedTuple):
    """The places of the images that a map was fitted to, and how it was."""

    places: Places
    method: Method


def fit(vectors: Vectors, seed: int = 0) -> Fitted:
    """Lay vectors out: by their two principal components below `FEW` different ones, else by t-SNE (van der Maaten and
    Hinton 2008) of their first 50, begun with the first two (Kobak and Berens 2019). One thread, so the same each time.
    """
    different, which = np.unique(vectors, axis=0, return_inverse=True)
    which = which.reshape(-1)
    if len(different) < FEW:
        return Fitted(_framed(*_principal(different, different))[which], "pca")
    with threadpool_limits(1):
        some = min(_COMPONENTS, len(different), different.shape[1])
        reduced = PCA(some, svd_solver="full").fit_transform(different)
        perplexity = min(_PERPLEXITY, (len(different) - 1) / 3)
        tsne = TSNE(perplexity=perplexity, init=_begun(reduced), random_state=seed % 2**32, n_jobs=1)
        laid = tsne.fit_transform(reduced)
    return Fitted(_framed(laid, laid)[which], "tsne")


def place(vectors: Vectors, anchors: Vectors, fitted: Fitted) -> Places:
    """Where other images go on a map that was fitted to `anchors`: along the same two directions, or to the mean of the
    five anchors they are most like, the nearer the more it counts. A copy of an anchor goes where that is.
    """
    if not len(vectors):
        return np.empty((0, 2), np.float32)
    if fitted.method == "pca":
        return _framed(*_principal(np.unique(anchors, axis=0), vectors))
    near = KNeighborsRegressor(min(_NEIGHBOURS, len(anchors)), weights="distance", algorithm="brute")
    return np.asarray(near.fit(anchors, fitted.places).predict(vectors), np.float32)


def _begun(reduced: NDArray[np.floating]) -> Places:
    """The first two components, as small as t-SNE wants its beginning."""
    first = reduced[:, :2].astype(np.float32)
    if first.shape[1] < 2:
        first = np.column_stack([first, np.zeros(len(first), np.float32)])
    return first / (first[:, 0].std() or 1.0) * np.float32(1e-4)


def _principal(fitted: Vectors, asked: Vectors) -> tuple[Places, Places]:
    """Of both the first two principal components of the first; of fewer than three vectors what there is."""
    found = np.zeros((2, max(len(fitted), len(asked)), 2), np.float32)
    some = min(2, len(fitted) - 1, fitted.shape[1])
    if some > 0:
        axes = PCA(some, svd_solver="full").fit(fitted)
        for rows, vectors in zip(found, (fitted, asked), strict=True):
            rows[: len(vectors), :some] = axes.transform(vectors)
    return found[0, : len(fitted)], found[1, : len(asked)]


def _framed(fitted: Places, asked: Places) -> Places:
    """`asked` in the square that `fitted` fills, as wide as it is tall; what lies outside goes to its edge."""
    low, high = fitted.min(0), fitted.max(0)
    span = float((high - low).max()) or 1.0
    shares = (asked - (low + high) / 2) / span * (1 - 2 * _MARGIN) + 0.5
    return np.asarray(shares.clip(0, 1), np.float32)
