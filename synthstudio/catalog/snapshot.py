"""A copy of a catalog that another process has open: to be read, as it was a moment ago."""

import contextlib
import shutil
import time
from pathlib import Path

from synthstudio.catalog.journal import NAME
from synthstudio.errors import CatalogBusy

_TRIES, _PAUSE_SECONDS = 40, 0.25


def copied(catalog: Path, folder: Path) -> Path:
    """Copy a catalog, its write-ahead log and its journal into a folder; returns the copy.

    A copy counts only if nothing was written meanwhile. The journal goes last: it says of every change what the catalog
    says of it later. CatalogBusy if no moment was quiet.
    """
    for _ in range(_TRIES):
        with contextlib.suppress(FileNotFoundError):  # the log was folded in meanwhile
            before = _looks(catalog)
            for path in _parts(catalog):
                (folder / path.name).unlink(missing_ok=True)
                if path.exists():
                    shutil.copyfile(path, folder / path.name)
            if _looks(catalog) == before:
                return folder / catalog.name
        time.sleep(_PAUSE_SECONDS)
    raise CatalogBusy(
        f"{catalog} was written to without a pause for {_TRIES * _PAUSE_SECONDS:.0f} seconds. Ask again when less goes"
        " on there, or close the process that has the project open."
    )


def _parts(catalog: Path) -> list[Path]:
    return [catalog, catalog.with_name(catalog.name + ".wal"), catalog.with_name(NAME)]


def _looks(catalog: Path) -> list[tuple[int, int]]:
    """Time and size of each part that is there."""
    return [(about.st_mtime_ns, about.st_size) for path in _parts(catalog) if path.exists() and (about := path.stat())]
