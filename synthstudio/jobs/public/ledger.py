"""What lies below a folder, and room for what is to come: one lock around "may I" and "I did"."""

import contextlib
import math
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from synthstudio.errors import BadInput
from synthstudio.workspace import BLOCK, on_disk

_MB = 1 << 20
_KNOWN_SECONDS = 5.0  # workers write too, so what was measured is believed only for so long


@dataclass(frozen=True)
class Usage:
    """Bytes on the disk, and files and folders."""

    bytes: int = 0
    files: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.bytes + other.bytes, self.files + other.files)


def used(folder: Path) -> Usage:
    """What lies below a folder, itself included; links are not followed.

    Everything takes at least a block, an empty file or a folder too: a disk is full of them as well.
    """
    total, files, open_folders = BLOCK, 1, [str(folder)]
    while open_folders:
        for entry in _inside(open_folders.pop()):
            try:
                about = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # renamed meanwhile: the next look counts it; everything beside it counts now
                continue
            files += 1
            total += max(on_disk(about.st_size), about.st_blocks * 512)
            if entry.is_dir(follow_symlinks=False):
                open_folders.append(entry.path)
    return Usage(total, files)


def _inside(folder: str) -> list[os.DirEntry[str]]:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        return list(entries)
    return []


@dataclass(eq=False)
class Promise:
    """Room that is kept for somebody, in bytes that were not taken yet."""

    left: int


class Ledger:
    """The room of one visitor. `most` None: only the disk says no."""

    def __init__(self, home: Path, most: Usage | None = None) -> None:
        self._home = Path(home)
        self._most = most
        self._lock = threading.RLock()
        self._held = Usage()
        self._promised: list[Promise] = []
        self._measured = -math.inf

    @contextlib.contextmanager
    def admitting(
        self, coming_bytes: int = 0, coming_files: int = 0, promise: "Promise | None" = None
    ) -> Iterator[None]:
        """Room for so much more, which the caller takes before leaving: nobody else is admitted meanwhile. What was
        promised to the caller is used first.

        Raises BadInput, before anything is written, where there is no such room.
        """
        coming = Usage(coming_bytes, coming_files)
        with self._lock:
            kept = min(coming_bytes, promise.left) if promise is not None else 0
            self._refuse_over(Usage(coming_bytes - kept, coming_files))
            if promise is not None:
                promise.left -= kept
            self._held += coming
            yield

    @contextlib.contextmanager
    def promising(self, count: int) -> Iterator["Promise"]:
        """Keep room for so many bytes that come in pieces, for as long as they come: of many that come side by side,
        those that fit come whole, where else each might take a part and all be refused.

        Raises BadInput where there is no such room.
        """
        promise = Promise(count)
        with self._lock:
            self._refuse_over(Usage(count))
            self._promised.append(promise)
        try:
            yield promise
        finally:
            with self._lock:
                self._promised.remove(promise)

    def refuse_over(self) -> None:
        """BadInput if more lies there than may, measured now."""
        with self._lock:
            self._measured = -math.inf
            self._refuse_over(Usage())

    def _refuse_over(self, coming: Usage) -> None:
        if self._most is None:
            return
        if time.monotonic() - self._measured > _KNOWN_SECONDS or self._over(coming):
            self._held, self._measured = used(self._home), time.monotonic()
        what = self._over(coming)
        if what:
            raise BadInput(
                f"Your projects here may hold {what}. Export what you want to keep, or throw an upload away; run"
                " SynthStudio at home for more."
            )

    def _over(self, coming: Usage) -> str:
        """The limit that would be passed, in words; empty if none."""
        if self._most is None:
            return ""
        then = self._held + coming + Usage(sum(promise.left for promise in self._promised))
        if then.bytes > self._most.bytes:
            return f"{self._most.bytes // _MB:,} MB"
        return f"{self._most.files:,} files and folders" if then.files > self._most.files else ""
