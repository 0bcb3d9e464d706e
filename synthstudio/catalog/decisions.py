"""Decisions of people: an append-only log. The last row of an image is what counts; undo is another row.

An act is one gesture (a key, a bulk button, an undo) and carries an id made by who made the gesture, so that sending it
twice stores it once. All acts of a batch are committed together; only then are they acknowledged.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from synthstudio.catalog.database import Database, insert
from synthstudio.catalog.review_tables import decide, keys
from synthstudio.catalog.tags import LAST, change, concerns, last_seq
from synthstudio.terms import Verdict

_CHANGES_AT_ONCE = 1000
# The first list is read from a column of numbers, so that the names of a million pictures stay on the disk.
_NAMED = """
    with likely as materialized (select * from review where key in (select unnest(?::bigint[])))
    select * from likely where digest in (select unnest(?::text[]))
"""

ACTS = ("id", "first_seq", "last_seq", "who", "tab", "decided_at", "why", "context", "undoes")
# Verdict, class, the images in order as one text, and how many: neighbours that were decided alike share a row.
GROUPED = """
    select {by}, string_agg(image, ' ' order by {order}), count(*) from (
        select *, row_number() over (order by {order})
                  - row_number() over (partition by {by} order by {order}) as island
        from {table}
    ) group by {by}, island order by min({order})
"""


@dataclass(frozen=True)
class Chosen:
    """Which images an act is about: a query whose only column is `number`, with its bound values."""

    sql: str
    values: list[Any]

    @classmethod
    def images(cls, digests: Sequence[str]) -> "Chosen":
        """Images by name; names that are not on the review table are passed over."""
        return cls(f"select number from ({_NAMED})", [keys(digests), list(digests)])  # noqa: S608


@dataclass(frozen=True)
class Act:
    """One gesture. `undoes` names an earlier act whose images go back to what they were before it; `each` says
    (image, verdict, class by hand) of every image instead of one verdict for all that are chosen, as a file does. An
    act with `tags` says nothing else: it puts them on what is chosen, or takes them `off`.
    """

    id: str
    tab: str
    chosen: Chosen = field(default_factory=lambda: Chosen.images(()))
    verdict: Verdict = "clear"
    label: str = ""
    undoes: str | None = None
    why: str = ""
    context: dict[str, Any] = field(default_factory=dict)
    each: tuple[tuple[str, Verdict, str], ...] = ()
    tags: tuple[str, ...] = ()
    off: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of an act: how many images it changed, and how many others had decided since and stay."""

    id: str
    last: int
    changed: int
    kept_elsewhere: int = 0
    again: bool = False


