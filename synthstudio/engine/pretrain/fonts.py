"""Which installed fonts can be read: those whose letters a reader trained on the other fonts recognises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

DIGITS = "0123456789"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
FORMS = DIGITS + LETTERS + LETTERS.upper()


def mask(font: ImageFont.FreeTypeFont, text: str, stroke: int = 0) -> Image.Image | None:
    """The ink of `text`, cut to its box; None where the font draws nothing."""
    left, top, right, bottom = font.getbbox(text, stroke_width=stroke)
    width, height = int(right - left), int(bottom - top)
    if not (2 < width < 400 and 2 < height < 400):
        return None
    image = Image.new("L", (width, height))
    ImageDraw.Draw(image).text((-left, -top), text, fill=255, font=font, stroke_width=stroke)
    return image if image.getbbox() else None


def boxed(image: Image.Image, side: int) -> np.ndarray:
    """Fit into a square without changing the aspect; unit length."""
    scale = (side - 2) / max(image.size)
    small = image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.BOX
    )
    square = Image.new("L", (side, side))
    square.paste(small, ((side - small.width) // 2, (side - small.height) // 2))
    flat = np.asarray(square, np.float32).ravel()
    return flat / (np.linalg.norm(flat) + 1e-6)


def alphabet(path: Path, side: int = 20) -> np.ndarray | None:
    """All forms of one font as rows; None for fonts that lack some or draw the same box for all."""
    try:
        font = ImageFont.truetype(str(path), 48)
        masks = [mask(font, form) for form in FORMS]
    except (OSError, ValueError):
        return None
    if any(m is None for m in masks):
        return None
    rows = np.stack([boxed(m, side) for m in masks if m is not None])
    return rows if len(np.unique(rows.round(3), axis=0)) > 45 else None


def readable(folders: list[Path], least: float = 0.75, folds: int = 5) -> list[Path]:
    """Fonts under `folders` of which a ridge classifier fitted on the other fonts reads at least `least`.

    Upper and lower case of a letter count as the same answer.
    """
    files = sorted({f for folder in folders for f in folder.rglob("*") if f.suffix.lower() in {".ttf", ".otf"}})
    known = [(f, rows) for f in files if (rows := alphabet(f)) is not None]
    answers = np.array([FORMS.lower().index(form.lower()) for form in FORMS])
    kept = []
    for fold in range(folds):
        train = np.concatenate([rows for i, (_, rows) in enumerate(known) if i % folds != fold])
        target = np.eye(len(FORMS), dtype=np.float32)[np.tile(np.arange(len(FORMS)), len(train) // len(FORMS))]
        weights = np.linalg.solve(train.T @ train + 3.0 * np.eye(train.shape[1], dtype=np.float32), train.T @ target)
        for i, (file, rows) in enumerate(known):
            if i % folds == fold:
                right = answers[(rows @ weights).argmax(1)] == answers
                if right.mean() >= least:
                    kept.append(file)
    return sorted(kept)
