"""What can be said of a photograph without knowing what it shows: light, sharpness, the colour behind.

The words come from pixels, so that captions with them are true, and prompts that ask for them mean something.
"""

from __future__ import annotations

import colorsys

import numpy as np

RING = 6  # px from the border that count as background
HUES = ((0.04, "red"), (0.11, "orange"), (0.19, "yellow"), (0.45, "green"), (0.70, "blue"), (0.83, "purple"),
        (0.94, "pink"), (1.01, "red"))  # fmt: skip


def colour_name(rgb: np.ndarray) -> str:
    """One of eleven words for a colour given as red, green, blue from 0 to 255."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(float(part) / 255 for part in rgb))
    if value < 0.2:
        return "black"
    if saturation < 0.15:
        return "white" if value > 0.8 else "grey"
    name = next(word for end, word in HUES if hue < end)
    return "brown" if name in {"orange", "red"} and value < 0.55 else name


def background(pixels: np.ndarray) -> list[str]:
    """The colour around, where the ring along the border is of one colour."""
    inner = np.ones(pixels.shape[:2], bool)
    inner[RING:-RING, RING:-RING] = False
    ring = pixels[inner].astype(float)
    return [f"on a {colour_name(ring.mean(0))} background"] if ring.std(0).max() < 25 else []


def setting(pixels: np.ndarray) -> str:
    """Words true of one uint8 picture (height x width x 3), joined by a bar as a glyph's looks are."""
    values = pixels.astype(float)
    light = values.mean(2)
    words = []
    if (values.max(2) - values.min(2)).mean() < 8:
        words.append("black and white")
    if light.mean() < 60 or light.mean() > 190:
        words.append("dark" if light.mean() < 60 else "bright")
    bends = 4 * light[1:-1, 1:-1] - light[:-2, 1:-1] - light[2:, 1:-1] - light[1:-1, :-2] - light[1:-1, 2:]
    if np.abs(bends).mean() < 0.1 * light.std():
        words.append("blurry")
    return "|".join([*words, *background(pixels)])
