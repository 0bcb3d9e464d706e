"""Free words on images: an append-only log like that of decisions, and a table of what stands. Undo is another act.

Decisions and tags are counted by one number, so a view that was looked at at some moment knows both as they were then.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import duckdb

from synthstudio.catalog.database import Database
from synthstudio.errors import BadInput

if TYPE_CHECKING:
    from synthstudio.catalog.decisions import Act

MOST = 100  # different tags in a project
LAST = "select greatest((select coalesce(max(seq), 0) from decisions), (select coalesce(max(seq), 0) from tagged))"
# What stood after an act: what was not changed since, and what the log says of the rest.
_AS_OF = """(
    select number, tag from tags where seq <= ? union all
    select r.number, g.tag from (
        select image, tag, arg_max(put, seq) as put from tagged
        where seq <= ? and (image, tag) in (select (image, tag) from tagged where seq > ?) group by image, tag
    ) g join review r on r.digest = g.image where g.put
)"""
_STANDS = """
    insert into tags select r.number, s.tag, s.seq from (
        select image, tag, arg_max(put, seq) as put, max(seq) as seq from tagged group by image, tag
    ) s join {table} r on r.digest = s.image where s.put
"""
_ADD = """
    create temp table tagging as select r.number, r.digest as image, g.tag, true as put
    from review r cross join (select unnest(?::text[]) as tag) g
    anti join tags s on s.number = r.number and s.tag = g.tag
    where not r.held and r.number in ({chosen})
"""
_TAKE_OFF = """
    create temp table tagging as select r.number, r.digest as image, s.tag, false as put
    from review r join tags s on s.number = r.number
    where s.tag in (select unnest(?::text[])) and r.number in ({chosen})
"""
_TAKE_BACK = """
    create temp table tagging as
    with undone as (select distinct image, tag from tagged where seq between ? and ?),
    before as (
        select image, tag, arg_max(put, seq) as put from tagged where seq < ?
        and (image, tag) in (select (image, tag) from undone) group by image, tag
    ),
    elsewhere as (
        select o.image, o.tag from tagged o join acts a on a.id = o.act where o.seq > ? and a.tab <> ?
    )
    select r.number, u.image, u.tag, coalesce(b.put, false) as put
    from undone u join review r on r.digest = u.image left join before b on b.image = u.image and b.tag = u.tag
    anti join elsewhere e on e.image = u.image and e.tag = u.tag
"""
# Tag, whether it was put on or taken off, and the images in order as one text.
_GROUPED = """
    select {by}tag, put, string_agg(image, ' ' order by {order}) from {table} group by {by}tag, put order by {first}
"""


class Tags:
    """Reading what stands; acts of `Decisions` change it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[tuple[str, int]]:
        """Every tag with how many images have it, by name; test images have none."""
        return self._database.since_commit("tags", self._all)

    def of(self, digests: Sequence[str], as_of: int | None = None) -> dict[str, list[str]]:
        """The tags of these images that have some, as they stand or stood after an act."""
        table, about = standing(as_of)
        rows = self._database.rows(
            f"select r.digest, list(s.tag order by s.tag) from {table} s join review r on r.number = s.number"  # noqa: S608
            " where not r.held and r.digest in (select unnest(?::text[])) group by r.digest",
            [*about, list(digests)],
        )
        return {str(digest): [str(tag) for tag in tags] for digest, tags in rows}

    def _all(self) -> list[tuple[str, int]]:
        rows = self._database.rows("select tag, count(*) from tags group by tag order by lower(tag), tag")
        return [(str(tag), int(count)) for tag, count in rows]


def standing(as_of: int | None) -> tuple[str, list[Any]]:
    """A table of numbers and tags as they stand, or stood after an act, with its bound values."""
    return ("tags", []) if as_of is None else (_AS_OF, [as_of, as_of, as_of])


def last_seq(cursor: duckdb.DuckDBPyConnection) -> int:
    """The number of the newest decision or tag."""
    return int(cursor.execute(LAST).fetchall()[0][0])


def concerns(cursor: duckdb.DuckDBPyConnection, act: "Act") -> bool:
    """Whether an act is about tags: it names some, or takes back one that did."""
    if act.undoes is None:
        return bool(act.tags)
    return bool(cursor.execute("select 1 from tagged where act = ? limit 1", [act.undoes]).fetchall())


def change(cursor: duckdb.DuckDBPyConnection, act: "Act", start: int) -> tuple[list[list[Any]], int, int]:
    """Log what an act changes after number `start` and let it stand; returns that for the journal, how many changes
    there are, and how many it was about. BadInput where there would be too many different tags.
    """
    named = _tagging(cursor, act)
    rows = cursor.execute(_GROUPED.format(by="", order="number", table="tagging", first="tag, put")).fetchall()
    ((changed,),) = cursor.execute("select count(*) from tagging").fetchall()
    cursor.execute(
        "create temp table numbered as select *, ? + row_number() over (order by tag, put, number) as seq from tagging",
        [start],
    )
    cursor.execute("insert into tagged select seq, ?, image, tag, put from numbered", [act.id])
    cursor.execute("delete from tags t using numbered n where n.number = t.number and n.tag = t.tag")
    cursor.execute("insert into tags select number, tag, seq from numbered where put")
    for table in ("tagging", "numbered"):
        cursor.execute(f"drop table {table}")
    ((different,),) = cursor.execute("select count(distinct tag) from tags").fetchall()
    if different > MOST:
        raise BadInput(
            f"This project has {MOST} different tags, which is the most. Take one off all of its images first."
        )
    return [list(row) for row in rows], int(changed), named


def _tagging(cursor: duckdb.DuckDBPyConnection, act: "Act") -> int:
    """Make the temporary table of an act's changes; how many the act that it takes back had made."""
    if act.undoes is None:
        sql = (_TAKE_OFF if act.off else _ADD).format(chosen=act.chosen.sql)
        cursor.execute(sql, [list(dict.fromkeys(act.tags)), *act.chosen.values])
        return 0
    ((first, last),) = cursor.execute("select first_seq, last_seq from acts where id = ?", [act.undoes]).fetchall()
    cursor.execute(_TAKE_BACK, [first, last, first, last, act.tab])
    return int(last - first + 1)


def store_tagged(cursor: duckdb.DuckDBPyConnection, line: dict[str, Any]) -> None:
    """The log of tags, from an act's line of the journal."""
    rows = list(_changes(line))
    if rows:
        cursor.execute(
            "insert into tagged select unnest(?), unnest(?), unnest(?), unnest(?), unnest(?)",
            [list(column) for column in zip(*rows, strict=True)],
        )


def _changes(line: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    seq = line["first"]
    for tag, put, images in line["tags"]:
        for image in images.split():
            yield seq, line["tagged"], image, tag, put
            seq += 1


def stand_again(cursor: duckdb.DuckDBPyConnection, table: str = "review") -> None:
    """What stands, from the log: of all pictures, or of those in a table of new ones."""
    if table == "review":
        cursor.execute("delete from tags")
    cursor.execute(_STANDS.format(table=table))


def lines(database: Database) -> dict[str, list[list[Any]]]:
    """The changes of every act of tags, as its line of the journal holds them."""
    found: dict[str, list[list[Any]]] = {}
    for act, *row in database.rows(_GROUPED.format(by="act, ", order="seq", table="tagged", first="min(seq)")):
        found.setdefault(str(act), []).append(row)
    return found
