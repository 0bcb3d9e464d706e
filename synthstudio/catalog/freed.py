"""What somebody threw away to free space: its files go, its rows and its log stay.

A thing is an artifact, a run that did not end, or an export (by its run). Only the thing is written down: which files
went follows from what else of the project holds them.
"""

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import duckdb

from synthstudio.catalog.database import Database

# Images that things hold. An unfinished run holds what it made so far; a finished one holds nothing by itself.
_OF_THINGS = """
    select image from members where set_id in (select unnest(?::text[]))
    union select digest from images where run_id in (select unnest(?::text[]))
"""
_OF_OTHER_SETS = "select image from members where set_id not in (select unnest(?::text[]))"
_OF_OTHER_RUNS = """
    select i.digest from images i join runs r on r.id = i.run_id
    where r.state in ('queued', 'running', 'stopping')
        or (r.state <> 'done' and r.id not in (select unnest(?::text[])))
"""


@dataclass(frozen=True)
class Mark:
    """When a thing was thrown away, by whom, and whether its files are known to be gone."""

    at: float
    who: str
    swept: bool


class Freed:
    """Which things are thrown away, and which images nobody else needs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[str, Mark]:
        """Every thing that is thrown away, by id."""
        rows = self._database.rows("select id, freed_at, who, swept from freed")
        return {str(thing): Mark(float(at), str(who), bool(swept)) for thing, at, who, swept in rows}

    def any(self) -> bool:
        """Whether anything is."""
        return bool(self._database.rows("select 1 from freed limit 1"))

    def throw_away(self, things: Collection[str], who: str) -> None:
        """Write down that these are thrown away. Their files go afterwards: see `swept`."""
        self._do({"freed": sorted(things), "at": time.time(), "who": who})

    def swept(self, things: Collection[str]) -> None:
        """The files of these are gone."""
        self._do({"freed": sorted(things), "swept": True})

    def back(self, things: Collection[str]) -> None:
        """These were made again."""
        self._do({"freed": sorted(things), "back": True})

    def only_in(self, things: Iterable[str]) -> set[str]:
        """Images that these things hold and nothing else does that is not thrown away itself."""
        chosen = sorted(things)
        gone = [*chosen, *self.all()]
        held = f"{_OF_OTHER_SETS} union {_OF_OTHER_RUNS}"
        rows = self._database.rows(f"({_OF_THINGS}) except ({held})", [chosen, chosen, gone, gone])
        return {str(image) for (image,) in rows}

    def images(self) -> set[str]:
        """Images that are missing on purpose, if they are: whatever set they were in is thrown away."""
        gone = sorted(self.all())
        rows = self._database.rows(f"({_OF_THINGS}) except ({_OF_OTHER_SETS})", [gone, gone, gone]) if gone else []
        return {str(image) for (image,) in rows}

    def sharing(self, things: Collection[str]) -> list[tuple[str, int]]:
        """(set, images) of the other sets that hold images of these, the one that holds most first."""
        gone = [*things, *self.all()]
        return [
            (str(one), int(count))
            for one, count in self._database.rows(
                f"select set_id, count(distinct image) as images from members where image in ({_OF_THINGS})"  # noqa: S608
                " and set_id not in (select unnest(?::text[])) group by set_id order by images desc, set_id",
                [sorted(things), sorted(things), gone],
            )
        ]

    def touched_by(self, run_id: str) -> list[str]:
        """Things thrown away of which a run that ended may have brought something back."""
        rows = self._database.rows(
            "select f.id from freed f where f.id = ? or f.id in"
            " (select json_extract_string(value, '$') from outputs where run_id = ?) or f.id in"
            " (select m.set_id from members m join images i on i.digest = m.image where i.run_id = ?)",
            [run_id, run_id, run_id],
        )
        return [str(thing) for (thing,) in rows]

    def unlisted_sets(self) -> list[str]:
        """Sets that finished runs made and whose members nobody knows: their files were missing or damaged."""
        rows = self._database.rows(
            "select distinct json_extract_string(o.value, '$') as made from outputs o join runs r on r.id = o.run_id"
            " where r.state = 'done' and regexp_matches(made, '^(set|test|pool):[0-9a-f]{64}$')"
            " and made not in (select id from image_sets)"
        )
        return [str(one) for (one,) in rows]

    def _do(self, line: dict[str, Any]) -> None:
        if line["freed"]:
            with self._database.transaction() as cursor:
                store_freed(cursor, line)
                self._database.keep(line)


def store_freed(cursor: duckdb.DuckDBPyConnection, line: dict[str, Any]) -> None:
    """What a line of the journal says of things thrown away; storing it twice changes nothing."""
    things = line["freed"]
    if line.get("back"):
        cursor.execute("delete from freed where id in (select unnest(?::text[]))", [things])
    elif line.get("swept") and "at" not in line:
        cursor.execute("update freed set swept = true where id in (select unnest(?::text[]))", [things])
    else:
        cursor.execute("delete from freed where id in (select unnest(?::text[]))", [things])
        cursor.execute(
            "insert into freed (id, freed_at, who, swept) select unnest(?::text[]), ?, ?, ?",
            [things, line["at"], line["who"], bool(line.get("swept"))],
        )
