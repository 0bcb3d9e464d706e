"""One drop after another into the same upload: what came is moved to what is there, and nothing is lost on the way."""

import os
import shutil
from itertools import count
from pathlib import Path

from synthstudio.errors import BadInput
from synthstudio.intake.layout import Layout
from synthstudio.intake.sources import is_archive
from synthstudio.intake.trees import walk
from synthstudio.terms import clean_label

INCOMING = "incoming"  # the files of a drop, until all of them are here and its wrapping folders are known


def settle(incoming: Path, files: Path) -> None:
    """Move the files of a drop beside those of the drops before. A folder around the class folders is taken off, so
    that the classes of two drops meet; a file whose name is taken gets a number.
    """
    if not incoming.is_dir():
        return
    came = [name for name, _ in walk(incoming)[0]]
    layout = Layout(came)
    for name in came:
        target = files / layout.inside(name)
        _make_folders(target.parent, files)
        os.replace(incoming / name, free(target))
    shutil.rmtree(incoming)
    incoming.mkdir()


def gather(files: Path, label: str) -> None:
    """Put loose pictures into the folder of a class. BadInput for a name that no class can have."""
    try:
        name = clean_label(label).replace("/", "∕")
    except ValueError as error:
        raise BadInput(f"This class name cannot be used: {error}.") from error
    if name in (".", ".."):
        raise BadInput("A class needs a name, not only dots.")
    if _loose(files):
        _make_folders(files / name, files)
    for path in _loose(files):
        os.replace(path, free(files / name / path.name))


def _loose(files: Path) -> list[Path]:
    return [path for path in sorted(files.iterdir()) if path.is_file() and not is_archive(path)]


def free(path: Path) -> Path:
    """The path, or the same with the first number that nobody has: two cameras both begin with IMG_0001."""
    every = (path if n == 1 else path.with_name(f"{path.stem} ({n}){path.suffix}") for n in count(1))
    return next(one for one in every if not one.exists() and not one.is_symlink())


def prune(files: Path) -> None:
    """Remove folders without files; a class that was taken out is not an empty class."""
    for here, _, _ in os.walk(files, topdown=False):
        if Path(here) != files and not os.listdir(here):
            os.rmdir(here)


def _make_folders(folder: Path, root: Path) -> None:
    """Make a folder; a file that has its name makes room."""
    for one in reversed([folder, *folder.parents]):
        if one.is_relative_to(root) and one != root:
            if one.is_file():
                os.replace(one, free(one))
            one.mkdir(exist_ok=True)
