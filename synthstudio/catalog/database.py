"""One DuckDB connection, a cursor per question, one writer at a time."""

import contextlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import duckdb
import numpy as np
import psutil
from numpy.typing import NDArray

from synthstudio.catalog.journal import Journal, Line
from synthstudio.catalog.migrations import migrate
from synthstudio.errors import CatalogBusy, CatalogDamaged, StorageFull
from synthstudio.workspace import storage_errors

if TYPE_CHECKING:
    from pandas import DataFrame

T = TypeVar("T")

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    # Nothing may reach out to a network because of a query.
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "memory_limit": "1GB",
    "threads": "2",
}
_DAMAGE = (
    "Corrupt database file",
    "checksum",
    "Could not read enough bytes",
    "not a valid DuckDB database",
    "Failure while replaying WAL",
    "Failed to deserialize",
)


SIZE = "select block_size, used_blocks, total_blocks from pragma_database_size() where database_name <> 'scratch'"
TABLES = "select table_name from duckdb_tables() where database_name <> 'scratch'"


class Database:
    """The catalog's file. Every read takes a fresh cursor; writes are short transactions under one lock."""

    _counted: ClassVar[Counter[Path]] = Counter()  # commits, of all who opened a file in this process
    _counting: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, path: Path, journal: Journal | None = None) -> None:
        """Open the file; CatalogDamaged if it cannot be read. `journal` is where `keep` writes to."""
        self._path = path.absolute()
        self._journal = journal
        self._kept: list[Line] = []
        self._connection = _connect(path)
        self._write = threading.RLock()
        self._asked = threading.Condition()
        self._cursors, self._closed = 0, False
        self._remembering = threading.Lock()
        self._remembered: dict[Hashable, Any] = {}
        self._remembered_at = -1
        self.damaged: CatalogDamaged | None = None  # what a reader or writer has run into
        try:
            with self._readable():
                migrate(self._connection)
            # Whoever opens the same file twice in one process is given one database, with one `scratch`.
            self._connection.execute("attach if not exists ':memory:' as scratch")
        except BaseException:
            self._connection.close()
            raise

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._cursor() as cursor:
            return cursor.execute(sql, list(values)).fetchall()

    def records(self, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """All rows of a query, as dictionaries by column name."""
        with self._cursor() as cursor:
            cursor.execute(sql, list(values))
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def columns(self, sql: str, values: Sequence[Any] = ()) -> list[NDArray[Any]]:
        """The columns of a query as arrays, without missing values: a million whole numbers cost eight megabytes."""
        with self._cursor() as cursor:
            return [np.asarray(column) for column in cursor.execute(sql, list(values)).fetchnumpy().values()]

    def frame(self, sql: str, values: Sequence[Any] = ()) -> "DataFrame":
        """The rows of a query as a pandas table."""
        with self._cursor() as cursor:
            return cursor.execute(sql, list(values)).df()

    def since_commit(self, key: Hashable, answer: Callable[[], T]) -> T:
        """An answer that is kept until this process writes again: many parts of a page ask the same at once."""
        commits = self.commits  # before the question: what is written meanwhile is asked for again
        with self._remembering:
            if self._remembered_at != commits:
                self._remembered.clear()
                self._remembered_at = commits
            if key in self._remembered:
                return cast("T", self._remembered[key])
        found = answer()
        with self._remembering:
            if self._remembered_at == commits:
                self._remembered[key] = found
        return found

    @contextlib.contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor in a transaction: committed at the end, rolled back on any error."""
        with self._write, self._cursor() as cursor:
            self._kept = []
            end = 0
            cursor.begin()
            try:
                yield cursor
                end = self._write_down(cursor)
                cursor.commit()
            except BaseException as error:
                with contextlib.suppress(duckdb.Error):
                    cursor.rollback()  # a commit that failed has nothing left to roll back
                self._take_back(end)
                if isinstance(error, StorageFull) or (isinstance(error, duckdb.Error) and _disk_refused(error)):
                    raise StorageFull(
                        "The disk is full or cannot be written, so this was not saved. Free some space."
                    ) from error
                raise
            if self._journal is not None and end:
                self._journal.end = end
            with self._counting:
                self._counted[self._path] += 1

    @property
    def commits(self) -> int:
        """How often this process has written to the file: a reader that saw this number has seen everything."""
        return self._counted[self._path]

    @contextlib.contextmanager
    def aside(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor that writes to `scratch`, in memory: all who opened this file in this process share it."""
        with self._write, self._cursor() as cursor:
            yield cursor

    def keep(self, line: Line) -> None:
        """Write what this transaction does into the journal too: nothing else knows it. To be called inside one."""
        self._kept.append(line)

    def mark_read(self, end: int, mark: str) -> None:
        """Say that everything up to `end` of the journal is in this catalog."""
        with self.transaction() as cursor:
            cursor.execute("update journal set read_to = ?, mark = ?", [end, mark])

    def _write_down(self, cursor: duckdb.DuckDBPyConnection) -> int:
        """The new end of the journal; 0 if nothing was to be kept. On the disk before the catalog commits."""
        if self._journal is None or not self._kept:
            return 0
        end, mark = self._journal.append(self._kept)
        cursor.execute("update journal set read_to = ?, mark = ?", [end, mark])
        return end

    def _take_back(self, end: int) -> None:
        """After an error: the lines stay only if the catalog did commit, which a signal or a full disk can hide."""
        if self._journal is None or not end:
            return
        with contextlib.suppress(duckdb.Error):
            if self._connection.cursor().execute("select read_to from journal").fetchall() == [(end,)]:
                self._journal.end = end
                return
        self._journal.cut()

    def close(self) -> None:
        """Let questions that are being answered end, fold the write-ahead log in and let others open the file."""
        with self._asked:
            self._closed = True
            self._asked.wait_for(lambda: self._cursors == 0)
        self._connection.close()

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._asked:
            if self._closed:
                raise CatalogBusy(
                    f"The project of {self._path} was closed meanwhile. Open it again, then try once more."
                )
            self._cursors += 1
        try:
            with self._readable(), self._connection.cursor() as cursor:
                yield cursor
        finally:
            with self._asked:
                self._cursors -= 1
                self._asked.notify_all()

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        """Say in a sentence that the file is damaged, and leave word for who opens it next."""
        try:
            yield
        except duckdb.Error as error:
            if not damage(error):
                raise
            with contextlib.suppress(OSError):
                damage_mark(self._path).touch()
            self.damaged = _damaged(self._path)
            raise self.damaged from error


def damage_mark(path: Path) -> Path:
    """A file beside the catalog that says: it could not be read, make it again."""
    return path.with_name(f".{path.name}.unreadable")


def damage(error: duckdb.Error) -> bool:
    """Whether an error says that the file's content is wrong. DuckDB checks a sum over each block it reads."""
    if isinstance(error, duckdb.IntegrityError | duckdb.DataError | duckdb.ProgrammingError):
        return False  # these quote values, which may say anything
    return isinstance(error, duckdb.SerializationException) or any(sign in str(error) for sign in _DAMAGE)


def _damaged(path: Path) -> CatalogDamaged:
    return CatalogDamaged(
        f"The catalog {path} is damaged and cannot be read. Open the project again, or run"
        " python -m synthstudio doctor --rebuild: it is made again from the journal and the run logs."
    )


def insert(
    cursor: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]],
    *, replace: bool = False,
) -> None:  # fmt: skip
    """Insert many rows at once, keeping or replacing what is there. Table and columns come from our code only.

    `unnest` of bound lists is some seventy times faster than executemany in DuckDB.
    """
    if not rows:
        return
    lists = [list(column) for column in zip(*rows, strict=True)]
    selected = ", ".join("unnest(?)" for _ in columns)
    existing = "replace" if replace else "ignore"
    cursor.execute(f"insert or {existing} into {table} ({', '.join(columns)}) select {selected}", lists)  # noqa: S608


