"""Near-duplicates: the same photograph again, re-encoded, resized, a little cropped or brightened.

Two 16 x 16 thumbnails are compared after the small shift, zoom, brightness and contrast that fit best have been taken
out (a first-order alignment: the difference is regressed on the picture's own gradients). What is left must be small
beside the picture's contrast, or beside the noise that strong compression leaves; colours must agree too. Turned,
mirrored or strongly cropped copies are not found.

Measured 2026-11-21 with `python tests/benchmarks/near_duplicates.py eurosat.parquet flowers17.parquet trashnet.parquet
--images 600` (training halves):

    pairs called copies: digits 2 of 1,613,706 (ones, written alike); EuroSAT 2 of 179,700 (featureless water);
    trashnet 0 of 64,620; flowers17 20 of 179,700, all of them true repeats; the largest group is 2 everywhere.
    altered copies found        digits  EuroSAT  flowers17  trashnet
    JPEG 40                      1.000    0.915      1.000     1.000
    WebP 50                      1.000    0.910      1.000     1.000
    half size                    1.000    0.990      1.000     1.000
    double size                  1.000    1.000      1.000     1.000
    brighter x 1.15              1.000    0.955      1.000     0.994
    crop 2 %                     1.000    0.980      0.875     0.997
    half + JPEG 40 + brighter    1.000    0.840      1.000     0.997

What is missed in EuroSAT is almost flat (water, forest from above): there the noise of compression is as strong as the
picture, and calling such tiles alike would tie different places together.
"""

import io
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

VERSION = 1  # raise it when other pairs would be found
SIDE, CHROMA_SIDE = 16, 4

_CANDIDATE = 0.88  # correlation before alignment; cheaper than aligning every pair
_ALIGNABLE = 8.0  # alignment has not been seen to remove more than this factor of the error
_LEAST_CORRELATION = 0.90  # after alignment, however noisy the pair
_SHAPE_ERROR = (
    0.008  # share of the variance that may differ; handwriting of one digit comes this close twice in 1,797 images
)
_NOISE = 3.0  # grey levels that compression and resampling may add to a thumbnail
_MOST_SHIFT = 0.03 * SIDE  # thumbnail pixels, for shift and zoom at the border
_FLAT = 0.75  # grey levels of deviation below which there is no shape to compare
_FLAT_DIFFERENCE = 1.0
_MOST_BRIGHTER = 48.0
_MOST_CONTRAST = 1.5
_ROWS = 2048

Vector = NDArray[np.float32]


def fingerprint(png: bytes) -> Vector:
    """A 16 x 16 luminance thumbnail and two 4 x 4 colour ones, in grey levels: 288 numbers."""
    with Image.open(io.BytesIO(png)) as file:
        luminance, blue, red = file.convert("RGB").convert("YCbCr").split()
    parts = [_thumbnail(luminance, SIDE), _thumbnail(blue, CHROMA_SIDE), _thumbnail(red, CHROMA_SIDE)]
    return np.concatenate([part.ravel() for part in parts])


def near_duplicates(a: Sequence[Vector], b: Sequence[Vector] | None = None) -> list[tuple[int, int]]:
    """Pairs (i, j) where a[i] and b[j] show the same photograph; without `b`, pairs i < j within `a`."""
    if not len(a) or (b is not None and not len(b)):
        return []
    left = _Prepared(np.stack(list(a)))
    right = left if b is None else _Prepared(np.stack(list(b)))
    found: list[tuple[int, int]] = []
    for i, j in _candidates(left, right, within=b is None):
        same = _same(left.take(i), right.take(j))
        found.extend(zip(i[same].tolist(), j[same].tolist(), strict=True))
    return sorted(found)


def groups(fingerprints: Sequence[Vector]) -> list[list[int]]:
    """Every index once, near-duplicates together (also through a third), groups in order of their first member."""
    return grouped(len(fingerprints), near_duplicates(fingerprints))


def grouped(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """0 … count - 1 in groups: what a pair names is together, also through a third."""
    rows = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(rows), bool), (rows[:, 0], rows[:, 1])), shape=(count, count))
    _, owners = connected_components(graph, directed=False)
    together: dict[int, list[int]] = {}
    for index, owner in enumerate(owners.tolist()):
        together.setdefault(owner, []).append(index)
    return list(together.values())


