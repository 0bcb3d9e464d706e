"""Turn log lines into rows: idempotent, and remembering how far it read in the same transaction."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import duckdb

from synthstudio import events
from synthstudio.catalog.database import Database, insert

Line = tuple[float, events.Event]
# The last word of an earlier attempt, met again when a log is read anew, says nothing about the one that works now.
_PRESENT = "? >= coalesce(launched, 0)"
_Write = Callable[[duckdb.DuckDBPyConnection, str, Sequence[tuple[float, Any]]], None]


class Ingest:
    """The only road from a run's log into the catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __call__(self, run_id: str, lines: Sequence[Line], read_to: int) -> None:
        """Store the lines of a run and the offset they end at; reading the same lines again changes nothing."""
        with self._database.transaction() as cursor:
            store_lines(cursor, run_id, lines, read_to)

    def again(self, run_id: str) -> None:
        """Begin a log anew, because it is not the one that was read: what adds up starts from nothing."""
        with self._database.transaction() as cursor:
            cursor.execute("update runs set read_to = 0, seconds = 0, peak_memory_mb = 0 where id = ?", [run_id])


def store_lines(cursor: duckdb.DuckDBPyConnection, run_id: str, lines: Sequence[Line], read_to: int) -> None:
    """Store the lines of a run's log in the transaction of a cursor."""
    groups: dict[type, list[Line]] = {}
    for line in lines:
        groups.setdefault(type(line[1]), []).append(line)
    # One statement per kind of event: lines of different kinds never touch the same row, but for the last word
    # of a worker, of which there is one per attempt.
    for kind, group in groups.items():
        _WRITERS[kind](cursor, run_id, group)
    cursor.execute("update runs set read_to = ? where id = ?", [read_to, run_id])


def _made(cursor: duckdb.DuckDBPyConnection, run_id: str, lines: Sequence[tuple[float, events.Made]]) -> None:
    columns = ("run_id", "plan_index", "digest", "label", "origin", "width", "height", "made", "created")
    rows = [
        (run_id, e.index, e.image.digest, e.image.label, e.image.origin, e.image.width, e.image.height,
         json.dumps(e.image.made, ensure_ascii=False), at)
        for at, e in lines
    ]  # fmt: skip
    insert(cursor, "images", columns, rows)


def _scored(cursor: duckdb.DuckDBPyConnection, run_id: str, lines: Sequence[tuple[float, events.Scored]]) -> None:
    rows = [(run_id, image, e.scorer, value) for _, e in lines for image, value in e.values]
    insert(cursor, "scores", ("run_id", "image", "scorer", "value"), rows)


def _measured(cursor: duckdb.DuckDBPyConnection, run_id: str, lines: Sequence[tuple[float, events.Measured]]) -> None:
    columns = ("run_id", "name", "arm", "label", "fold", "value", "low", "high", "n", "split")
    rows = [
        (run_id, e.name, e.arm, e.label, -1 if e.fold is None else e.fold, e.value, e.low, e.high, e.n, e.split)
        for _, e in lines
    ]
    insert(cursor, "metrics", columns, rows)


def _progress(cursor: duckdb.DuckDBPyConnection, run_id: str, lines: Sequence[tuple[float, events.Progress]]) -> None:
    at, last = lines[-1]
    cursor.execute(
        "update runs set done = ?, total = ?, unit = ?, progress_at = ?, measures = ? where id = ?",
        [last.done, last.total, last.unit, at, json.dumps(last.values), run_id],
    )


def _refused(cursor: duckdb.DuckDBPyConnection, run_id: str, lines: Sequence[tuple[float, events.Refused]]) -> None:
    insert(cursor, "refused", ("run_id", "name", "reason"), [(run_id, e.name, e.reason) for _, e in lines])


def _note(cursor: duckdb.DuckDBPyConnection, run_id: str, lines: Sequence[tuple[float, events.Note]]) -> None:
    insert(cursor, "notes", ("run_id", "text", "level", "said"), [(run_id, e.text, e.level, at) for at, e in lines])


def _output(cursor: duckdb.DuckDBPyConnection, run_id: str, lines: Sequence[tuple[float, events.Output]]) -> None:
    """A run that was made again may end with other bytes: what it said last stands, in the place it had at first."""
    known = dict(cursor.execute("select name, position from outputs where run_id = ?", [run_id]).fetchall())
    latest = {e.name: json.dumps(e.value, ensure_ascii=False) for _, e in lines}
    for name in latest:
        known.setdefault(name, len(known))
    rows = [(run_id, name, known[name], value) for name, value in latest.items()]
    insert(cursor, "outputs", ("run_id", "name", "position", "value"), rows, replace=True)


def _started(cursor: duckdb.DuckDBPyConnection, run_id: str, lines: Sequence[tuple[float, events.Started]]) -> None:
    at, last = lines[-1]
    cursor.execute(
        "update runs set started = coalesce(started, ?), attempt = ?, environment = ? where id = ?",
        [at, last.attempt, json.dumps(last.environment), run_id],
    )


def _stopped(cursor: duckdb.DuckDBPyConnection, run_id: str, lines: Sequence[tuple[float, events.Stopped]]) -> None:
    cursor.execute(f"update runs set state = 'stopped' where id = ? and {_PRESENT}", [run_id, lines[-1][0]])  # noqa: S608
    _cost(cursor, run_id, lines)


def _failed(cursor: duckdb.DuckDBPyConnection, run_id: str, lines: Sequence[tuple[float, events.Failed]]) -> None:
    cursor.execute(
        f"update runs set state = 'failed', error = ? where id = ? and {_PRESENT}",  # noqa: S608
        [lines[-1][1].error, run_id, lines[-1][0]],
    )
    _cost(cursor, run_id, lines)


def _finished(cursor: duckdb.DuckDBPyConnection, run_id: str, lines: Sequence[tuple[float, events.Finished]]) -> None:
    """The cost is stored; the state waits until the owner has seen the outputs and their digests."""
    _cost(cursor, run_id, lines)


def _cost(
    cursor: duckdb.DuckDBPyConnection,
    run_id: str,
    lines: Sequence[tuple[float, events.Stopped | events.Failed | events.Finished]],
) -> None:
    """Seconds of all attempts add up; of memory the largest attempt counts."""
    cursor.execute(
        "update runs set seconds = seconds + ?, peak_memory_mb = greatest(peak_memory_mb, ?) where id = ?",
        [sum(e.seconds for _, e in lines), max(e.peak_memory_mb for _, e in lines), run_id],
    )
    at = lines[-1][0]
    cursor.execute(f"update runs set finished = ? where id = ? and {_PRESENT}", [at, run_id, at])  # noqa: S608


_WRITERS: dict[type, _Write] = {
    events.Made: _made,
    events.Scored: _scored,
    events.Measured: _measured,
    events.Progress: _progress,
    events.Refused: _refused,
    events.Note: _note,
    events.Output: _output,
    events.Started: _started,
    events.Stopped: _stopped,
    events.Failed: _failed,
    events.Finished: _finished,
}
