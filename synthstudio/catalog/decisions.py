"""Decisions of people: an append-only log. The last row of an image is what counts; undo is another row.

An act is one gesture (a key, a bulk button, an undo) and carries an id made by who made the gesture, so that sending it
twice stores it once. All acts of a batch are committed together; only then are they acknowledged.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import duckdb

from synthstudio.catalog.database import Database

Verdict = Literal["keep", "reject", "relabel", "clear"]
_CHANGES_AT_ONCE = 1000


@dataclass(frozen=True)
class Chosen:
    """Which images an act is about: a query whose only column is `image`, with its bound values."""

    sql: str
    values: list[Any]

    @classmethod
    def images(cls, digests: Sequence[str]) -> "Chosen":
        """Images by name; names that are not on the review table are passed over."""
        return cls("select digest as image from tiles where digest in (select unnest(?::text[]))", [list(digests)])


@dataclass(frozen=True)
class Act:
    """One gesture. `undoes` names an earlier act whose images go back to what they were before it."""

    id: str
    tab: str
    chosen: Chosen = field(default_factory=lambda: Chosen.images(()))
    verdict: Verdict = "clear"
    label: str = ""
    undoes: str | None = None
    why: str = ""
    context: dict[str, Any] = field(default_factory=dict)


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
            return [_known(cursor, act.id) or _store(cursor, act, who) for act in acts]

    def last(self) -> int:
        """The number of the newest decision; 0 before the first."""
        return int(self._database.rows("select coalesce(max(seq), 0) from decisions")[0][0])

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
            "select image, max(seq) as seq, arg_max(verdict, seq) as verdict, arg_max(label, seq) as label"
            " from decisions where image in (select unnest(?::text[])) group by image",
            [list(digests)],
        )

    def targets(self) -> dict[str, int]:
        """How many accepted images are wanted, by class; '' stands for every class without a number of its own."""
        return {str(label): int(wanted) for label, wanted in self._database.rows("select label, wanted from targets")}

    def set_target(self, label: str, wanted: int | None) -> None:
        """Say how many accepted images a class needs; None takes the number back."""
        with self._database.transaction() as cursor:
            if wanted is None:
                cursor.execute("delete from targets where label = ?", [label])
            else:
                cursor.execute("insert or replace into targets (label, wanted) values (?, ?)", [label, wanted])


def _known(cursor: duckdb.DuckDBPyConnection, act_id: str) -> Outcome | None:
    found = cursor.execute("select first_seq, last_seq from acts where id = ?", [act_id]).fetchall()
    return Outcome(act_id, found[0][1], found[0][1] - found[0][0] + 1, again=True) if found else None


def _store(cursor: duckdb.DuckDBPyConnection, act: Act, who: str) -> Outcome:
    (start,) = cursor.execute("select coalesce(max(seq), 0) from decisions").fetchall()[0]
    kept = 0
    if act.undoes is None:
        _add(cursor, act, start)
    else:
        kept = _take_back(cursor, act, start)
    (last,) = cursor.execute("select coalesce(max(seq), 0) from decisions").fetchall()[0]
    cursor.execute(
        "insert into acts (id, first_seq, last_seq, who, tab, decided_at, why, context, undoes)"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [act.id, start + 1, last, who, act.tab, time.time(), act.why,
         json.dumps(act.context, ensure_ascii=False), act.undoes],
    )  # fmt: skip
    return Outcome(act.id, last, last - start, kept)


def _add(cursor: duckdb.DuckDBPyConnection, act: Act, start: int) -> None:
    """A class given earlier stays when an image is kept or rejected; clearing gives back the maker's own class."""
    label = {"relabel": "?::text", "clear": "?::text"}.get(act.verdict, "coalesce(nullif(?::text, ''), s.label, '')")
    cursor.execute(
        f"""
        with chosen as ({act.chosen.sql})
        insert into decisions (seq, act, image, verdict, label)
        select ? + row_number() over (order by c.image), ?, c.image, ?, {label}
        from (select distinct image from chosen) c left join (
            select image, arg_max(label, seq) as label from decisions
            where image in (select image from chosen) group by image
        ) s using (image)
        """,  # noqa: S608
        [*act.chosen.values, start, act.id, act.verdict, act.label],
    )


def _take_back(cursor: duckdb.DuckDBPyConnection, act: Act, start: int) -> int:
    """Restore what stood before the undone act, except where another tab has decided since."""
    found = cursor.execute("select first_seq, last_seq from acts where id = ?", [act.undoes]).fetchall()
    if not found:
        return 0
    first, last = found[0]
    cursor.execute(
        """
        insert into decisions (seq, act, image, verdict, label)
        select ? + row_number() over (order by u.image), ?, u.image, coalesce(b.verdict, 'clear'), coalesce(b.label, '')
        from decisions u left join (
            select image, arg_max(verdict, seq) as verdict, arg_max(label, seq) as label from decisions
            where seq < ? group by image
        ) b using (image)
        where u.seq between ? and ? and u.image not in (
            select o.image from decisions o join acts a on a.id = o.act where o.seq > ? and a.tab <> ?
        )
        """,
        [start, act.id, first, first, last, last, act.tab],
    )
    (restored,) = cursor.execute("select count(*) from decisions where seq > ?", [start]).fetchall()[0]
    return int(last - first + 1 - restored)
