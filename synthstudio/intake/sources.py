"""Sources of real images: a folder, a zip, a parquet table, a single image, or the bundled digits.

A Step names its source by the digest of its content; the workspace remembers where that content lies.
"""

import difflib
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from synthstudio.artifacts import canonical, digest_of
from synthstudio.errors import BadInput, Damaged
from synthstudio.intake.archives import ZipTree
from synthstudio.intake.decode import READABLE, SUFFIXES
from synthstudio.intake.digits import Digits
from synthstudio.intake.entries import Entry, Limits, Rejected
from synthstudio.intake.tables import ParquetTable
from synthstudio.intake.trees import folder_source, is_plain, walk
from synthstudio.workspace import Workspace, file_digest

DIGITS = "digits"


class Source(Protocol):
    """Images somewhere. Iterating twice gives the same entries in the same order."""

    declared: tuple[str, ...]  # classes the source names, whether or not they have images

    def __len__(self) -> int:
        """How many entries there are."""
        ...

    def __iter__(self) -> Iterator[Entry | Rejected | None]:
        """Every entry in a fixed order; None for one whose class was refused before."""
        ...

    def close(self) -> None:
        """Let go of open files."""
        ...


def register(path_or_name: str, workspace: Workspace) -> str:
    """The `source:<digest>` of files given by path, or `source:digits`; the workspace remembers where they lie."""
    if path_or_name == DIGITS:
        return f"source:{DIGITS}"
    path = Path(path_or_name).expanduser()
    digest = _digest(path)
    workspace.locate(digest, str(path.absolute()))
    return f"source:{digest}"


def open_source(source_id: str, workspace: Workspace, limits: Limits | None = None, label: str | None = None) -> Source:
    """The source of this id, checked to be still what it was. `label` is the class of images that lie in none."""
    limits = limits or Limits()
    digest = source_id.removeprefix("source:")
    if digest == DIGITS:
        return Digits()
    path = Path(workspace.place_of(digest))
    if not path.exists():
        raise BadInput(f"{path} is not there any more. Put the files back, or import them from where they are now.")
    if _digest(path) != digest:
        raise Damaged(f"{path} has changed since the import was asked for. Ask for the import again.")
    if path.is_dir():
        return folder_source(path, limits, label)
    if _is_parquet(path):
        return ParquetTable(path, limits, label)
    if zipfile.is_zipfile(path):
        return ZipTree(path, limits, label)
    return folder_source(path, limits, label)


def _digest(path: Path) -> str:
    try:
        if not path.exists():
            raise BadInput(_not_found(path))
        return _folder_digest(path) if path.is_dir() else _file_digest(path)
    except (PermissionError, ValueError) as error:
        raise BadInput(f"{path} cannot be read ({error}). Check the path and its permissions.") from error


def _folder_digest(folder: Path) -> str:
    rows = [[os.fsencode(name).hex(), _content(file)] for name, file in walk(folder)[0] if is_plain(file)]
    if not rows:
        raise BadInput(f"{folder} holds no files. Give a folder with one subfolder of images per class.")
    return digest_of(canonical(rows))


def _content(file: Path) -> str:
    try:
        return file_digest(file)
    except PermissionError:
        return "unreadable"  # it is refused by name when its turn comes; the others are not lost with it


def _file_digest(path: Path) -> str:
    if not path.is_file():
        raise BadInput(f"{path} is neither a file nor a folder. Give a folder, a zip, a parquet file or an image.")
    if not (_is_parquet(path) or zipfile.is_zipfile(path) or path.suffix.lower() in SUFFIXES):
        raise BadInput(
            f"{path.name} is neither a folder, a zip, a parquet file nor an image. "
            f"Give a folder with one subfolder per class, a zip of one, a parquet file, or a {READABLE} image."
        )
    return file_digest(path)


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _not_found(path: Path) -> str:
    folder = path.absolute().parent
    if not folder.is_dir():
        return f"There is no {path}: the folder {folder} does not exist. Check the path, or use the name digits."
    names = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
    near = difflib.get_close_matches(path.name, [*names, DIGITS], n=3, cutoff=0.5)
    offer = f"Did you mean {' or '.join(near)}?" if near else f"It holds: {', '.join(names[:8]) or 'nothing'}."
    return f"There is no file or folder {path.name!r} in {folder}. {offer}"
