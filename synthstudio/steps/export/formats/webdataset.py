"""WebDataset: tar files of a bounded size, read from one end to the other by training on many machines."""

import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from synthstudio.steps.export.formats.stream import Classes, Item, as_json, per_split

SHARD_BYTES = 512 << 20


def lay_out(folder: Path, classes: Classes, items: Iterable[Item]) -> Iterator[Item]:
    """`train-000000.tar` and so on. Of every image there are `.png`, `.cls` (the number of its class) and `.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    with per_split(lambda split: _Shards(folder, split)) as shards_of:
        for item in items:
            shards_of(item.split).add(item)
            yield item


class _Shards:
    """The tar files of a split; the next one begins when this one is full."""

    def __init__(self, folder: Path, split: str) -> None:
        self._folder, self._split, self._count = folder, split, 0
        self._tar = self._next()

    def add(self, item: Item) -> None:
        """The members of one image, which must follow each other in one file."""
        if self._tar.offset >= SHARD_BYTES:
            self._tar.close()
            self._tar = self._next()
        about = {**item.known, "class": item.label}
        parts = {"png": item.data, "cls": str(item.row["label"]).encode(), "json": as_json(about).encode()}
        for ending, data in parts.items():
            member = tarfile.TarInfo(f"{item.key}.{ending}")  # without a time or an owner: equal images, equal shards
            member.size = len(data)
            self._tar.addfile(member, io.BytesIO(data))
        self._tar.members = []  # type: ignore[attr-defined] # it would keep all of them until it is closed

    def close(self) -> None:
        """End the last file."""
        self._tar.close()

    def _next(self) -> tarfile.TarFile:
        file = self._folder / f"{self._split}-{self._count:06d}.tar"
        self._count += 1
        return tarfile.open(file, "w", format=tarfile.PAX_FORMAT)
