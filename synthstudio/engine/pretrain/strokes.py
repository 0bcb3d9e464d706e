"""Digits and capital letters as pen strokes: the handwritten share of the glyph pool.

Each shape is a list of strokes; a stroke is points on a 0-9 grid (x across, y down). `~` joins the points by a smooth
curve, `-` by straight lines. Several shapes per name are the ways people write it.
"""

from __future__ import annotations

import numpy as np

SHAPES: dict[str, tuple[str, ...]] = {
    "0": ("~50 21 14 27 59 77 84 71 40", "~40 70 84 79 58 28 15 21 50"),
    "1": ("-50 59", "-23 50 59", "-23 50 59|-29 89", "-60 39"),
    "2": ("~12 30 70 82 64 37 19|-19 89", "~11 40 72 73 45 19 28 49 69 88", "~12 31 60 82 65 28 19 37 58 89"),
    "3": ("~11 40 71 72 54 34|~34 64 86 68 39 18", "-10 80|-80 44|~44 74 86 69 39 17", "~12 40 72 64 45 76 78 39 18"),
    "4": ("-60 16 86|-60 69", "-20 14 84|-70 69", "-10 15 85|-63 69"),
    "5": ("-80 20|-20 14|~14 53 85 78 49 18", "-20 14|~14 44 74 87 59 19|-20 80", "~80 30 14 54 85 68 38 18"),
    "6": ("~70 32 15 28 59 77 74 44 15", "~60 24 17 49 78 65 35 16", "~82 50 23 16 49 78 75 44 16"),
    "7": ("-10 80 49", "-10 80 39|-35 75", "-11 10 80|~80 55 49", "-00 90 39"),
    "8": (
        "~71 40 12 45 77 59 28 17 54 81 60",
        "~50 21 23 54 77 59 28 17 44 73 71 50",
        "~50 21 34 54 71 50|~44 17 29 69 77 54",
    ),
    "9": ("~71 40 12 24 54 72 71|-71 79", "~81 40 13 35 74 81|~81 75 49", "~72 50 21 24 64 72|~72 77 49 18"),
    "a": ("-19 50 89|-26 76", "~09 25 50 75 99|-26 76"),
    "b": ("-10 19|~10 50 72 44 14|~14 64 86 59 19",),
    "c": ("~82 60 30 13 16 39 69 87", "~81 40 13 16 49 88"),
    "d": ("-10 19|~10 50 83 86 59 19",),
    "e": ("-80 10 19 89|-14 64", "-10 19|-10 80|-14 74|-19 89"),
    "f": ("-80 10 19|-14 64",),
    "g": ("~82 60 30 13 16 39 69 86|-86 55|-86 89", "~82 50 14 28 69 85|-55 85"),
    "h": ("-10 19|-80 89|-14 84",),
    "i": ("-50 59|-20 80|-29 89", "-50 59|-30 70|-39 69"),
    "j": ("-70 76|~76 59 29 16", "-40 90|-70 76|~76 59 29 17"),
    "k": ("-10 19|-80 15 89", "-10 19|-80 15|-34 89"),
    "l": ("-10 19 89",),
    "m": ("-09 10 55 90 99", "-09 00 55 90 99"),
    "n": ("-19 10 89 80",),
    "o": ("~50 11 04 17 59 87 94 81 40",),
    "p": ("-10 19|~10 60 82 64 15",),
    "q": ("~50 11 04 17 59 87 94 81 40|-57 99",),
    "r": ("-10 19|~10 60 82 64 14|-44 89",),
    "s": ("~81 50 11 23 54 86 68 39 17", "~80 40 12 34 65 87 49 18"),
    "t": ("-00 90|-50 59",),
    "u": ("-10 16|~16 38 59 78 86|-86 80",),
    "v": ("-00 59 90",),
    "w": ("-00 29 53 79 90", "~00 29 54 79 90"),
    "x": ("-10 89|-80 19",),
    "y": ("-00 54|-90 54 59", "-10 54|-90 29"),
    "z": ("-10 80 19 89", "-10 80 19 89|-35 65"),
}


def curve(points: np.ndarray, per_segment: int = 8) -> np.ndarray:
    """Catmull-Rom spline through the points."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = np.linspace(0, 1, per_segment, endpoint=False)[:, None]
    parts = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        parts.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.concatenate([*parts, points[-1:]])


def wobbled(name: str, rng: np.random.Generator, wobble: float = 0.4) -> list[np.ndarray]:
    """The strokes of one handwritten `name`, in the unit square, every control point moved a little."""
    shapes = SHAPES[name]
    lines = []
    for stroke in shapes[rng.integers(len(shapes))].split("|"):
        points = np.array([[int(p[0]), int(p[1])] for p in stroke[1:].split()], float)
        points += rng.normal(0, wobble, points.shape)
        lines.append(curve(points) if stroke[0] == "~" else points)
    return [line / 9.0 for line in lines]
