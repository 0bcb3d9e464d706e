"""Open a project's catalog: bring it to the end of the journal, or make it again when it is missing or damaged."""

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import filelock

from synthstudio.catalog.database import SIZE, TABLES, Database, damage_mark
from synthstudio.catalog.journal import NAME, Journal, encoded
from synthstudio.catalog.replay import ReadLog, ReadSet, Replay, snapshot
from synthstudio.errors import CatalogBusy, CatalogDamaged, StudioError
from synthstudio.quantities import many
from synthstudio.workspace import append_whole, storage_errors, sync_folder

log = logging.getLogger("synthstudio")

_CHECKED_WHOLE = 64 << 20  # bytes; of a larger catalog only the size is looked at, and the rest when it is read
_HEADER_BYTES = 3 * 4096


@dataclass(frozen=True)
class Opened:
    """An open catalog, and what a person should hear about how it was opened."""

    database: Database
    said: tuple[str, ...] = ()
    incomplete: bool = False  # the journal was missing or damaged: run folders may know more


@dataclass(frozen=True)
class Sources:
    """What a catalog is made from besides the journal."""

    read_log: ReadLog
    read_set: ReadSet


def open_catalog(path: Path, sources: Sources, rebuild: bool = False) -> Opened:
    """The catalog, healthy and up to date. `rebuild` makes it again even if it looks healthy.

    Raises CatalogBusy while another process has it, StorageFull if the disk takes nothing.
    """
    journal = Journal(path.with_name(NAME))
    said: list[str] = []
    incomplete = False
    database = _healthy(path, journal)
    if rebuild and database is not None:
        _settle(database, journal, sources, said)
        database = None
    if database is None:
        with _alone(path):
            incomplete = _make(path, journal, sources, said, "as asked" if rebuild else "because it was damaged")
        database = Database(path, journal)
    try:
        _catch_up(database, journal, sources, said)
    except BaseException:
        database.close()
        raise
    for sentence in said:
        log.warning(sentence)
    return Opened(database, tuple(said), incomplete)


def _settle(database: Database, journal: Journal, sources: Sources, said: list[str]) -> None:
    """Before a healthy catalog is made again: the journal has to hold, readable, all that the catalog knows."""
    with contextlib.closing(database):
        _catch_up(database, journal, sources, said)
        if any(line is None for line in journal.lines()):
            _write_journal(database, journal, said)


def _make(path: Path, journal: Journal, sources: Sources, said: list[str], why: str) -> bool:
    """Make a catalog from what there is; returns whether something could not be read."""
    kept = _aside(path) if path.exists() else None
    if kept is not None or journal.size():
        said.append(_sentence(why if kept else "because it was missing", kept))
    return _rebuild(path, journal, sources, said)


def _healthy(path: Path, journal: Journal) -> Database | None:
    """The catalog, if it is there and can be read. One that was not shut down is finished by being opened."""
    if not path.exists():
        return None
    if damage_mark(path).exists():
        _check_free(path)
        return None
    database = None
    try:
        database = Database(path, journal)
        if path.stat().st_size >= _HEADER_BYTES and _whole(database, path):
            return database
    except CatalogDamaged as error:
        log.warning("%s", error)
    if database is not None:
        _close_damaged(database)
    return None


def _close_damaged(database: Database) -> None:
    with contextlib.suppress(StudioError, duckdb.Error):
        database.close()  # what it cannot fold in is in the journal and the logs


def _whole(database: Database, path: Path) -> bool:
    """Whether the file has room for its blocks and, where that is quick, whether each is what was written.

    Free blocks do not count: closing cuts them off the end of the file, and its header goes on counting them.
    """
    ((block, blocks, _),) = database.rows(SIZE)
    if path.stat().st_size < _HEADER_BYTES + block * blocks:
        return False
    if path.stat().st_size <= _CHECKED_WHOLE:
        for (table,) in database.rows(TABLES):
            database.rows(f"select sum(hash(t)) from {table} t")  # noqa: S608 - names of our own tables
    return True


