"""Sources of real images: a folder, a zip, a parquet table, a single image, or the bundled digits.

A Step names its source by the digest of its content; the workspace remembers where that content lies.
"""

import contextlib
import difflib
import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from synthstudio.artifacts import canonical, digest_of
from synthstudio.errors import BadInput, Damaged
from synthstudio.intake.archives import ZipTree
from synthstudio.intake.decode import READABLE, SUFFIXES
from synthstudio.intake.digits import Digits
from synthstudio.intake.entries import Entry, Limits, Rejected, printable
from synthstudio.intake.tables import ParquetTable
from synthstudio.intake.trees import check_count, folder_source, is_plain, walk
from synthstudio.workspace import Workspace, file_digest

DIGITS = "digits"
_MOST_ARCHIVES = 50  # beside each other in one folder; each is held open


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


def identify(path_or_name: str) -> str:
    """The `source:<digest>` of files given by path, or `source:digits`."""
    return f"source:{DIGITS if path_or_name == DIGITS else _digest(Path(path_or_name).expanduser())}"


def refuse_missing(path_or_name: str) -> None:
    """BadInput, offering what is there, if nothing lies at this path; nothing is read."""
    path = Path(path_or_name).expanduser()
    if path_or_name != DIGITS and not path.exists():
        raise BadInput(_not_found(path))


def register(path_or_name: str, workspace: Workspace) -> str:
    """As `identify`; the workspace remembers where the files lie."""
    source = identify(path_or_name)
    if path_or_name != DIGITS:
        workspace.locate("sources", source.partition(":")[2], str(Path(path_or_name).expanduser().absolute()))
    return source


def open_source(source_id: str, workspace: Workspace, limits: Limits | None = None, label: str | None = None) -> Source:
    """The source of this id, checked to be still what it was. `label` is the class of images that lie in none."""
    limits = limits or Limits()
    digest = source_id.removeprefix("source:")
    if digest == DIGITS:
        return Digits()
    path = Path(workspace.location("sources", digest)["place"])
    if not path.exists():
        raise BadInput(f"{path} is not there any more. Put the files back, or import them from where they are now.")
    if _digest(path) != digest:
        raise Damaged(f"{path} has changed since the import was asked for. Ask for the import again.")
    if not path.is_dir():
        return _of_file(path, limits, label)
    inside = archives_in(path)
    return Several(path, inside, limits, label) if inside else folder_source(path, limits, label)


def archives_in(folder: Path) -> list[Path]:
    """Zips and tables that lie in the folder itself, not below: they are read as if they had been unpacked there."""
    files = (path for name, path in walk(folder)[0] if "/" not in name and is_plain(path))
    return [path for path in files if is_archive(path)]


def is_archive(path: Path) -> bool:
    """Whether a file holds several pictures."""
    try:
        return _is_parquet(path) or zipfile.is_zipfile(path)
    except OSError:
        return False  # it is refused by name when its turn comes


def _of_file(path: Path, limits: Limits, label: str | None) -> Source:
    if _is_parquet(path):
        return ParquetTable(path, limits, label)
    return ZipTree(path, limits, label) if zipfile.is_zipfile(path) else folder_source(path, limits, label)


class Several:
    """A folder that holds zips or tables: first its own pictures, then theirs. Each may give its share of the bytes."""

    def __init__(self, folder: Path, archives: Sequence[Path], limits: Limits, label: str | None) -> None:
        if len(archives) > _MOST_ARCHIVES:
            raise BadInput(
                f"{folder.name} holds {len(archives)} zips and tables; {_MOST_ARCHIVES} is the most at once."
            )
        share = replace(limits, max_total_bytes=limits.max_total_bytes // (len(archives) + 1))
        self._parts: list[tuple[str, Source | Rejected]] = []
        try:
            self._parts.append(("", folder_source(folder, share, label, without=archives)))
            self._parts += [(path.name, _opened(path, share, label)) for path in archives]
            check_count(folder.name, len(self), limits)
        except BaseException:
            self.close()
            raise
        self.declared = tuple(sorted({name for source in self._sources() for name in source.declared}))

    def __len__(self) -> int:
        return sum(1 if isinstance(part, Rejected) else len(part) for _, part in self._parts)

    def __iter__(self) -> Iterator[Entry | Rejected | None]:
        for name, part in self._parts:
            if isinstance(part, Rejected):
                yield part
                continue
            for entry in part:
                yield replace(entry, name=printable(f"{name}: {entry.name}")) if entry and name else entry

    def close(self) -> None:
        """Close every archive."""
        with contextlib.ExitStack() as stack:
            for source in self._sources():
                stack.callback(source.close)

    def _sources(self) -> list[Source]:
        return [part for _, part in self._parts if not isinstance(part, Rejected)]


def _opened(path: Path, limits: Limits, label: str | None) -> Source | Rejected:
    """One archive among others; one that cannot be read costs itself alone."""
    try:
        return _of_file(path, limits, label)
    except BadInput as error:
        return Rejected(printable(path.name), f"cannot be read: {error}")


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
