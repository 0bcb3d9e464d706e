"""The second witness for "the same picture": an eye proposes pairs, pixels confirm them.

The fingerprint compares 16 x 16 thumbnails and lets go of crops of a few per cent. An eye (unit vectors of any encoder)
is not moved by a crop: of each picture its few nearest are proposed, however like each other all pictures of a set are.
A proposal is then confirmed or dropped on 48 x 48 pixels: crop, brightness and contrast that fit best are taken
out (Lucas and Kanade 1981, from coarse to fine), and what is left is correlated without its coarse part, since
pictures of one scene or one class share light and layout, but only copies share their details. A shift that no crop
explains is another picture.

How much must be alike is calibrated by the set itself: where neighbours share details although they are different
pictures (handwritten digits do, photographs do not), more is asked. Pictures with a shorter side below 32 px have no
details beyond the fingerprint's own and are left to it. Thresholds and geometry were chosen on the training halves
of trashnet, flowers17 and EuroSAT and on half of the digits; what they do there and on halves that were not looked at
is in `tests/benchmarks/results/near_duplicates.md`.

Cost of 10,000 against 10,000 pictures once they are embedded, one thread of a busy processor: 27 s to propose (vectors
of 1,280 numbers: two times 256 GFLOP, in blocks), 65 s to confirm or drop 40,000 pairs. Embedding comes before it: some
400 pictures a second with pico-clip, 50 with lite0, kept for every later step.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling

VERSION = 1  # raise it when other pairs would be confirmed
SIDE = 48
SMALL = 32  # px on the shorter side; below it the fingerprint sees all there is

_NEAREST = 3  # proposals per picture and direction; of planted copies 99 % are among them
_ROWS = 1024  # of a block of cosines
_PAIRS = 64  # aligned at once: more leave a processor's cache
_COARSE, _MIDDLE = 12, 24
_ROUNDS = {_COARSE: 6, _MIDDLE: 4, SIDE: 3}  # of alignment at each side
_LEAST_COARSE = 0.7  # correlation at 12 x 12 of what is worth aligning further; of copies 0.87 and more
_LEAST, _MOST = 0.90, 0.975  # of the details at 24 x 24; copies 0.95 and more, other pictures of a scene up to 0.82
_CALIBRATED = 128  # proposals that are looked at for it
_ENOUGH = 20  # with fewer there is nothing to calibrate by
_FLAT = 0.4  # grey levels of deviation below which there are no details to compare
_REACH = 2  # details are what differs from the mean over 5 x 5
_MOST_ZOOM = 0.13  # of the side: what a crop may have cut off
_SLACK = 0.03  # of half a side, for rounding of crops and thumbnails
_STEP = 0.08

Picture = NDArray[np.float16]
Pixels = NDArray[np.float32]
Vector = NDArray[np.float32]
Pairs = NDArray[np.int64]


def sketch(png: bytes) -> Picture:
    """The luminance at 48 x 48, in grey levels."""
    with Image.open(io.BytesIO(png)) as file:
        small = file.convert("L").resize((SIDE, SIDE), Resampling.BILINEAR)
    return np.asarray(small, dtype=np.float16)


def is_small(png: bytes) -> bool:
    """Whether a picture has too few pixels for this witness, by the header of a PNG."""
    return min(int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")) < SMALL


def proposed(a: Vector, b: Vector | None = None) -> Pairs:
    """Pairs (n, 2) of rows that an eye takes for the nearest of each other's sets; without `b`, i < j within `a`.

    `a` (N, D) and `b` (M, D) are unit vectors. Of every row the nearest few count, from both sides.
    """
    if not len(a) or (b is not None and not len(b)):
        return np.empty((0, 2), np.int64)
    if b is None:
        found = np.sort(_nearest(a, a, within=True), axis=1)
        found = found[found[:, 0] < found[:, 1]]
    else:
        found = np.concatenate([_nearest(a, b), _nearest(b, a)[:, ::-1]])
    return np.unique(found, axis=0)


def confirmed(pairs: Pairs, a: Sequence[Picture], b: Sequence[Picture] | None = None) -> Pairs:
    """Those of the pairs whose sketches show the same picture after a small crop, brightness and contrast."""
    others = a if b is None else b
    least = _least(pairs, a, others)
    kept = [np.empty((0, 2), np.int64)]
    for some in _blocks(pairs):
        kept.append(some[_same(_taken(a, some[:, 0]), _taken(others, some[:, 1]), least)])
    return np.concatenate(kept)


def _least(pairs: Pairs, a: Sequence[Picture], b: Sequence[Picture]) -> float:
    """The correlation of details that makes a copy in this set.

    A quarter of the proposals of a set of photographs share less than 0.03 of their details, of handwritten digits 0.5;
    a quarter, because some proposals are copies indeed.
    """
    if len(pairs) < _ENOUGH:
        return _LEAST
    some = pairs[np.linspace(0, len(pairs) - 1, min(len(pairs), _CALIBRATED)).astype(np.int64)]
    shared = [_finely(_taken(a, part[:, 0]), _taken(b, part[:, 1]))[0] for part in _blocks(some)]
    usual = max(0.0, float(np.quantile(np.concatenate(shared), 0.5)))
    return float(min(_MOST, 1 - (1 - _LEAST) * (1 - usual) ** 1.5))


def _blocks(pairs: Pairs) -> Iterator[Pairs]:
    for start in range(0, len(pairs), _PAIRS):
        yield pairs[start : start + _PAIRS]


def _taken(pictures: Sequence[Picture], rows: Pairs) -> Pixels:
    return np.stack([pictures[row] for row in rows]).astype(np.float32)


def _nearest(a: Vector, b: Vector, within: bool = False) -> Pairs:
    """(row of a, row of b) for the nearest few of every row, a block of rows at a time."""
    found = []
    count = min(_NEAREST, len(b))
    for start in range(0, len(a), _ROWS):
        cosines = a[start : start + _ROWS] @ b.T
        rows = np.arange(start, start + len(cosines))
        if within:
            cosines[rows - start, rows] = -np.inf
        best = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        found.append(np.stack([np.repeat(rows, count), best.ravel()], axis=1))
    return np.concatenate(found)


@dataclass(frozen=True)
class _Fit:
    """How far the second pictures of pairs are zoomed and shifted, (N, 4): zoom and shift down, zoom and shift across.

    In halves of a side: what the first shows at u in [-1, 1], the second shows at (1 + zoom) u + shift.
    """

    amounts: Pixels

    @classmethod
    def of(cls, count: int) -> "_Fit":
        """Where looking begins: nothing zoomed, nothing shifted."""
        return cls(np.zeros((count, 4), np.float32))

    def is_a_crop(self) -> NDArray[np.bool_]:
        """Whether each zoom and shift is one that cutting off borders explains."""
        zoom, shift = self.amounts[:, 0::2], self.amounts[:, 1::2]
        inside: NDArray[np.bool_] = (np.abs(shift) <= np.abs(zoom) + _SLACK) & (np.abs(zoom) <= _MOST_ZOOM + _SLACK)
        one_way = np.logical_or((zoom >= -_SLACK).all(1), (zoom <= _SLACK).all(1))
        return np.asarray(np.logical_and(inside.all(1), one_way))


def _same(a: Pixels, b: Pixels, least: float) -> NDArray[np.bool_]:
    """For each pair of sketches, whether they show the same picture; most are dropped at the coarsest side."""
    found = np.zeros(len(a), bool)
    first, second = _pooled(a, _COARSE), _pooled(b, _COARSE)
    warped, seen = _warped(second, _aligned(first, second, _Fit.of(len(a)), _ROUNDS[_COARSE]))
    left = np.flatnonzero(_correlation(first, warped, seen) >= _LEAST_COARSE)
    if len(left):
        details, fit = _finely(a[left], b[left])
        found[left] = (details >= least) & fit.is_a_crop()
    return found


def _finely(a: Pixels, b: Pixels) -> tuple[Pixels, _Fit]:
    """For each pair the correlation of details once aligned, 0 where there are none, and the alignment."""
    fit = _Fit.of(len(a))
    for side, rounds in _ROUNDS.items():
        fit = _aligned(_pooled(a, side), _pooled(b, side), fit, rounds)
    warped, seen = _warped(b, fit)
    inside = (_pooled(seen, _MIDDLE) > 0.99).astype(np.float32)
    inside[:, [*range(_REACH), *range(-_REACH, 0)]] = 0  # there the mean is over fewer
    inside[:, :, [*range(_REACH), *range(-_REACH, 0)]] = 0
    first, second = (_details(_pooled(one, _MIDDLE)) for one in (a, warped))
    return _correlation(first, second, inside), fit


def _aligned(a: Pixels, b: Pixels, fit: _Fit, rounds: int) -> _Fit:
    """Gauss-Newton on zoom and shift of b, with its contrast and brightness solved for beside them."""
    place = _places(a.shape[1])
    for _ in range(rounds):
        warped, seen = _warped(b, fit)
        down, across = (np.asarray(np.gradient(warped, axis=axis)) * (a.shape[1] / 2) for axis in (1, 2))
        causes = [down * place[:, None], down, across * place, across, warped, np.ones_like(a)]
        design = (np.stack(causes, -1) * seen[..., None]).reshape(len(a), -1, len(causes))
        wanted = (a * seen).reshape(len(a), -1, 1)
        normal = (design.transpose(0, 2, 1) @ design).astype(np.float64)
        normal += 1e-6 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(len(causes)) + 1e-3 * np.diag(
            [1.0, 1, 1, 1, 0, 0]
        )
        amounts = np.linalg.solve(normal, (design.transpose(0, 2, 1) @ wanted).astype(np.float64))[..., 0]
        step = amounts[:, :4] / np.maximum(np.abs(amounts[:, 4:5]), 0.25)
        moved = fit.amounts + np.clip(step, -_STEP, _STEP)
        fit = _Fit(np.clip(moved, -_MOST_ZOOM - 0.05, _MOST_ZOOM + 0.05).astype(np.float32))
    return fit


def _warped(b: Pixels, fit: _Fit) -> tuple[Pixels, Pixels]:
    """The second pictures as the first would show them, (N, S, S), and where they show anything (1 or 0)."""
    side = b.shape[1]
    weights, inside = [], []
    for axis in (0, 2):
        zoom, shift = fit.amounts[:, axis, None], fit.amounts[:, axis + 1, None]
        at = ((1 + zoom) * _places(side) + shift + 1) / 2 * side - 0.5
        weights.append(_weights(at, side))
        inside.append((at >= -0.01) & (at <= side - 0.99))
    warped = np.asarray(weights[0] @ b @ weights[1].transpose(0, 2, 1), dtype=np.float32)
    return warped, (inside[0][:, :, None] & inside[1][:, None, :]).astype(np.float32)


def _weights(at: Pixels, side: int) -> Pixels:
    """Matrices (N, S, S) that read a line of pixels at fractional places, linearly."""
    first = np.clip(np.floor(at).astype(np.int64), 0, side - 2)
    share = np.clip(at - first, 0, 1).astype(np.float32)
    weights = np.zeros((*at.shape, side), np.float32)
    np.put_along_axis(weights, first[..., None], 1 - share[..., None], 2)
    np.put_along_axis(weights, first[..., None] + 1, share[..., None], 2)
    return weights


def _places(side: int) -> Pixels:
    """The middles of the pixels of a line in [-1, 1]."""
    return ((np.arange(side) + 0.5) / side * 2 - 1).astype(np.float32)


def _pooled(pictures: Pixels, side: int) -> Pixels:
    """Means over squares: (N, S, S) at a smaller side that divides it."""
    count, large = pictures.shape[:2]
    if large == side:
        return pictures
    return pictures.reshape(count, side, large // side, side, large // side).mean((2, 4))


def _details(pictures: Pixels) -> Pixels:
    """Pictures less their mean over 5 x 5."""
    details: Pixels = pictures - _smooth(_smooth(pictures, 1), 2)
    return details


def _smooth(pictures: Pixels, axis: int) -> Pixels:
    wide = [(0, 0)] * 3
    wide[axis] = (_REACH + 1, _REACH)
    sums = np.swapaxes(np.cumsum(np.pad(pictures, wide, mode="edge"), axis, dtype=np.float32), axis, 2)
    window = 2 * _REACH + 1
    return np.swapaxes((sums[..., window:] - sums[..., :-window]) / np.float32(window), axis, 2)


def _correlation(a: Pixels, b: Pixels, seen: Pixels) -> Pixels:
    """Of two stacks of pictures (N, S, S), over what is seen; 0 where one of them is flat."""
    count = np.maximum(seen.sum((1, 2), keepdims=True), 1)
    left, right = ((one - (one * seen).sum((1, 2), keepdims=True) / count) * seen for one in (a, b))
    strength = [np.sqrt((one**2).sum((1, 2)) / count[:, 0, 0]) for one in (left, right)]
    shared = (left * right).sum((1, 2)) / count[:, 0, 0] / np.maximum(strength[0] * strength[1], 1e-6)
    return np.where(np.minimum(*strength) < _FLAT, 0, shared)
