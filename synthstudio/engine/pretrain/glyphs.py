"""Letters and digits in many looks, each a pure function of its seed.

A glyph is ink (a font or pen strokes) -> warp (rotation, shear, perspective, elastic) -> colours on a paper -> a loss
of resolution or sharpness -> noise. Its `look` holds the caption words that are true of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from synthstudio.engine.pretrain.fonts import DIGITS, LETTERS, mask
from synthstudio.engine.pretrain.loop import write_aside
from synthstudio.engine.pretrain.strokes import wobbled

SIDE = 64
CANVAS = 128
COARSE = 0.55
HAND = (
    *("hand", "script", "comic", "humor", "kristi", "breip", "femke", "rufscript", "gochi", "pecita", "dkg", "ecolier"),
    *("dancing", "purisa", "seto", "isabella", "domestic", "kanjistroke", "architect", "dyuthi", "jeff", "marker"),
)


@dataclass(frozen=True)
class Glyph:
    name: str
    looks: tuple[str, ...]
    pixels: np.ndarray


@lru_cache(maxsize=4096)
def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


def _font_ink(name: str, fonts: list[str], rng: np.random.Generator) -> tuple[Image.Image, list[str]]:
    form = name.upper() if name in LETTERS and rng.random() < 0.5 else name
    for _ in range(20):
        path = fonts[rng.integers(len(fonts))]
        stroke = int(rng.choice([0, 0, 0, 1, 2, 4]))
        ink = mask(_font(path, 80), form, stroke)
        if ink is not None:
            by_hand = any(word in path.lower() for word in HAND)
            return ink, ["handwritten"] if by_hand else ["printed"]
    raise ValueError(f"none of the fonts draws {form!r}")


def _pen_ink(name: str, rng: np.random.Generator) -> tuple[Image.Image, list[str]]:
    height = 96
    width = int(height * rng.uniform(0.5, 1.0))
    pen = rng.uniform(4, 17)
    image = Image.new("L", (int(width + 2 * pen), int(height + 2 * pen)))
    draw = ImageDraw.Draw(image)
    for line in wobbled(name, rng, rng.uniform(0.15, 0.55)):
        points = [(x * width + pen, y * height + pen) for x, y in line]
        draw.line(points, fill=255, width=max(1, round(pen)), joint="curve")
        for x, y in points:
            draw.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), fill=255)
    box = image.getbbox() or (0, 0, *image.size)
    return image.crop(box), ["handwritten"]


def place(ink: Image.Image, rng: np.random.Generator, fills: bool) -> Image.Image:
    """Scale and set the ink on the canvas, filling the frame or not."""
    longest = CANVAS * (rng.uniform(0.84, 1.0) if fills else rng.uniform(0.5, 0.9))
    scale = longest / max(ink.size)
    stretch = rng.uniform(0.8, 1.25) if fills else rng.uniform(0.9, 1.1)
    size = (int(np.clip(ink.width * scale * stretch, 3, CANVAS)), int(np.clip(ink.height * scale, 3, CANVAS)))
    canvas = Image.new("L", (CANVAS, CANVAS))
    room = np.array([CANVAS - size[0], CANVAS - size[1]])
    left, top = (room * (0.5 + rng.uniform(-0.5, 0.5, 2) * (1.0 if rng.random() < 0.3 else 0.3))).astype(int)
    canvas.paste(ink.resize(size, Image.Resampling.BILINEAR), (int(left), int(top)))
    return canvas


def warp(canvas: Image.Image, rng: np.random.Generator, cells: int = 4) -> Image.Image:
    """Rotation, shear, perspective and an elastic grid in one resampling."""
    turn, shear = rng.normal(0, 0.13), rng.normal(0, 0.13)
    matrix = np.array([[np.cos(turn), -np.sin(turn) + shear], [np.sin(turn), np.cos(turn)]])
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, cells + 1)] * 2), -1)
    tilt = 1 + grid @ rng.normal(0, 0.06, 2)
    source = (grid @ matrix.T) * tilt[..., None] + rng.normal(0, rng.uniform(0, 0.05), grid.shape)
    source = (source + 1) * CANVAS / 2
    step = CANVAS // cells
    mesh = []
    for row in range(cells):
        for col in range(cells):
            corners = source[row, col], source[row + 1, col], source[row + 1, col + 1], source[row, col + 1]
            box = (col * step, row * step, (col + 1) * step, (row + 1) * step)
            mesh.append((box, tuple(float(v) for corner in corners for v in corner)))
    return canvas.transform(canvas.size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)


def texture(rng: np.random.Generator, papers: np.ndarray | None) -> np.ndarray:
    """A photograph, a gradient or smooth noise, in [0, 1]."""
    if papers is not None and rng.random() < 0.5:
        return papers[rng.integers(len(papers))].astype(np.float32) / 255
    cells = int(rng.integers(2, 9))
    coarse = rng.uniform(0, 255, (cells, cells, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32) / 255


def colours(rng: np.random.Generator, papers: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Ink and paper, each broadcastable to an image, and the words for them."""
    kind = rng.random()
    if kind < 0.40:  # light on dark
        light, dark = rng.uniform(0.55, 1.0), rng.uniform(0, 0.15) * (rng.random() < 0.6)
        return np.full(3, light), np.full(3, dark), ["white on black"]
    if kind < 0.65:
        return np.full(3, rng.uniform(0, 0.3)), np.full(3, rng.uniform(0.75, 1.0)), ["black on white"]
    for _ in range(50):
        ink, paper = rng.uniform(0, 1, 3), rng.uniform(0, 1, 3)
        if kind > 0.85:
            field = texture(rng, papers)
            if abs(float(field.mean()) - float(ink.mean())) > 0.3:
                return ink, field, ["colourful", "on a photo"]
        elif abs(float(ink.mean()) - float(paper.mean())) > 0.25:
            return ink, paper, ["colourful"]
    return np.zeros(3), np.ones(3), ["black on white"]


