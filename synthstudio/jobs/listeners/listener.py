"""What a listener is: somebody who writes the numbers of runs where other programs read them."""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synthstudio.catalog.runs import Run
from synthstudio.jobs.listeners.numbers import Number
from synthstudio.workspace import append_whole, make_folder, storage_errors


@dataclass(frozen=True)
class Cursor:
    """How far a listener is with one run."""

    read_to: int = 0  # bytes of the run's log
    said: int = 0  # numbers that were in them
    step: int = 0  # where the run was there
    size: int = 0  # bytes of the file they went to, if it is a file
    again: bool = False  # the run was resumed and has not said since how far it is


class Listener(ABC):
    """Writes the numbers of a run. Raises whatever goes wrong: the run goes on without it."""

    @abstractmethod
    def write(self, run: Run, new: Sequence[Number], so_far: Cursor) -> int:
        """Write what comes after `so_far`, also when a kill left some of it behind; returns `Cursor.size` after it."""

    def has(self, run: Run, so_far: Cursor) -> bool:
        """Whether what was written is still there; if not, it is written again from the beginning."""
        return True


class FileListener(Listener):
    """One file for each run, of which only the end changes.

    What lies behind the cursor was written by somebody who was killed before saying so; it is cut off, then written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def path(self, run: Run) -> Path:
        """The file of a run."""

    @abstractmethod
    def encoded(self, run: Run, new: Sequence[Number], first: bool) -> bytes:
        """Numbers as bytes of the file; `first`: with what the file begins with."""

    def write(self, run: Run, new: Sequence[Number], so_far: Cursor) -> int:
        """Whole or not at all; StorageFull if the disk takes no more."""
        path = self.path(run)
        with storage_errors(path.parent):
            make_folder(path.parent)
            if path.exists():
                os.truncate(path, so_far.size)
        data = self.encoded(run, new, first=so_far.size == 0)
        return append_whole(path, data, sync=False) + len(data)

    def has(self, run: Run, so_far: Cursor) -> bool:
        """Whether the file has at least what was written to it."""
        path = self.path(run)
        return so_far.size == 0 or (path.is_file() and path.stat().st_size >= so_far.size)
