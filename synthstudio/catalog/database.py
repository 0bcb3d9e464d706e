"""One DuckDB connection, a cursor per question, one writer at a time."""

import contextlib
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import psutil
from numpy.typing import NDArray

from synthstudio.catalog.migrations import migrate
from synthstudio.errors import CatalogBusy, StorageFull
from synthstudio.workspace import storage_errors

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    # Nothing may reach out to a network because of a query.
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "memory_limit": "1GB",
    "threads": "2",
}


class Database:
    """The catalog's file. Every read takes a fresh cursor; writes are short transactions under one lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = _connect(path)
        self._write = threading.RLock()
        self._asked = threading.Condition()
        self._cursors, self._closed = 0, False
        self.commits = 0  # a reader that saw this number has seen everything
        migrate(self._connection)

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

    @contextlib.contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor in a transaction: committed at the end, rolled back on any error."""
        with self._write, self._cursor() as cursor:
            cursor.begin()
            try:
                yield cursor
                cursor.commit()
                self.commits += 1
            except BaseException as error:
                with contextlib.suppress(duckdb.Error):
                    cursor.rollback()  # a commit that failed has nothing left to roll back
                if isinstance(error, duckdb.Error) and _disk_refused(error):
                    raise StorageFull(
                        "The disk is full or cannot be written, so this was not saved. Free some space."
                    ) from error
                raise

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
            with self._connection.cursor() as cursor:
                yield cursor
        finally:
            with self._asked:
                self._cursors -= 1
                self._asked.notify_all()


def insert(
    cursor: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Insert many rows at once, keeping what is already there. Table and columns come from our code, never from a user.

    `unnest` of bound lists is some seventy times faster than executemany in DuckDB.
    """
    if not rows:
        return
    lists = [list(column) for column in zip(*rows, strict=True)]
    selected = ", ".join("unnest(?)" for _ in columns)
    cursor.execute(f"insert or ignore into {table} ({', '.join(columns)}) select {selected}", lists)  # noqa: S608


def _disk_refused(error: duckdb.Error) -> bool:
    """DuckDB tells a full disk by its text: the kind of the exception differs with the moment."""
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
        raise StorageFull(
            f"The catalog {path} cannot be opened: {error}. Check the disk and its permissions."
        ) from error


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
