"""The tables a review reads: one row per picture with the decision that stands, who made it, what scorers say of it.

Decisions change a row in their own transaction. New images and scores are taken in when somebody looks: those tables
only ever grow, so the number of rows taken in so far says where to go on.
"""

import re
import threading
from collections.abc import Sequence

import duckdb

from synthstudio.catalog.database import Database
from synthstudio.catalog.tags import stand_again
from synthstudio.cause_terms import NUMBERS, TEXTS

_HEX = re.compile("[0-9a-f]+")
_TEST = "select m.image from members m join image_sets i on i.id = m.set_id where i.role = 'test'"
_STANDS = (
    "select image, arg_max(verdict, seq) as verdict, arg_max(label, seq) as label, max(seq) as seq from decisions"
    " group by image"
)
_NEW_PICTURES = """
    create temp table fresh as
    select (select coalesce(max(number), 0) from review) + row_number() over (order by n.position, n.plan_index)
           as number, n.digest, n.label, n.origin, n.width, n.height, n.position as run, n.plan_index
    from (
        select i.digest, i.label, i.origin, i.width, i.height, i.plan_index, r.position
        from images i join runs r on r.id = i.run_id anti join review t on t.digest = i.digest
        where i.rowid >= ?
        qualify row_number() over (partition by i.digest order by r.position, i.plan_index) = 1
    ) n
"""
_ADD_PICTURES = f"""
    insert into review
    select f.number, coalesce(try_cast('0x' || left(f.digest, 15) as bigint), 0), f.digest, f.label, f.origin,
           f.width, f.height, f.run, coalesce(s.verdict, ''), coalesce(s.label, ''), coalesce(s.seq, 0),
           f.digest in ({_TEST})
    from fresh f left join ({_STANDS}) s on s.image = f.digest order by f.number
"""  # noqa: S608 - both parts stand above
# Which images got which numbers: (first number, position of the run, first and last place in its plan).
_NUMBERS = """
    select min(number), run, min(plan_index), max(plan_index)
    from (select *, number - plan_index as island from {table}) group by run, island order by min(number)
"""
_NUMBERED = """
    create temp table fresh as
    select n.number, i.digest, i.label, i.origin, i.width, i.height, n.position as run, i.plan_index
    from (select unnest(?::bigint[]) as number, unnest(?::bigint[]) as position, unnest(?::bigint[]) as plan_index) n
    join runs r on r.position = n.position join images i on i.run_id = r.id and i.plan_index = n.plan_index
    anti join review t on t.digest = i.digest
"""
_OLD_NUMBERS = """
    select t.number, t.run, min(i.plan_index) as plan_index from review t join runs r on r.position = t.run
    join images i on i.run_id = r.id and i.digest = t.digest group by t.number, t.run
"""
_ADD_MAKERS = """
    insert into makers
    select distinct r.position, t.number from images i join runs r on r.id = i.run_id
    join review t on t.digest = i.digest where i.rowid >= ? and r.position <> t.run
"""
# Scores that are new, and old ones of pictures that are new.
_NEW_SCORES = """
    create temp table said as
    select s.scorer, t.number, arg_max(s.value, r.position) as value, max(r.position) as run
    from scores s join runs r on r.id = s.run_id join review t on t.digest = s.image
    where s.value is not null and not isnan(s.value)
      and (s.rowid >= ? or t.number > ?)
    group by s.scorer, t.number
"""
# What new pictures were made with, by their first maker; its first place, if it made one twice.
_TEXTS = ("prompt", "negative_prompt", "seed", *TEXTS)
_COLUMNS = ", ".join(
    f"try_cast(e[{place}] as double)" if name in NUMBERS else f"nullif(e[{place}], '')"
    for place, name in enumerate((*_TEXTS, *NUMBERS), 1)
)
_PATHS = ", ".join(f"'$.{name}'" for name in (*_TEXTS, *NUMBERS))
_ADD_SETTINGS = f"""
    insert into settings (number, {", ".join((*_TEXTS, *NUMBERS))})
    select number, {_COLUMNS} from (
        select f.number, json_extract_string(i.made, [{_PATHS}]) as e from (
            select t.number, u.id as run_id, min(i.plan_index) as plan_index
            from review t join runs u on u.position = t.run join images i on i.run_id = u.id and i.digest = t.digest
            where t.number > (select coalesce(max(number), 0) from settings) group by all
        ) f join images i using (run_id, plan_index)
    ) order by number
"""  # noqa: S608 - all of it stands above