class Decisions:
    """Adding and reading decisions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def decide(self, acts: Sequence[Act], who: str) -> list[Outcome]:
        """Commit a batch of acts in order. Acts that are known already change nothing and give their old outcome."""
        with self._database.transaction() as cursor:
            return [_known(cursor, act.id) or self._store(cursor, act, who) for act in acts]

    def _store(self, cursor: duckdb.DuckDBPyConnection, act: Act, who: str) -> Outcome:
        start = last_seq(cursor)
        if concerns(cursor, act):
            tags, changed, named = change(cursor, act, start)
            self._write(cursor, {"tagged": act.id, "tags": tags}, act, who, (start, changed))
            return Outcome(act.id, start + changed, changed, max(0, named - changed))
        named = _add(cursor, act) if act.undoes is None else _take_back(cursor, act)
        images = cursor.execute(GROUPED.format(table="change", order="number", by="verdict, label")).fetchall()
        changed = sum(count for *_, count in images)
        decide(cursor, act.id, start)
        cursor.execute("drop table change")
        self._write(cursor, {"act": act.id, "images": [list(row[:3]) for row in images]}, act, who, (start, changed))
        return Outcome(act.id, start + changed, changed, max(0, named - changed))

    def _write(
        self, cursor: duckdb.DuckDBPyConnection, done: dict[str, Any], act: Act, who: str, numbers: tuple[int, int]
    ) -> None:
        """The row of an act and its line in the journal; `numbers`: the last one before it, and how many it took."""
        start, changed = numbers
        line = {
            "first": start + 1, "last": start + changed, "who": who, "tab": act.tab, "at": time.time(), "why": act.why,
            "context": json.dumps(act.context, ensure_ascii=False), "undoes": act.undoes, **done,
        }  # fmt: skip
        insert(cursor, "acts", ACTS, [act_row(line)])
        self._database.keep(line)

    def last(self) -> int:
        """The number of the newest decision or tag; 0 before the first."""
        return int(self._database.rows(LAST)[0][0])

    def has(self, act_id: str) -> bool:
        """Whether there is an act of this id."""
        return bool(self._database.rows("select 1 from acts where id = ?", [act_id]))

    def since(self, seq: int) -> list[dict[str, Any]]:
        """Decisions after `seq`, oldest first, at most a thousand and one: more than a thousand means read it all."""
        return self._database.records(
            "select d.seq, d.image, d.verdict, d.label, a.tab from decisions d join acts a on a.id = d.act"
            " where d.seq > ? order by d.seq limit ?",
            [seq, _CHANGES_AT_ONCE + 1],
        )

    def of_image(self, digest: str) -> list[dict[str, Any]]:
        """Everything decided about one image, newest first."""
        return self._database.records(
            "select d.seq, d.verdict, d.label, a.who, a.decided_at, a.why, a.undoes is not null as undone"
            " from decisions d join acts a on a.id = d.act where d.image = ? order by d.seq desc limit 50",
            [digest],
        )

    def states(self, digests: Sequence[str]) -> list[dict[str, Any]]:
        """The standing decision of each of these images that has one."""
        return self._database.records(
            f"select digest as image, seq, verdict, given as label from ({_NAMED}) where seq > 0",  # noqa: S608
            [keys(digests), list(digests)],
        )

    def standing(self, as_of: int | None = None) -> list[dict[str, Any]]:
        """Every decision that stands, or stood after decision `as_of`, with who made it, when and why, in the order the
        images came. Images of a test set are left out, whatever was decided before they were held back.
        """
        return self._database.records(
            "with stands as (select image, max(seq) as seq from decisions where seq <= ? group by image)"
            " select r.digest as image, r.label as made_as, d.verdict, d.label, a.who, a.decided_at, a.why"
            " from stands s join decisions d on d.seq = s.seq join acts a on a.id = d.act"
            " join review r on r.digest = s.image where d.verdict <> 'clear' and not r.held order by r.number",
            [self.last() if as_of is None else as_of],
        )

    def decidable(self, digests: Sequence[str]) -> set[str]:
        """Those of these images that are in the project and in no test set."""
        found = self._database.rows(f"select digest from ({_NAMED}) where not held", [keys(digests), list(digests)])  # noqa: S608
        return {str(digest) for (digest,) in found}

    def targets(self) -> dict[str, int]:
        """How many accepted images are wanted, by class; '' stands for every class without a number of its own."""
        return {str(label): int(wanted) for label, wanted in self._database.rows("select label, wanted from targets")}

    def set_target(self, label: str, wanted: int | None) -> None:
        """Say how many accepted images a class needs; None takes the number back."""
        with self._database.transaction() as cursor:
            set_target(cursor, label, wanted)
            self._database.keep({"target": label, "wanted": wanted})


def _known(cursor: duckdb.DuckDBPyConnection, act_id: str) -> Outcome | None:
    found = cursor.execute("select first_seq, last_seq from acts where id = ?", [act_id]).fetchall()
    return Outcome(act_id, found[0][1], found[0][1] - found[0][0] + 1, again=True) if found else None


def act_row(line: dict[str, Any]) -> tuple[Any, ...]:
    """The row of an act, from its line of the journal; for the columns `ACTS`."""
    names = ("first", "last", "who", "tab", "at", "why", "context", "undoes")
    return (line.get("act") or line["tagged"], *(line[name] for name in names))


def set_target(cursor: duckdb.DuckDBPyConnection, label: str, wanted: int | None) -> None:
    """Give a class its number of accepted images, or take it back."""
    if wanted is None:
        cursor.execute("delete from targets where label = ?", [label])
    else:
        cursor.execute("insert or replace into targets (label, wanted) values (?, ?)", [label, wanted])


def _add(cursor: duckdb.DuckDBPyConnection, act: Act) -> int:
    """A class given earlier stays when an image is kept or rejected; clearing gives back the maker's own class."""
    if act.each:
        images, verdicts, labels = (list(column) for column in zip(*act.each, strict=True))
        cursor.execute(
            "create temp table change as select r.number, r.digest as image, e.verdict, e.label from review r"
            " join (select unnest(?::text[]) as image, unnest(?::text[]) as verdict, unnest(?::text[]) as label) e"
            " on e.image = r.digest",
            [images, verdicts, labels],
        )
        return 0
    label = {"relabel": "?::text", "clear": "?::text"}.get(act.verdict, "coalesce(nullif(?::text, ''), r.given)")
    cursor.execute(
        f"""
        create temp table change as
        select r.number, r.digest as image, ?::text as verdict, {label} as label
        from review r where r.number in ({act.chosen.sql})
        """,  # noqa: S608
        [act.verdict, act.label, *act.chosen.values],
    )
    return 0


def _take_back(cursor: duckdb.DuckDBPyConnection, act: Act) -> int:
    """Restore what stood before the undone act, except where another tab has decided since; returns how many images
    the undone act had changed.
    """
    found = cursor.execute("select first_seq, last_seq from acts where id = ?", [act.undoes]).fetchall()
    first, last = found[0] if found else (1, 0)
    cursor.execute(
        """
        create temp table change as
        with undone as (select image from decisions where seq between ? and ?),
        before as (
            select image, arg_max(verdict, seq) as verdict, arg_max(label, seq) as label from decisions
            where seq < ? and image in (select image from undone) group by image
        ),
        elsewhere as (select o.image from decisions o join acts a on a.id = o.act where o.seq > ? and a.tab <> ?)
        select r.number, r.digest as image, coalesce(b.verdict, 'clear') as verdict, coalesce(b.label, '') as label
        from review r left join before b on b.image = r.digest
        where r.digest in (select image from undone) and r.digest not in (select image from elsewhere)
        """,
        [first, last, first, last, act.tab],
    )
    return int(last - first + 1)
