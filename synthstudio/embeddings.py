"""Embeddings kept on disk, per encoder: an image is decoded and embedded once, then every scorer and probe reuses it.

    <workspace>/embeddings/<encoder digest>/<digest of the file>.npy

Each file is a shard of (image digest, vector) rows, written whole and named by its content. A damaged shard is deleted
and its images are embedded again; two writers at once cost a repeated row, nothing else.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthstudio.artifacts import digest_of
from synthstudio.workspace import Workspace, write_atomically

Vector = NDArray[np.float32]
_ROWS_AT_ONCE = 256  # stays in the processor's cache


class Likenesses:
    """Cosines of one image, or of words, to all that an encoder has looked at. The vectors of the last encoder asked
    for stay in memory as bfloat16, two bytes a number, so that the second question is answered at once.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._root = workspace.root / "embeddings"
        self._kept = _Vectors(self._root)
        self._lock = threading.Lock()

    def of(self, digest: str) -> tuple[NDArray[np.bytes_], Vector]:
        """Digests (n,) of images and their cosines (n,) to one of them: by the encoder that has looked at the most
        images, that one among them. Nothing if none has looked at it.
        """
        with self._lock:
            for folder in sorted(
                (path for path in self._root.glob("*") if path.is_dir()), key=_looked_at, reverse=True
            ):
                if folder != self._kept.folder:
                    self._kept = _Vectors(folder)
                self._kept.read()
                found = self._kept.cosines_to(digest)
                if found is not None:
                    return self._kept.images, found
            return np.empty(0, "S64"), np.empty(0, np.float32)

    def to(self, encoder: str, vector: Vector) -> tuple[NDArray[np.bytes_], Vector]:
        """Digests (n,) of the images that an encoder has looked at, and their cosines (n,) to a unit vector of its."""
        with self._lock:
            kept = self._by(encoder)
            return kept.images, kept.cosines(vector)

    def unseen(self, encoder: str, digests: Iterable[str]) -> set[str]:
        """Those of these images that an encoder has not looked at."""
        with self._lock:
            seen = set(self._by(encoder).images.tolist())
        return {digest for digest in digests if digest.encode() not in seen}

    def among(self, encoder: str, digests: Sequence[str]) -> tuple[NDArray[np.bool_], Vector]:
        """Which of these images (n,) an encoder has looked at, and the vectors (m, d) of those, in order."""
        with self._lock:
            return self._by(encoder).of(np.array(digests, "S64"))

    def _by(self, encoder: str) -> "_Vectors":
        """All that one encoder has looked at by now."""
        folder = self._root / encoder.rpartition("@")[2]
        if folder != self._kept.folder:
            self._kept = _Vectors(folder)
        self._kept.read()
        return self._kept


class _Vectors:
    """Every vector of one encoder: images (n,), vectors (n, d). numpy has no bfloat16; those are the upper halves of
    float32, so a shift gives them back, where float16 has to be converted number by number.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images: NDArray[np.bytes_] = np.empty(0, "S64")
        self._halves: NDArray[np.uint16] = np.empty((0, 0), np.uint16)
        self._seen: set[Path] = set()

    def read(self) -> None:
        """Take in what was written since."""
        new = [path for path in sorted(self.folder.glob("*.npy")) if path not in self._seen]
        shards = [shard for path in new if (shard := _shard(path)) is not None]
        self._seen.update(new)
        if shards:
            halves = [_upper_halves(shard["vector"]) for shard in shards]
            self.images = np.concatenate([self.images, *(shard["image"] for shard in shards)])
            self._halves = np.concatenate([self._halves, *halves] if len(self._halves) else halves)

    def of(self, images: NDArray[np.bytes_]) -> tuple[NDArray[np.bool_], Vector]:
        """Which of these images are here, and their vectors in single precision."""
        if not len(self.images):
            return np.zeros(len(images), bool), np.empty((0, 0), np.float32)
        order = np.argsort(self.images, kind="stable")
        at = order[np.searchsorted(self.images, images, sorter=order).clip(max=len(order) - 1)]
        here = self.images[at] == images
        return here, _whole(self._halves[at[here]])

    def cosines_to(self, digest: str) -> Vector | None:
        """In single precision, (n,); None without a vector of this image."""
        rows = np.flatnonzero(self.images == digest.encode())
        if not rows.size:
            return None
        return self.cosines(_whole(self._halves[rows[0]]))

    def cosines(self, wanted: Vector) -> Vector:
        """In single precision, (n,), to a unit vector."""
        parts = range(0, len(self._halves), _ROWS_AT_ONCE)
        found = [_whole(self._halves[first : first + _ROWS_AT_ONCE]) @ wanted for first in parts]
        return np.concatenate([np.empty(0, np.float32), *found])


def _upper_halves(vectors: Vector) -> NDArray[np.uint16]:
    bits = np.ascontiguousarray(vectors).view(np.uint32)
    return ((bits + np.uint32(1 << 15)) >> np.uint32(16)).astype(np.uint16)


def _whole(halves: NDArray[np.uint16]) -> Vector:
    return np.left_shift(halves, np.uint32(16), dtype=np.uint32).view(np.float32)


def _looked_at(folder: Path) -> int:
    """About how much an encoder has looked at: bytes of its files over the width of a row."""
    files = list(folder.glob("*.npy"))
    first = next((shard for path in files if (shard := _shard(path)) is not None), None)
    return 0 if first is None else sum(path.stat().st_size for path in files) // first.itemsize


def _shard(path: Path) -> NDArray[np.void] | None:
    """A file as it is; None if it is damaged or gone: whoever needs its images embeds them again."""
    with suppress(OSError, ValueError):
        return np.load(path, allow_pickle=False)
    return None


class EmbeddingStore:
    """The vectors of one encoder in one workspace."""

    def __init__(self, workspace: Workspace, encoder: str) -> None:
        self.folder = workspace.root / "embeddings" / encoder.rpartition("@")[2]
        self._rows: dict[str, Vector] = {}
        self._seen: set[Path] = set()

    def missing(self, digests: Iterable[str]) -> list[str]:
        """The digests that have no vector yet, in order, once each."""
        self._read_new_shards()
        return [digest for digest in dict.fromkeys(digests) if digest not in self._rows]

    def get(self, digests: Iterable[str]) -> Vector:
        """The vectors of these images, one row each; KeyError if one was never put."""
        return np.stack([self._rows[digest] for digest in digests])

    def put(self, digests: list[str], vectors: Vector) -> None:
        """Keep these rows, on disk before anything else."""
        shard = np.empty(len(digests), dtype=[("image", "S64"), ("vector", "<f4", (vectors.shape[1],))])
        shard["image"] = [digest.encode() for digest in digests]
        shard["vector"] = vectors
        out = BytesIO()
        np.save(out, shard, allow_pickle=False)
        path = self.folder / f"{digest_of(out.getvalue())}.npy"
        write_atomically(path, out.getvalue())
        self._seen.add(path)
        self._rows.update(zip(digests, np.asarray(vectors, dtype=np.float32), strict=True))

    def _read_new_shards(self) -> None:
        for path in sorted(self.folder.glob("*.npy")):
            if path not in self._seen:
                self._rows.update(_rows_of(path))
                self._seen.add(path)


def _rows_of(path: Path) -> Iterator[tuple[str, Vector]]:
    data = path.read_bytes()
    if digest_of(data) != path.stem:
        path.unlink(missing_ok=True)
        return
    shard = np.load(BytesIO(data), allow_pickle=False)
    for row in shard:
        yield row["image"].decode(), row["vector"]
