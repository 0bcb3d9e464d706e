"""Apply lines of the journal to a catalog, and write a journal for a catalog that has none."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import duckdb

from synthstudio.artifacts import ImageSet
from synthstudio.catalog.database import Database, insert
from synthstudio.catalog.decisions import ACTS, GROUPED, act_row, set_target
from synthstudio.catalog.freed import store_freed
from synthstudio.catalog.images import store_set
from synthstudio.catalog.ingest import Line as LogLine
from synthstudio.catalog.ingest import store_lines
from synthstudio.catalog.journal import VERSION, Line
from synthstudio.catalog.names import COLUMNS as NAME_COLUMNS
from synthstudio.catalog.names import store_names
from synthstudio.catalog.pipelines import store_pipeline
from synthstudio.catalog.review_tables import number_again, numbers_given
from synthstudio.catalog.runs import SETTABLE, change_run, store_note, store_run
from synthstudio.catalog.saved_views import store_view
from synthstudio.catalog.tags import lines as tag_lines
from synthstudio.catalog.tags import store_tagged
from synthstudio.errors import BadInput, StudioError

log = logging.getLogger("synthstudio")

_LINES_AT_ONCE = 2000
_BYTES_AT_ONCE = 8 << 20
# Lines of a run's log from an offset on, at most about so many bytes, and the offset after them.
ReadLog = Callable[[str, int, int], tuple[Sequence[LogLine], int]]
ReadSet = Callable[[str], ImageSet]


class Replay:
    """One pass over lines of the journal. Applying a line twice changes nothing."""

    def __init__(self, database: Database, read_log: ReadLog, read_set: ReadSet) -> None:
        self._database = database
        self._read_log = read_log
        self._read_set = read_set
        self._acts: list[Line] = []
        self._numbers: list[list[int]] = []
        self.damaged = 0  # lines that could not be read
        self.lost_sets: list[str] = []  # sets whose members nobody knows any more

    def __call__(self, lines: Iterable[Line | None]) -> None:
        """Apply lines in order, each with what its run had said before it; then give images their numbers."""
        rest = iter(lines)
        while some := list(islice(rest, _LINES_AT_ONCE)):
            with self._database.transaction() as cursor:
                for line in some:
                    self._one(cursor, line)
                self._store_acts(cursor)

    def finish(self, all_logs: bool) -> None:
        """Read the logs to their ends, for a new catalog, and settle what people see of images."""
        if all_logs:
            for (run_id,) in self._database.rows("select id from runs order by position"):
                with self._database.transaction() as cursor:
                    self._read_up_to(cursor, str(run_id), None)
        with self._database.transaction() as cursor:
            number_again(cursor, self._numbers)

    def _one(self, cursor: duckdb.DuckDBPyConnection, line: Line | None) -> None:
        if line is None:
            self.damaged += 1
            return
        for noun, apply in _NOUNS.items():
            if noun in line:
                apply(self, cursor, line)
                return
        raise BadInput("The journal of this project was written by a newer version of SynthStudio. Use that version.")

    def _journal(self, _: duckdb.DuckDBPyConnection, line: Line) -> None:
        if line["journal"] > VERSION:
            raise BadInput(
                "The journal of this project was written by a newer version of SynthStudio. Use that version."
            )

    def _run(self, cursor: duckdb.DuckDBPyConnection, line: Line) -> None:
        if "set" in line:
            self._read_up_to(cursor, line["run"], line["read_to"])
            change_run(cursor, line["run"], line["set"])
        else:
            store_run(cursor, line)

    def _noted(self, cursor: duckdb.DuckDBPyConnection, line: Line) -> None:
        store_note(cursor, line)

    def _pipeline(self, cursor: duckdb.DuckDBPyConnection, line: Line) -> None:
        store_pipeline(cursor, line)

    def _act(self, _: duckdb.DuckDBPyConnection, line: Line) -> None:
        self._acts.append(line)

    def _target(self, cursor: duckdb.DuckDBPyConnection, line: Line) -> None:
        set_target(cursor, line["target"], line["wanted"])

    def _name(self, cursor: duckdb.DuckDBPyConnection, line: Line) -> None:
        store_names(cursor, [tuple(line[column] for column in NAME_COLUMNS)])

    def _set(self, cursor: duckdb.DuckDBPyConnection, line: Line) -> None:
        try:
            store_set(cursor, self._read_set(line["set"]), line["run_id"], line["created"])
        except StudioError as error:
            log.warning("the members of %s are not known any more: %s", line["set"], error)
            self.lost_sets.append(line["set"])

    def _numbered(self, _: duckdb.DuckDBPyConnection, line: Line) -> None:
        self._numbers.extend(line["numbers"])

    def _freed(self, cursor: duckdb.DuckDBPyConnection, line: Line) -> None:
        store_freed(cursor, line)

    def _view(self, cursor: duckdb.DuckDBPyConnection, line: Line) -> None:
        store_view(cursor, line)

    def _store_acts(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """All acts of some lines at once: a row at a time would take a hundred times as long."""
        sql = "select id from acts where id in (select unnest(?::text[]))"
        given = {act_row(line)[0]: line for line in self._acts}
        known = {act for (act,) in cursor.execute(sql, [list(given)]).fetchall()}
        new = [line for act, line in given.items() if act not in known]
        self._acts = []
        insert(cursor, "acts", ACTS, [act_row(line) for line in new])
        for line in new:
            if "tagged" in line:
                store_tagged(cursor, line)
        rows = [row for line in new if "act" in line for row in _decisions(line)]
        if rows:
            cursor.execute(
                "insert into decisions (seq, act, image, verdict, label)"
                " select unnest(?), unnest(?), unnest(?), unnest(?), unnest(?)",
                [list(column) for column in zip(*rows, strict=True)],
            )

    def _read_up_to(self, cursor: duckdb.DuckDBPyConnection, run_id: str, end: int | None) -> None:
        """Store what a run had said by an offset of its log, or all of it. A log may have come back shorter."""
        found = cursor.execute("select read_to from runs where id = ?", [run_id]).fetchall()
        offset = found[0][0] if found else 0
        while end is None or offset < end:
            limit = _BYTES_AT_ONCE if end is None else min(_BYTES_AT_ONCE, end - offset)
            lines, after = self._read_log(run_id, offset, limit)
            if after == offset:
                return
            store_lines(cursor, run_id, lines, after)
            offset = after


_NOUNS: dict[str, Callable[[Replay, duckdb.DuckDBPyConnection, Line], None]] = {
    "journal": Replay._journal,
    "run": Replay._run,
    "noted": Replay._noted,
    "pipeline": Replay._pipeline,
    "act": Replay._act,
    "tagged": Replay._act,
    "target": Replay._target,
    "set": Replay._set,
    "numbers": Replay._numbered,
    "named": Replay._name,
    "freed": Replay._freed,
    "view": Replay._view,
}


def _decisions(line: Line) -> Iterator[tuple[Any, ...]]:
    seq = line["first"]
    for verdict, label, images in line["images"]:
        for image in images.split():
            yield seq, line["act"], image, verdict, label
            seq += 1


def snapshot(database: Database) -> Iterator[Line]:
    """Lines from which a catalog like this one is made, in an order in which they can be applied."""
    yield {"journal": VERSION}
    columns = ", ".join(f"r.{name}" for name in SETTABLE)
    for row in database.records(
        "select r.id, r.step_id, r.kind, s.body, r.resources, r.position, r.created from runs r"
        " join steps s on s.id = r.step_id order by r.position"
    ):
        yield {"run": row.pop("id"), "step": row.pop("step_id"), "state": "queued", **row}
    for row in database.records(f"select r.id, {columns} from runs r order by r.position"):  # noqa: S608
        yield {"run": row.pop("id"), "read_to": row.pop("read_to"), "set": row}
    yield from database.records("select run_id as noted, text, level, said from notes order by said, run_id, text")
    for row in database.records('select id as "set", run_id, created from image_sets order by created, id'):
        yield row
    yield from _acts(database)
    yield from database.records("select label as target, wanted from targets order by label")
    yield from database.records(
        "select id as named, role, name, given, run_id, named_at from names order by named_at, id"
    )
    for row in database.records("select id, freed_at as at, who, swept from freed order by freed_at, id"):
        yield {"freed": [row.pop("id")], **row}
    yield from database.records("select name as view, query, who, saved from saved_views order by name")
    yield from _pipelines(database)
    with database.transaction() as cursor:
        numbers = numbers_given(cursor)
    if numbers:
        yield {"numbers": numbers}


def _acts(database: Database) -> Iterator[Line]:
    acts = iter(
        database.records(
            "select id as act, first_seq as first, last_seq as last, who, tab, decided_at as at, why,"
            " context::text as context, undoes from acts order by first_seq, last_seq, decided_at"
        )
    )
    table = "(select act, seq, verdict, label, image from decisions where seq between ? and ?)"
    grouped = GROUPED.format(table=table, order="seq", by="act, verdict, label")
    tags = tag_lines(database)
    while some := list(islice(acts, _LINES_AT_ONCE)):
        images: dict[str, list[Any]] = {}
        for act, verdict, label, named, _ in database.rows(grouped, [some[0]["first"], some[-1]["last"]]):
            images.setdefault(act, []).append([verdict, label, named])
        for line in some:
            act = line["act"]
            if act in tags:
                yield {"tagged": line.pop("act"), **line, "tags": tags[act]}
            else:
                yield {**line, "images": images.get(act, [])}


def _pipelines(database: Database) -> Iterator[Line]:
    for row in database.records(
        "select id, recipe, request::text as request, created, state, finished, error from pipelines order by created"
    ):
        state = {name: row.pop(name) for name in ("state", "finished", "error")}
        nodes = database.rows(
            "select position, name, fold, kind, template::text, run_id, reused from nodes where pipeline_id = ?"
            " order by position",
            [row["id"]],
        )
        pipeline = row.pop("id")
        yield {"pipeline": pipeline, **row, "nodes": [list(node[:5]) for node in nodes]}
        for node in nodes:
            if node[5] is not None:
                yield {"pipeline": pipeline, "node": node[0], "run_id": node[5], "reused": node[6]}
        yield {"pipeline": pipeline, **state}
