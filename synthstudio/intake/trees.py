"""A tree of files whose folders are classes: what a folder and a zip have in common; and the folder itself."""

import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from synthstudio.errors import BadInput
from synthstudio.intake.decode import SUFFIXES, Refusal
from synthstudio.intake.entries import Budget, Entry, LabelCleaner, Limits, Rejected, printable
from synthstudio.intake.exported import FILE, MOST_BYTES, ExportedLayout, class_folders
from synthstudio.intake.layout import Layout, is_litter

HOMELESS = "lies in no class folder"
_MOST_FILES = 500_000  # a home or a disk given by mistake would be read for hours


@dataclass(frozen=True)
class File:
    """A file of a tree. A reason means that it must not be read."""

    name: str
    read: Callable[[Budget], bytes]
    reason: str = ""


class Tree:
    """Files placed by their paths. `folders` are named so that a class without images is noticed."""

    def __init__(self, files: Sequence[File], folders: Iterable[str], limits: Limits, label: str | None) -> None:
        exported = _exported(files, limits)
        self._files = [file for file in files if _is_picture(file)] if exported else files
        self._layout = exported or Layout(file.name for file in files if not file.reason)
        self._limits = limits
        self._label = label
        self.declared = tuple(sorted({self._layout.class_of_folder(folder) for folder in folders} - {""}))

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[Entry | Rejected | None]:
        budget = Budget(self._limits)
        labels = LabelCleaner()
        for file in self._files:
            yield self._entry(file, labels, budget)

    def close(self) -> None:
        """Nothing is open."""

    def _entry(self, file: File, labels: LabelCleaner, budget: Budget) -> Entry | Rejected | None:
        name = printable(file.name)
        if file.reason:
            return Rejected(name, file.reason)
        place = self._layout.place(file.name)
        raw = place.label or self._label
        if not raw:
            return Rejected(name, f"{HOMELESS}; put it in a folder named after its class, or name the label")
        label, rejected = labels.clean(raw)
        return rejected if label is None else Entry(name, label, place.given, lambda: file.read(budget))


def _exported(files: Sequence[File], limits: Limits) -> ExportedLayout | None:
    """How an export of ours is to be read; None for every other tree."""
    found = [file for file in files if PurePosixPath(file.name).name == FILE and not file.reason]
    if len(found) != 1:
        return None
    try:
        data = found[0].read(Budget(limits))
    except Refusal:
        return None
    root = str(PurePosixPath(found[0].name).parent)
    inside = all(PurePosixPath(file.name).is_relative_to(root) for file in files if _is_picture(file))
    classes = class_folders(data) if inside and len(data) <= MOST_BYTES else {}
    return ExportedLayout(root, classes) if classes else None


def _is_picture(file: File) -> bool:
    """Whether a file is to be read as a picture: of an export, its tables and programs are not."""
    return PurePosixPath(file.name).suffix.lower() in SUFFIXES


def check_count(what: str, count: int, limits: Limits) -> None:
    """BadInput for a source of too many files."""
    if count > limits.max_files:
        raise BadInput(
            f"{what} holds {count} files; the limit is {limits.max_files}. Import it in parts, or raise max_files."
        )


def walk(folder: Path) -> tuple[list[tuple[str, Path]], list[str]]:
    """(relative name, path) of every file, and every folder name, in a fixed order.

    Hidden files are left out. Links are listed as files and never followed.
    """
    files: list[tuple[str, Path]] = []
    below: list[str] = []
    for here, folders, names in os.walk(folder, followlinks=False):
        base = Path(here)
        links = [name for name in folders if (base / name).is_symlink()]
        folders[:] = [name for name in folders if name not in links and not is_litter([name])]
        below += [(base / name).relative_to(folder).as_posix() for name in folders]
        files += [
            ((base / name).relative_to(folder).as_posix(), base / name)
            for name in (*names, *links)
            if not is_litter([name])
        ]
        if len(files) > _MOST_FILES:
            raise BadInput(f"{folder} holds more than {_MOST_FILES} files. Give the folder of the images alone.")
    return sorted(files), sorted(below)


def is_plain(path: Path) -> bool:
    """A regular file, not a link, pipe or device."""
    return stat.S_ISREG(path.lstat().st_mode)


def folder_source(path: Path, limits: Limits, label: str | None, without: Collection[Path] = ()) -> Tree:
    """A folder tree, or a single image as a tree of one; `without` are files that are read in another way."""
    files, folders = walk(path) if path.is_dir() else ([(path.name, path.resolve())], [])
    files = [(name, place) for name, place in files if place not in without]
    check_count(str(path), len(files), limits)
    return Tree([_file(name, place, limits) for name, place in files], folders, limits, label)


def _file(name: str, path: Path, limits: Limits) -> File:
    if path.is_symlink():
        return File(name, lambda _: b"", "is a link; put the file itself here")
    if not is_plain(path):
        return File(name, lambda _: b"", "is not a regular file; remove it")
    return File(name, lambda budget: _read(path, limits, budget))


def _read(path: Path, limits: Limits, budget: Budget) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limits.max_file_bytes + 1)
    except OSError as error:
        raise Refusal(f"cannot be read ({error.strerror}); check its permissions") from error
    limits.check_file(len(data))
    budget.spend(len(data))
    return data