def _disk_refused(error: duckdb.Error) -> bool:
    """DuckDB tells a full disk by its text: the kind of the exception differs with the moment."""
    if damage(error):
        return False
    return isinstance(error, duckdb.IOException) or any(
        sign in str(error) for sign in ("No space left", "Could not write file", "Disk quota", "Read-only file system")
    )


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        with storage_errors(path.parent):
            return duckdb.connect(str(path), config=_SETTINGS)
    except duckdb.IOException as error:
        holder = re.search(r"PID (\d+)", str(error))
        if "lock" in str(error).lower():
            raise CatalogBusy(_who_holds(path, int(holder.group(1)) if holder else None)) from error
        if damage(error):
            raise _damaged(path) from error
        raise StorageFull(
            f"The catalog {path} cannot be opened: {error}. Check the disk and its permissions."
        ) from error
    except duckdb.Error as error:
        raise _damaged(path) from error


def _who_holds(path: Path, pid: int | None) -> str:
    who = "another process"
    if pid is not None:
        try:
            who = f"process {pid} ({' '.join(psutil.Process(pid).cmdline())[:120]})"
        except psutil.Error:
            who = f"process {pid}"
    return (
        f"The catalog of this project is open in {who}. Use the page or command that is already running, "
        f"or end it first ({path})."
    )
