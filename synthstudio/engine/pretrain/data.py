"""Labelled images for pre-training: parquet files or image folders decoded once into memory-mapped uint8 arrays."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}


@dataclass(frozen=True)
class Source:
    """Images with one name each.

    `looks` holds the caption words of a drawn glyph's style, None for photographs; `settings` those of a photograph's
    light and background, where they were measured.
    """

    name: str
    pixels: np.ndarray
    labels: list[str]
    looks: list[str] | None = None
    settings: list[str] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def is_glyphs(self) -> bool:
        return self.looks is not None


@dataclass(frozen=True)
class Batch:
    """One drawn batch: pixels, the name of each, and the style words of those that are glyphs (else None)."""

    pixels: np.ndarray
    labels: list[str]
    looks: list[str | None]
    source: np.ndarray
    index: np.ndarray
    settings: list[str]


def to_float(pixels: np.ndarray) -> Tensor:
    """uint8 NHWC to float NCHW in [-1, 1]."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0).contiguous()


def square(data: bytes | Path, size: int) -> np.ndarray:
    """Decode, cut the middle square, resize."""
    with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data) as opened:
        image = opened.convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=box))


def read_parquet(path: Path, split: str) -> Iterator[tuple[bytes, str]]:
    """Rows of a parquet file with columns image (bytes, or a struct holding bytes), label, split."""
    for group in pq.ParquetFile(path).iter_batches(2048, columns=["image", "label", "split"]):
        for row in group.to_pylist():
            if row["split"] == split:
                image = row["image"]
                yield (image["bytes"] if isinstance(image, dict) else image), row["label"]


def read_folder(path: Path) -> Iterator[tuple[Path, str]]:
    """A folder of class folders."""
    for file in sorted(path.glob("*/*")):
        if file.suffix.lower() in SUFFIXES:
            yield file, file.parent.name.replace("_", " ")


def load_source(path: Path, cache: Path, split: str = "train", size: int = 64) -> Source:
    """A source from its cache; decoded on first use. The key holds path, size, date and split of the data."""
    stat = path.stat()
    key = hashlib.sha256(f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{split}|{size}".encode()).hexdigest()[:12]
    stem = cache / f"{path.stem}-{split}-{key}"
    if not stem.with_suffix(".json").exists():
        rows = read_folder(path) if path.is_dir() else read_parquet(path, split)
        images, labels = [], []
        for data, label in rows:
            images.append(square(data, size))
            labels.append(label)
        if not images:
            raise ValueError(f"{path} has no images in split {split!r}")
        cache.mkdir(parents=True, exist_ok=True)
        np.save(stem.with_suffix(".npy"), np.stack(images))
        stem.with_suffix(".json").write_text(json.dumps(labels))
    return Source(
        path.stem, np.load(stem.with_suffix(".npy"), mmap_mode="r"), json.loads(stem.with_suffix(".json").read_text())
    )


def load_glyphs(folder: Path) -> Source:
    """The pool that `glyphs` wrote."""
    rows = json.loads((folder / "glyphs.json").read_text())
    pixels = np.load(folder / "glyphs.npy", mmap_mode="r")
    return Source("glyphs", pixels, [r[0] for r in rows], [r[1] for r in rows])


class Mixture:
    """Draws batches from several sources by share."""

    def __init__(self, sources: list[Source], shares: list[float]) -> None:
        self.sources = sources
        self.shares = np.array(shares, float) / sum(shares)

    def draw(self, rng: np.random.Generator, size: int) -> Batch:
        chosen = np.sort(rng.choice(len(self.sources), size, p=self.shares))
        index = np.array([rng.integers(len(self.sources[s])) for s in chosen])
        picked = [(self.sources[s], i) for s, i in zip(chosen, index, strict=True)]
        return Batch(
            np.stack([s.pixels[i] for s, i in picked]),
            [s.labels[i] for s, i in picked],
            [s.looks[i] if s.looks else None for s, i in picked],
            chosen,
            index,
            [s.settings[i] if s.settings else "" for s, i in picked],
        )