def _check_free(path: Path) -> None:
    """CatalogBusy if another process has the file: then it is not ours to move."""
    if path.exists():
        with contextlib.suppress(CatalogDamaged):
            _close_damaged(Database(path))


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process makes a catalog again; the others wait outside."""
    lock = filelock.FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
    try:
        with storage_errors(path.parent), lock:
            yield
    except filelock.Timeout:
        raise CatalogBusy(
            f"The catalog {path} is being made again by another process. Try again in a moment."
        ) from None


def _aside(path: Path) -> Path:
    """Keep a damaged catalog, with its write-ahead log, beside the new one."""
    kept = _free_name(path)
    wal = path.with_name(path.name + ".wal")
    if wal.exists():
        os.replace(wal, kept.with_name(kept.name + ".wal"))
    os.replace(path, kept)
    damage_mark(path).unlink(missing_ok=True)
    return kept


def _free_name(path: Path) -> Path:
    stem = f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
    names = [stem, *(f"{stem}-{number}" for number in range(2, 100))]
    return next(path.with_name(name) for name in names if not path.with_name(name).exists())


def kept_aside(folder: Path) -> list[Path]:
    """Damaged catalogs and journals that were kept, oldest first."""
    return sorted(folder.glob("*.damaged-*"))


def _sentence(why: str, kept: Path | None) -> str:
    where = f" The old file is kept as {kept.name}; delete it when nothing is missing." if kept else ""
    return f"The catalog of this project was made again from its journal and the logs of its runs, {why}.{where}"


def _rebuild(path: Path, journal: Journal, sources: Sources, said: list[str]) -> bool:
    """Make the catalog aside and put it in place; returns whether something could not be read."""
    aside = path.with_name(f".{path.name}.rebuilt.part")
    wal = aside.with_name(aside.name + ".wal")
    for leftover in (aside, wal):
        leftover.unlink(missing_ok=True)
    path.with_name(path.name + ".wal").unlink(missing_ok=True)  # of a file that is gone
    database = Database(aside)
    try:
        replay = Replay(database, sources.read_log, sources.read_set)
        replay(journal.lines())
        replay.finish(all_logs=True)
        end, mark = journal.whole()
        database.mark_read(end, mark)
    finally:
        database.close()
    os.replace(aside, path)
    sync_folder(path.parent)
    if replay.damaged:
        said.append(f"{many(replay.damaged, 'line')} of the journal could not be read; what was said there is lost.")
    if replay.lost_sets:
        said.append(f"Not listed, since files are missing or damaged: {many(len(replay.lost_sets), 'set')}.")
    return bool(replay.damaged) or end == 0


def _catch_up(database: Database, journal: Journal, sources: Sources, said: list[str]) -> None:
    """Apply what was written down but not committed; write the journal of a catalog that has none."""
    ((read_to, mark),) = database.rows("select read_to, mark from journal")
    if not journal.size() or not journal.holds(read_to, mark):
        if read_to:
            said.append("The journal of this project was missing or did not fit the catalog; it was written again.")
        _write_journal(database, journal, said)
        return
    end, mark = journal.whole(read_to, mark)
    if end > read_to:
        replay = Replay(database, sources.read_log, sources.read_set)
        replay(journal.lines(read_to))
        replay.finish(all_logs=False)
        database.mark_read(end, mark)


def _write_journal(database: Database, journal: Journal, said: list[str]) -> None:
    """From the catalog, aside, then renamed: killed before that, the next opening does it again."""
    path = journal.path
    aside = path.with_name(f".{path.name}.part")
    aside.unlink(missing_ok=True)
    data = b"".join(encoded(line) for line in snapshot(database))
    append_whole(aside, data, sync=True)
    fresh = Journal(aside)
    end, mark = fresh.whole()
    database.mark_read(end, mark)
    if journal.size():
        kept = _free_name(path)
        os.replace(path, kept)
        said.append(f"The old journal is kept as {kept.name}; delete it when nothing is missing.")
    os.replace(aside, path)
    sync_folder(path.parent)
    journal.end = end