def coarsen(image: Image.Image, kind: float, rng: np.random.Generator) -> tuple[Image.Image, list[str]]:
    """Half the glyphs lose sharpness (`kind` from 0.45 up) or resolution (from `COARSE` up)."""
    if kind < 0.45:
        return image, []
    if kind < COARSE:
        return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.8, 2.5))), ["blurry"]
    cells = int(rng.choice([8, 8, 8, 9, 10, 12, 14, 16]))
    small = image.resize((cells, cells), Image.Resampling.BOX)
    if kind < 0.70:
        return small.resize((SIDE, SIDE), Image.Resampling.NEAREST), ["pixelated"]
    smooth = Image.Resampling.BICUBIC if rng.random() < 0.5 else Image.Resampling.BILINEAR
    return small.resize((SIDE, SIDE), smooth), ["blurry"]


def draw(name: str, fonts: list[str], seed: int, papers: np.ndarray | None = None) -> Glyph:
    """One glyph. Equal arguments, equal pixels."""
    rng = np.random.default_rng(seed)
    pen = rng.random() < (0.45 if name in DIGITS else 0.25)
    ink, looks = _pen_ink(name, rng) if pen else _font_ink(name, fonts, rng)
    kind = rng.random()
    canvas = warp(place(ink, rng, fills=rng.random() < (0.85 if kind > COARSE else 0.25)), rng)
    alpha = np.asarray(canvas.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)[..., None] / 255
    foreground, paper, words = colours(rng, papers)
    mixed = alpha * foreground + (1 - alpha) * paper
    image = Image.fromarray((np.clip(mixed, 0, 1) * 255).astype(np.uint8))
    image, loss_words = coarsen(image, kind, rng)
    pixels = np.asarray(image, float)
    if rng.random() < 0.3:
        pixels = pixels + rng.normal(0, rng.uniform(2, 14), pixels.shape)
    return Glyph(name, (*looks, *words, *loss_words), np.clip(pixels, 0, 255).astype(np.uint8))


def _save(rows: list[list[str]], path: Path) -> None:
    path.write_text(json.dumps(rows))


def draw_pool(folder: Path, fonts: list[str], count: int, papers: np.ndarray | None, seed: int = 0) -> None:
    """Write `glyphs.npy` and `glyphs.json`: as many digits as letters, every name equally often within each."""
    rng = np.random.default_rng((seed, 1))
    names = [str(rng.choice(list(DIGITS if rng.random() < 0.5 else LETTERS))) for _ in range(count)]
    pixels = np.empty((count, SIDE, SIDE, 3), np.uint8)
    rows = []
    for i, name in enumerate(names):
        glyph = draw(name, fonts, seed * 10_000_000 + i, papers)
        pixels[i] = glyph.pixels
        rows.append([name, "|".join(glyph.looks)])
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "glyphs.npy").open("wb") as handle:
        np.save(handle, pixels)
    write_aside(folder / "glyphs.json", partial(_save, rows))
