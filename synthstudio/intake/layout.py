"""Read class and split off paths: `class/photo.jpg` or `train/class/photo.jpg`, perhaps inside one outer folder."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from synthstudio.intake.decode import SUFFIXES
from synthstudio.intake.entries import SPLITS

_LITTER = {"__MACOSX", "Thumbs.db", "thumbs.db", "desktop.ini", "Desktop.ini", "ehthumbs.db"}


def is_litter(parts: Iterable[str]) -> bool:
    """Hidden files and what operating systems leave behind; a name made only of dots is a name."""
    return any(part in _LITTER or (part.startswith(".") and part.strip(".") != "") for part in parts)


@dataclass(frozen=True)
class Place:
    """Where a path says its image belongs; an empty label means it does not say."""

    label: str
    given: str


class Layout:
    """How a tree of paths is to be read, decided once from all of them."""

    def __init__(self, paths: Iterable[str]) -> None:
        every = [PurePosixPath(path).parts for path in paths]
        images = [parts for parts in every if PurePosixPath(parts[-1]).suffix.lower() in SUFFIXES] or every
        self._skip = _outer_folders(images)
        self._splits = _split_folders([parts[self._skip :] for parts in images])

    def place(self, path: str) -> Place:
        """The class and split of a file."""
        parts = PurePosixPath(path).parts[self._skip :]
        if len(parts) > 1 and parts[0] in self._splits:
            return Place(parts[1] if len(parts) > 2 else "", SPLITS[parts[0].lower()])
        return Place(parts[0] if len(parts) > 1 else "", "")

    def inside(self, path: str) -> str:
        """The path without the folders that wrap the whole tree."""
        return "/".join(PurePosixPath(path).parts[self._skip :])

    def class_of_folder(self, path: str) -> str:
        """The class a folder stands for, empty if it stands for none: so that a class without images is noticed."""
        return self.place(f"{path}/x").label


def _outer_folders(images: list[tuple[str, ...]]) -> int:
    """How many folders wrap the whole tree. A split folder is never a wrapper, nor is the last class folder."""
    skip = 0
    while images:
        firsts = {parts[skip] if len(parts) > skip + 1 else "" for parts in images}
        deepest = max(len(parts) for parts in images)
        if len(firsts) != 1 or "" in firsts or firsts & SPLITS.keys() or deepest < skip + 3:
            return skip
        skip += 1
    return skip


def _split_folders(images: list[tuple[str, ...]]) -> set[str]:
    """Top folders that are splits: they hold class folders, not images. Failing that, if there is nothing else."""
    depths: dict[str, set[bool]] = defaultdict(set)
    for parts in images:
        if len(parts) > 1:
            depths[parts[0]].add(len(parts) > 2)
    named = {top for top in depths if top.lower() in SPLITS}
    holding_classes = {top for top in named if depths[top] == {True}}
    return named if len(named) > 1 and named == set(depths) else holding_classes
