"""Embeddings kept on disk, per encoder: an image is decoded and embedded once, then every scorer and probe reuses it.

    <workspace>/embeddings/<encoder digest>/<digest of the file>.npy

Each file is a shard of (image digest, vector) rows, written whole and named by its content. A damaged shard is deleted
and its images are embedded again; two writers at once cost a repeated row, nothing else.
"""

from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthstudio.artifacts import digest_of
from synthstudio.workspace import Workspace, write_atomically

Vector = NDArray[np.float32]


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