def coloured_alike(a: Sequence[Vector], b: Sequence[Vector]) -> NDArray[np.bool_]:
    """For each pair of fingerprints, whether their colours may be those of one photograph."""
    if not len(a):
        return np.zeros(0, bool)
    return _coloured(_Prepared(np.stack(list(a))), _Prepared(np.stack(list(b))))


def _thumbnail(channel: Image.Image, side: int) -> NDArray[np.float32]:
    return np.asarray(channel.resize((side, side), Resampling.BILINEAR), dtype=np.float32)


class _Prepared:
    """Fingerprints taken apart: mean, deviation and normalised shape of the luminance; the colours."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self.vectors = vectors
        luminance = vectors[:, : SIDE * SIDE]
        self.mean = luminance.mean(1)
        self.deviation = luminance.std(1)
        centred = luminance - self.mean[:, None]
        self.shape = centred / np.maximum(self.deviation, 1e-6)[:, None]
        self.colour = vectors[:, SIDE * SIDE :] - 128

    def take(self, rows: NDArray[np.int64]) -> "_Prepared":
        """The fingerprints of these rows."""
        return _Prepared(self.vectors[rows])


def _candidates(
    left: _Prepared, right: _Prepared, within: bool
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Index pairs worth aligning, a block of rows at a time."""
    flat = right.deviation < _FLAT
    for start in range(0, len(left.vectors), _ROWS):
        rows = slice(start, start + _ROWS)
        error = 2 - 2 * (left.shape[rows] @ right.shape.T) / SIDE**2
        contrast = np.maximum(left.deviation[rows, None] * right.deviation[None, :], 1e-6)
        near = error <= np.minimum(_ALIGNABLE * (_SHAPE_ERROR + _NOISE**2 / contrast), 2 * (1 - _CANDIDATE))
        near |= (left.deviation[rows] < _FLAT)[:, None] & flat[None, :]
        pairs = np.argwhere(near)
        i, j = pairs[:, 0] + start, pairs[:, 1]
        keep = i < j if within else np.ones(len(i), bool)
        i, j = i[keep], j[keep]
        for at in range(0, len(i), _ROWS):
            yield i[at : at + _ROWS], j[at : at + _ROWS]


def _same(a: _Prepared, b: _Prepared) -> NDArray[np.bool_]:
    """For each pair of rows, whether they show the same photograph."""
    contrast = a.deviation * b.deviation
    error = _error_after_alignment(a.shape, b.shape)
    shaped = (error * contrast <= _SHAPE_ERROR * contrast + _NOISE**2) & (error <= 2 * (1 - _LEAST_CORRELATION))
    ratio = np.maximum(a.deviation, b.deviation) / np.maximum(np.minimum(a.deviation, b.deviation), 1e-6)
    lit = (np.abs(a.mean - b.mean) <= _MOST_BRIGHTER) & (ratio <= _MOST_CONTRAST)
    flat = (a.deviation < _FLAT) & (b.deviation < _FLAT)
    equal = np.abs(a.vectors - b.vectors).max(1) <= _FLAT_DIFFERENCE
    return np.where(flat, equal, shaped & _coloured(a, b) & lit & (np.minimum(a.deviation, b.deviation) >= _FLAT))


def _coloured(a: _Prepared, b: _Prepared) -> NDArray[np.bool_]:
    strength = np.sqrt(np.maximum((a.colour**2).mean(1), (b.colour**2).mean(1)))
    alike: NDArray[np.bool_] = np.sqrt(((a.colour - b.colour) ** 2).mean(1)) <= 6 + 0.2 * strength
    return alike


def _error_after_alignment(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean squared difference of unit-variance shapes, less what a small shift, zoom and contrast explain."""
    middle = ((a + b) / 2).reshape(-1, SIDE, SIDE).astype(np.float64)
    down, across = (np.asarray(np.gradient(middle, axis=axis)) for axis in (1, 2))
    place = np.linspace(-1, 1, SIDE)
    causes = [across, down, across * place[None, None, :], down * place[None, :, None], middle]
    design = np.stack([cause.reshape(len(a), -1) for cause in causes], axis=-1)
    difference = (b - a).astype(np.float64)[..., None]
    normal = design.transpose(0, 2, 1) @ design + 1e-3 * np.eye(len(causes))
    amounts = np.linalg.solve(normal, design.transpose(0, 2, 1) @ difference)
    amounts[:, :4] = np.clip(amounts[:, :4], -_MOST_SHIFT, _MOST_SHIFT)
    left_over: NDArray[np.float64] = ((difference - design @ amounts)[..., 0] ** 2).mean(1)
    return left_over
