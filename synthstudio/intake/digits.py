"""scikit-learn's 1,797 handwritten digits: real images that are on every machine."""

import functools
import io
from collections.abc import Iterator

import numpy as np
from PIL import Image
from PIL.Image import Resampling

from synthstudio.intake.entries import Entry, Rejected

SIDE = 64
_COUNT = 1797


class Digits:
    """8 x 8 scans with 17 grey levels, drawn smoothly at 64 px, light on dark as they were scanned."""

    declared: tuple[str, ...] = ()

    def __len__(self) -> int:
        return _COUNT

    def __iter__(self) -> Iterator[Entry | Rejected | None]:
        from sklearn.datasets import load_digits

        bunch = load_digits()
        for number, (pixels, label) in enumerate(zip(bunch.images, bunch.target, strict=True)):
            yield Entry(f"digit {number:04d}", str(label), "", functools.partial(_drawn, pixels))

    def close(self) -> None:
        """Nothing is open."""


def _drawn(pixels: np.ndarray) -> bytes:
    small = Image.fromarray(np.rint(pixels / 16 * 255).astype(np.uint8))
    out = io.BytesIO()
    small.resize((SIDE, SIDE), Resampling.BICUBIC).save(out, "PNG")
    return out.getvalue()
