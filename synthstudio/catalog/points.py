"""What a map draws of the images of a settled view, in its order: a column of numbers for each thing that is told.

Places of the newest map lie in `scratch`, by the numbers of the review table: none of them is worth a row in the file.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from synthstudio.catalog.database import Database
from synthstudio.catalog.review import Query, Review, said

ORIGINS = ("real", "synthetic", "distilled")
STANDINGS = ("pending", "accepted", "rejected")
PLACED, TWIN = 1, 2  # marks of a point: it has a place; it shows a real photo again
_SCORES = 254  # so many steps between the lowest and the highest score; 0 is none
_TABLES = (
    "create table if not exists scratch.mapped (map text, upto bigint)",
    "create table if not exists scratch.places (number bigint, x usmallint, y usmallint)",
)
_STANDING = "case when t.verdict in ('keep', 'relabel') then 1 when t.verdict = 'reject' then 2 else 0 end"
_SHOWN = "coalesce(nullif(given, ''), label)"


@dataclass(frozen=True)
class Drawn:
    """Points of a view: `columns` by name, each as long as the view; codes count into `labels` and `runs`."""

    columns: dict[str, NDArray[Any]]
    labels: list[str]
    runs: list[str]
    low: float | None
    high: float | None


class Points:
    """The points of views."""

    _lock: ClassVar[threading.Lock] = threading.Lock()  # of all: two that opened one file share what is in `scratch`

    def __init__(self, database: Database, review: Review) -> None:
        self._database = database
        self._review = review
        with self._lock, database.aside() as cursor:
            for table in _TABLES:
                cursor.execute(table)

    def of(self, query: Query, map_id: str, rows: NDArray[np.void]) -> Drawn:
        """All images of a settled query on a map, whose rows name images and their places."""
        numbers = self._review.order(query)
        self._lay_out(map_id, rows, query.upto)
        table, about = said(query)
        names = self._labels(query.upto)
        sql = (
            "with names as (select unnest(?::text[]) as shown, unnest(range(?)) as code),"  # noqa: S608 - of this module
            " makers as (select position, row_number() over (order by position) - 1 as code from runs)"
            " select t.number, coalesce(p.x, 0)::usmallint as x, coalesce(p.y, 0)::usmallint as y,"
            " least(l.code, 65535)::usmallint as label, least(m.code, 65535)::usmallint as run,"
            f" (list_position({list(ORIGINS)}, t.origin) - 1)::utinyint as origin, ({_STANDING})::utinyint as standing,"
            " coalesce(c.value, 'nan'::double) as score,"
            f" (if(p.x is null, 0, {PLACED}) + if(n.value >= 1 and t.origin <> 'real', {TWIN}, 0))::utinyint as mark"
            f" from review t join names l on l.shown = {_SHOWN} join makers m on m.position = t.run"
            " left join scratch.places p on p.number = t.number"
            f" left join {table} c on c.number = t.number"
            " left join latest_scores n on n.scorer = 'nearest_real' and n.number = t.number"
            " where t.number <= ? and not t.held order by t.number"
        )
        found = self._database.columns(sql, [names, len(names), *about, query.upto])
        words = ("x", "y", "label", "run", "origin", "standing", "score", "mark")
        columns = dict(zip(words, _at(found[0], found[1:], numbers), strict=True))
        columns["score"], low, high = _in_steps(columns["score"])
        return Drawn(columns, names, self._runs(), low, high)

    def standings(self, query: Query) -> NDArray[np.uint8]:
        """How the images of a settled query stand now, as numbers: places in `STANDINGS`."""
        found = self._database.columns(
            f"select t.number, ({_STANDING})::utinyint from review t where t.number <= ? and not t.held"  # noqa: S608
            " order by t.number",
            [query.upto],
        )
        return np.asarray(_at(found[0], found[1:], self._review.order(query))[0])

    def standing_images(self, query: Query) -> tuple[list[str], list[str]]:
        """Images of a settled query in its order, and the classes they are shown as."""
        numbers = self._review.order(query)
        found = self._database.columns(
            f"select number, digest, {_SHOWN} from review where number <= ? and not held order by number",  # noqa: S608
            [query.upto],
        )
        images, labels = _at(found[0], found[1:], numbers)
        return images.tolist(), labels.tolist()

    def places_of(self, query: Query, digests: Sequence[str]) -> list[int]:
        """Where images stand in a settled query; -1 for those it does not find."""
        numbers = self._review.order(query)
        rows = self._database.rows(
            "select digest, number from review where digest in (select unnest(?::text[]))", [list(digests)]
        )
        known = dict(rows)
        places = {int(numbers[place]): int(place) for place in np.flatnonzero(np.isin(numbers, list(known.values())))}
        return [places.get(known.get(digest, -1), -1) for digest in digests]

    def _labels(self, upto: int) -> list[str]:
        rows = self._database.rows(
            f"select distinct {_SHOWN} as shown from review where number <= ? order by shown",  # noqa: S608
            [upto],
        )
        return [str(label) for (label,) in rows]

    def _runs(self) -> list[str]:
        return [str(run) for (run,) in self._database.rows("select id from runs order by position")]

    def _lay_out(self, map_id: str, rows: NDArray[np.void], upto: int) -> None:
        """Put the places of a map beside the pictures up to a number, those that are not there yet."""
        import pandas as pd

        with self._lock:
            known = self._database.rows("select upto from scratch.mapped where map = ?", [map_id])
            if known and known[0][0] >= upto:
                return
            table = pd.DataFrame({"image": rows["image"].astype(str), "x": rows["x"], "y": rows["y"]})
            with self._database.aside() as cursor:
                cursor.begin()
                cursor.register("laid", table)
                if not known:
                    cursor.execute("delete from scratch.places")
                cursor.execute(
                    "insert into scratch.places select t.number, l.x, l.y from laid l join review t"
                    " on t.digest = l.image where t.number > ? and t.number <= ?",
                    [known[0][0] if known else 0, upto],
                )
                cursor.execute("delete from scratch.mapped")
                cursor.execute("insert into scratch.mapped values (?, ?)", [map_id, upto])
                cursor.commit()


def _at(known: NDArray[np.int64], columns: list[NDArray[Any]], numbers: NDArray[np.int64]) -> list[NDArray[Any]]:
    """The columns of these numbers, in their order; `known` are the numbers of the columns, ascending."""
    if not len(known):
        return [column[:0] for column in columns]
    return [column[np.searchsorted(known, numbers).clip(max=len(known) - 1)] for column in columns]


def _in_steps(scores: NDArray[np.float64]) -> tuple[NDArray[np.uint8], float | None, float | None]:
    """Scores as steps from 1 to 255 between the lowest and the highest, 0 where there is none; and these two."""
    there = np.isfinite(scores)
    steps = np.zeros(len(scores), np.uint8)
    if not there.any():
        return steps, None, None
    low, high = float(scores[there].min()), float(scores[there].max())
    steps[there] = 1 + np.rint((scores[there] - low) / ((high - low) or 1.0) * _SCORES)
    return steps, low, high
