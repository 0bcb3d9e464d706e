"""How often two different images are called the same, and how many altered copies are found.

python tests/benchmarks/near_duplicates.py FILE.parquet... [--images 200]

Besides the files (their training rows), scikit-learn's digits are always measured.
"""

import argparse
import io
import itertools
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from synthstudio.fingerprint import fingerprint, groups, near_duplicates
from synthstudio.intake.decode import decode
from synthstudio.intake.digits import Digits
from synthstudio.intake.entries import Entry, Limits
from synthstudio.intake.tables import ParquetTable

RANDOM = np.random.default_rng(0)


def as_png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def recoded(kind: str, quality: int) -> Callable[[Image.Image], Image.Image]:
    def change(image: Image.Image) -> Image.Image:
        out = io.BytesIO()
        image.save(out, kind, quality=quality)
        return Image.open(out).convert("RGB")

    return change


def resized(factor: float, how: Image.Resampling) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.resize((max(1, int(image.width * factor)), max(1, int(image.height * factor))), how)


def brightened(factor: float, more: float = 0) -> Callable[[Image.Image], Image.Image]:
    def change(image: Image.Image) -> Image.Image:
        return Image.fromarray(np.clip(np.asarray(image, float) * factor + more, 0, 255).astype(np.uint8))

    return change


def cropped(share: float) -> Callable[[Image.Image], Image.Image]:
    def change(image: Image.Image) -> Image.Image:
        cut = [max(1, round(side * share)) for side in image.size]
        left, top = (int(RANDOM.integers(0, c + 1)) for c in cut)
        return image.crop((left, top, image.width - cut[0] + left, image.height - cut[1] + top))

    return change


CHANGES = {
    "JPEG 90": recoded("JPEG", 90),
    "JPEG 40": recoded("JPEG", 40),
    "WebP 50": recoded("WEBP", 50),
    "half size": resized(0.5, Image.Resampling.BILINEAR),
    "double size": resized(2, Image.Resampling.BICUBIC),
    "1.3 x + JPEG 60": lambda image: recoded("JPEG", 60)(resized(1.3, Image.Resampling.LANCZOS)(image)),
    "brighter x 1.15": brightened(1.15),
    "darker x 0.8": brightened(0.8),
    "brighter + 15": brightened(1, 15),
    "crop 1 %": cropped(0.01),
    "crop 2 %": cropped(0.02),
    "half + JPEG 40 + brighter": lambda image: brightened(1.1)(
        recoded("JPEG", 40)(resized(0.5, Image.Resampling.BOX)(image))
    ),
}


def training_images(path: Path, count: int) -> list[Image.Image]:
    entries = [
        e for e in ParquetTable(path, Limits(max_files=200_000), None) if isinstance(e, Entry) and e.given != "test"
    ]
    return [opened(e) for e in entries[:: max(1, len(entries) // count)][:count]]


def opened(entry: Entry) -> Image.Image:
    return Image.open(io.BytesIO(decode(entry.read()).png)).convert("RGB")


def measure(name: str, images: list[Image.Image]) -> None:
    originals = [fingerprint(as_png(image)) for image in images]
    start = time.perf_counter()
    pairs = near_duplicates(originals)
    seconds = time.perf_counter() - start
    largest = max(len(group) for group in groups(originals))
    total = len(images) * (len(images) - 1) // 2
    print(
        f"{name}: {len(images)} images; {len(pairs)} of {total} pairs alike, largest group {largest}, {seconds:.1f} s"
    )
    some = range(0, len(images), max(1, len(images) // 200))
    for change, apply in CHANGES.items():
        copies = {i: fingerprint(as_png(apply(images[i]))) for i in some}
        found = sum(bool(near_duplicates([originals[i]], [copy])) for i, copy in copies.items())
        print(f"    {change:26} found {found / len(copies):.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--images", type=int, default=200)
    asked = parser.parse_args()
    measure("digits", [opened(e) for e in itertools.islice(Digits(), 1797) if isinstance(e, Entry)])
    for path in asked.files:
        measure(path.stem, training_images(path, asked.images))


if __name__ == "__main__":
    main()
