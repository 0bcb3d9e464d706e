"""A person's own SQL, asked of a copy of the catalog: it reads tables, and nothing it says reaches anything else.

The copy is opened for reading; DuckDB is told to touch no file, no network and no extension, to stay within some memory
and to take no other settings. What is left is one SELECT that may never end, and that is interrupted.
"""

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from synthstudio.catalog.catalog import Catalog
from synthstudio.catalog.snapshot import copied
from synthstudio.errors import BadInput, Missing

MOST_ROWS = 10_000
_LONGEST = 20_000  # characters of a question
_MEMORY = "512MB"
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "memory_limit": _MEMORY,
    "temp_directory": "",
    "threads": "2",
    "lock_configuration": "true",
}
_ONLY_READS = "A question only reads the tables of the catalog: no files, no addresses, no extensions, no settings."
_LESS = "Ask for less: fewer tables, a where clause or a limit."


@dataclass(frozen=True)
class Answer:
    """The columns and rows of an answer; `more`: there were more rows than are given."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    more: bool


def ask(catalog: Path, question: str, seconds: float = 30.0) -> Answer:
    """Ask a copy of a catalog: see `reading` and `answer`."""
    with reading(catalog) as connection:
        return answer(connection, question, seconds)


@contextlib.contextmanager
def reading(catalog: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A copy of a catalog, locked down. Not for the process that has it open: to read the file there ends its lock."""
    if not catalog.exists():
        raise Missing("This project has no catalog yet. Start with: python -m synthstudio run datadream --data digits")
    with tempfile.TemporaryDirectory(prefix="synthstudio-") as folder:
        copy = copied(catalog, Path(folder))
        with Catalog(copy, root=catalog.parent) as fresh:
            fresh.review.newest()  # the tables that follow from others are those of now
            fresh.names.take_in()
        with contextlib.closing(duckdb.connect(str(copy), read_only=True, config=_SETTINGS)) as connection:
            yield connection


def answer(connection: duckdb.DuckDBPyConnection, question: str, seconds: float = 30.0) -> Answer:
    """BadInput, in one sentence, for what is no single SELECT, cannot be answered, or takes too much time or memory."""
    with _in_words(seconds):
        statement = _select(connection, question)
        with _interrupted(connection, seconds):
            connection.execute(statement)
            rows = connection.fetchmany(MOST_ROWS + 1)
    columns = [str(column[0]) for column in connection.description or ()]
    return Answer(columns, rows[:MOST_ROWS], len(rows) > MOST_ROWS)


def _select(connection: duckdb.DuckDBPyConnection, question: str) -> duckdb.Statement:
    """The one statement of a question; BadInput unless it is a SELECT."""
    if len(question) > _LONGEST:
        raise BadInput(f"The question has {len(question):,} characters. Shorten it to {_LONGEST:,}.")
    found = connection.extract_statements(question)
    if len(found) != 1:
        raise BadInput(f"Ask one question, not {len(found)}: a single SELECT.")
    if found[0].type != duckdb.StatementType.SELECT:
        raise BadInput(f"{_ONLY_READS} Begin it with SELECT, WITH, FROM, SHOW or DESCRIBE.")
    return found[0]


@contextlib.contextmanager
def _interrupted(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Whatever still works after some seconds is interrupted."""
    timer = threading.Timer(seconds, connection.interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def _in_words(seconds: float) -> Iterator[None]:
    """Errors of DuckDB as one sentence that says what to do."""
    try:
        yield
    except duckdb.InterruptException as error:
        raise BadInput(f"The question was not answered in {seconds:g} seconds. {_LESS}") from error
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise BadInput(f"The answer needs more than {_MEMORY[:-2]} MB of memory. {_LESS}") from error
    except duckdb.Error as error:
        said = str(error).partition("\n")[0].partition(": ")[2].rstrip(".")
        why = "".join(one for one in said if one.isprintable())  # it may quote what strangers wrote
        if isinstance(error, duckdb.PermissionException) or "configuration" in why:
            raise BadInput(_ONLY_READS) from error
        raise BadInput(
            f"DuckDB says: {why}. SHOW TABLES and DESCRIBE with a table's name say what there is."
        ) from error