class ReviewTables:
    """Keeps the tables up to date; every reader asks `upto` first."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None

    def upto(self) -> int:
        """Take in what is new; returns the highest number of a picture."""
        with self._lock:
            ((images, scores),) = self._database.rows(
                "select (select count(*) from images), (select count(*) from scores)"
            )
            if (images, scores) != self._seen:
                with self._database.transaction() as cursor:
                    numbers = _take_in(cursor)
                    if numbers:
                        self._database.keep({"numbers": numbers})
                self._seen = (images, scores)
        return int(self._database.rows("select coalesce(max(number), 0) from review")[0][0])

    def rebuild(self) -> None:
        """Make every table again from images, scores and the log of decisions. Pictures keep their numbers."""
        with self._lock, self._database.transaction() as cursor:
            numbers = numbers_given(cursor)
            cursor.execute("delete from review")
            number_again(cursor, numbers)
            numbers = _take_in(cursor)
            if numbers:
                self._database.keep({"numbers": numbers})
            self._seen = None


def numbers_given(cursor: duckdb.DuckDBPyConnection) -> list[list[int]]:
    """Which images have which numbers, as `number_again` takes it."""
    return [list(row) for row in cursor.execute(_NUMBERS.format(table=f"({_OLD_NUMBERS})")).fetchall()]


def number_again(cursor: duckdb.DuckDBPyConnection, numbers: Sequence[Sequence[int]]) -> None:
    """Give images the numbers they had, so that places in an open view mean the same; the rest is taken in anew when
    somebody looks.
    """
    for table in ("makers", "latest_scores", "settings"):
        cursor.execute(f"delete from {table}")  # noqa: S608 - names from the line above
    cursor.execute("update read_to set rows = 0")
    rows = [
        (number + step, position, first + step)
        for number, position, first, last in numbers
        for step in range(last - first + 1)
    ]
    cursor.execute(_NUMBERED, [list(column) for column in zip(*rows, strict=True)] or [[], [], []])
    cursor.execute(_ADD_PICTURES)
    cursor.execute("drop table fresh")
    stand_again(cursor)
    cursor.execute(
        "update review set verdict = s.verdict, given = s.label, seq = s.seq"  # noqa: S608 - from above
        f" from ({_STANDS}) s where s.image = review.digest and s.seq > review.seq"
    )


def keys(digests: Sequence[str]) -> list[int]:
    """What finds rows of a million quickly: the beginning of each digest as a number. The digest itself decides."""
    return [int(digest[:15], 16) if _HEX.fullmatch(digest[:15]) else 0 for digest in digests]


def decide(cursor: duckdb.DuckDBPyConnection, act: str, start: int) -> None:
    """Log what the temporary table `change` (number, image, verdict, label) says, after decision `start`, and let it
    stand. By number: one row of a million is found at once.
    """
    cursor.execute(
        "insert into decisions (seq, act, image, verdict, label)"
        " select ? + row_number() over (order by number), ?, image, verdict, label from change",
        [start, act],
    )
    cursor.execute(
        "update review set verdict = c.verdict, given = c.label, seq = c.seq from"
        " (select number, verdict, label, ? + row_number() over (order by number) as seq from change) c"
        " where review.number = c.number",
        [start],
    )


def held_back(cursor: duckdb.DuckDBPyConnection, set_id: str) -> None:
    """Images of a test set stay unseen while people choose: whoever looks at them while deciding has tested on them."""
    cursor.execute(
        "update review set held = true where not held and digest in (select image from members where set_id = ?)",
        [set_id],
    )


def _take_in(cursor: duckdb.DuckDBPyConnection) -> list[list[int]]:
    """Take in what is new; returns the numbers that were given."""
    numbers: list[list[int]] = []
    done = dict(cursor.execute("select source, rows from read_to").fetchall())
    ((highest, images, scores),) = cursor.execute(
        "select (select coalesce(max(number), 0) from review), (select count(*) from images),"
        " (select count(*) from scores)"
    ).fetchall()
    if images > done["images"]:
        cursor.execute(_NEW_PICTURES, [done["images"]])
        cursor.execute(_ADD_PICTURES)
        stand_again(cursor, "fresh")
        numbers = [list(row) for row in cursor.execute(_NUMBERS.format(table="fresh")).fetchall()]
        cursor.execute("drop table fresh")
        cursor.execute(_ADD_MAKERS, [done["images"]])
    if scores > done["scores"] or images > done["images"]:
        cursor.execute(_NEW_SCORES, [done["scores"], highest])
        cursor.execute(
            "delete from latest_scores l using said s where l.scorer = s.scorer and l.number = s.number"
            " and l.run <= s.run"
        )
        cursor.execute(
            "insert into latest_scores select s.scorer, s.number, s.value, s.run from said s anti join latest_scores l"
            " on l.scorer = s.scorer and l.number = s.number"
        )
        cursor.execute("drop table said")
    cursor.execute(_ADD_SETTINGS)
    cursor.execute("update read_to set rows = case source when 'images' then ? else ? end", [images, scores])
    return numbers
