"""What people and the owner did, one JSON line each: the truth that no run's log holds, only ever added to.

    journal.jsonl   {"journal":1,…}  {"run":…}  {"act":…}  …     each line ends with a checksum of itself

The catalog is an index over this file and over the run logs. Whoever holds the catalog's file may write here: DuckDB's
lock keeps a second owner out.
"""

import json
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from synthstudio.workspace import append_whole, storage_errors

NAME = "journal.jsonl"
VERSION = 1
Line = dict[str, Any]
_CHECKED = re.compile(rb',"crc":"([0-9a-f]{8})"\}\Z')
_TAIL_BYTES = 18  # of `,"crc":"01234567"}`


def encoded(line: Line) -> bytes:
    """A line with its checksum and its newline."""
    text = json.dumps(line, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    return text[:-1] + f',"crc":"{zlib.crc32(text):08x}"}}\n'.encode()


def decoded(raw: bytes) -> Line | None:
    """The line without its checksum; None if it is torn or a bit of it was flipped."""
    found = _CHECKED.search(raw)
    if found is None:
        return None
    text = raw[: found.start()] + b"}"
    return json.loads(text) if f"{zlib.crc32(text):08x}".encode() == found[1] else None


class Journal:
    """The file, and how much of it the catalog has committed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.end = 0  # bytes that are in the catalog; what comes after was never acknowledged

    def append(self, lines: Sequence[Line]) -> tuple[int, str]:
        """Write lines to the disk, all or none; returns the new end of the file and the mark of its last line."""
        self.cut()
        data = b"".join(encoded(line) for line in lines)
        before = append_whole(self.path, data, sync=True)
        return before + len(data), _mark(data)

    def cut(self) -> None:
        """Take back what was written after `end`: its transaction was not committed."""
        if self.size() > self.end:
            with storage_errors(self.path.parent), self.path.open("r+b") as file:
                file.truncate(self.end)
                os.fsync(file.fileno())

    def size(self) -> int:
        """Bytes in the file."""
        return self.path.stat().st_size if self.path.exists() else 0

    def holds(self, end: int, mark: str) -> bool:
        """Whether a line with this mark ends at `end`: whether this file is the one a catalog was made from."""
        if end == 0 or end > self.size():
            return end == 0
        with self.path.open("rb") as file:
            file.seek(max(0, end - _TAIL_BYTES - 1))
            return _mark(file.read(min(end, _TAIL_BYTES + 1))) == mark

    def lines(self, start: int = 0) -> Iterator[Line | None]:
        """Whole lines from an offset on; None in the place of each that is damaged. A torn last line is left out."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(start)
            for raw in file:
                if raw.endswith(b"\n"):
                    yield decoded(raw[:-1])

    def whole(self, start: int = 0, mark: str = "") -> tuple[int, str]:
        """Cut a torn end off, looking from `start`, where the line with `mark` ends; returns the new end and its mark.

        What a power loss leaves behind the last good line may be anything, newlines included.
        """
        place = self.end = start
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(start)
                for raw in file:
                    place += len(raw)
                    if raw.endswith(b"\n") and decoded(raw[:-1]) is not None:
                        self.end, mark = place, _mark(raw)
        self.cut()
        return self.end, mark


def _mark(data: bytes) -> str:
    found = _CHECKED.search(data[:-1])
    return found[1].decode() if found and data.endswith(b"\n") else ""
