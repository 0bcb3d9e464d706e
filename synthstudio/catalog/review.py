"""What a person sees when reviewing: which images, in which order, how many of each kind.

A query names the last decision and the last image it looks at (`as_of`, `upto`), so its answer never changes: tiles
keep their places while they are decided, pages come in any order, and a new process gives the same list again.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from synthstudio.artifacts import Origin
from synthstudio.catalog.database import Database
from synthstudio.catalog.decisions import Chosen

Standing = Literal["pending", "accepted", "rejected"]
Sort = Literal["arrival", "newest", "class", "score_high", "score_low", "decided", "shuffled"]

_VIEWS_KEPT = 8
_BINS = 24
_ORDERS: dict[str, str] = {
    "arrival": "number",
    "newest": "number desc",
    "class": "label, number",
    "score_high": "score desc nulls last, number",
    "score_low": "score nulls last, number",
    "decided": "seq desc, number",
    "shuffled": "hash(digest), number",
}
_STANDING = "case when s.verdict in ('keep', 'relabel') then 'accepted' when s.verdict = 'reject' then 'rejected' else 'pending' end"  # noqa: E501 - one expression
_SCORES = """
    select s.image, arg_max(s.value, r.position) as score from scores s join runs r on r.id = s.run_id
    where s.scorer = ? and s.value is not null and not isnan(s.value) group by s.image
"""


class Query(BaseModel):
    """Filters and order of a view. Empty lists do not filter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: tuple[str, ...] = Field(default=(), max_length=5000)
    origins: tuple[Origin, ...] = ()
    standings: tuple[Standing, ...] = ()
    relabelled: bool = False
    run: str = Field(default="", max_length=80)
    image_set: str = Field(default="", max_length=80)
    scorer: str = Field(default="", max_length=80)
    low: float | None = None
    high: float | None = None
    sort: Sort = "arrival"
    as_of: int = Field(default=-1, ge=-1, description="The last decision that counts; -1: the newest there is.")
    upto: int = Field(default=-1, ge=-1, description="The last image that counts; -1: the newest there is.")


class Review:
    """Views, their pages, and counts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._views: OrderedDict[str, NDArray[np.int64]] = OrderedDict()
        self._lock = threading.Lock()
        self._indexed = -1

    def settle(self, query: Query) -> Query:
        """The query with `as_of` and `upto` made definite."""
        newest = self._index()
        (last,) = self._database.rows("select coalesce(max(seq), 0) from decisions")[0]
        changes = {"as_of": int(last)} if query.as_of < 0 else {}
        return query.model_copy(update=changes | ({"upto": newest} if query.upto < 0 else {}))

    def size(self, query: Query) -> int:
        """How many images a settled query finds."""
        return len(self._view(query))

    def page(self, query: Query, start: int, count: int) -> list[dict[str, Any]]:
        """Some images of a settled query in its order, each with its decision as it stands now."""
        numbers = self._view(query)[start : start + count]
        found = self._database.records(
            "select t.number, t.digest, t.label, t.origin from tiles t join"
            " (select unnest(?::bigint[]) as number) n on n.number = t.number",
            [numbers.tolist()],
        )
        by_number = {row.pop("number"): row for row in found}
        return [by_number[number] for number in numbers.tolist() if number in by_number]

    def chosen(self, query: Query, spans: Iterable[tuple[int, int]]) -> Chosen:
        """The images at some places of a settled query: `spans` are first and last place, both counted in."""
        firsts, lasts = (list(column) for column in zip(*spans, strict=True))
        listed, values = _listing(query, f"digest, row_number() over (order by {_ORDERS[query.sort]}) - 1 as place")
        return Chosen(
            f"select l.digest as image from ({listed}) l join (select unnest(?::bigint[]) as first,"  # noqa: S608
            " unnest(?::bigint[]) as last) p on l.place between p.first and p.last",
            [*values, firsts, lasts],
        )

    def members(self, chosen: Chosen, as_of: int) -> list[tuple[str, str, str]]:
        """(class, image, verdict) of chosen images as decided up to `as_of`; never images of a test set."""
        return [
            (str(label), str(image), str(verdict))
            for label, image, verdict in self._database.rows(
                f"with chosen as ({chosen.sql}), {_STATE}, {_HELD}"  # noqa: S608
                " select coalesce(nullif(s.label, ''), t.label) as label, t.digest, coalesce(s.verdict, '')"
                " from tiles t join (select distinct image from chosen) c on c.image = t.digest"
                " left join state s on s.image = t.digest"
                " where t.digest not in (select image from held) order by label, t.digest",
                [*chosen.values, as_of],
            )
        ]

    def tally(self, query: Query) -> list[tuple[str, str, str, bool, int]]:
        """Counts by (label, origin, standing, relabelled) under the run, set and score filters of a query."""
        base, values = _base(query)
        counted = f"{base} select label, origin, standing, relabelled, count(*) from base group by all"  # noqa: S608
        return [
            (str(label), str(origin), str(standing), bool(relabelled), int(count))
            for label, origin, standing, relabelled, count in self._database.rows(counted, values)
        ]

    def runs(self) -> list[dict[str, Any]]:
        """Runs that made images, newest first."""
        return self._database.records(
            "select i.run_id as id, r.kind, r.created, count(distinct i.digest) as images from images i"
            " join runs r on r.id = i.run_id group by all order by max(r.position) desc limit 500"
        )

    def sets(self) -> list[dict[str, Any]]:
        """Frozen sets people may look at, newest first."""
        return self._database.records(
            "select id, role, size, created from image_sets where role <> 'test' order by created desc limit 200"
        )

    def scorers(self) -> list[str]:
        """The names of all scorers that have said something."""
        return [str(name) for (name,) in self._database.rows("select distinct scorer from scores order by scorer")]

    def histogram(self, query: Query) -> dict[str, Any]:
        """How the chosen scorer's values are spread under the query's other filters."""
        listed, values = _listing(query.model_copy(update={"low": None, "high": None}), "score")
        ((low, high),) = self._database.rows(f"select min(score), max(score) from ({listed})", values)  # noqa: S608
        if low is None:
            return {"low": None, "high": None, "counts": []}
        width = (high - low) / _BINS or 1.0
        rows = self._database.rows(
            f"select least(floor((score - ?) / ?), ?)::int as bin, count(*) from ({listed})"  # noqa: S608
            " where score is not null group by bin",
            [low, width, _BINS - 1, *values],
        )
        counts = [0] * _BINS
        for place, count in rows:
            counts[place] = count
        return {"low": low, "high": high, "counts": counts}

    def knows(self, digest: str) -> bool:
        """Whether this digest names an image of the project."""
        return bool(self._database.rows("select 1 from images where digest = ? limit 1", [digest]))

    def newest(self) -> int:
        """The number of the newest image."""
        return self._index()

    def _view(self, query: Query) -> NDArray[np.int64]:
        key = query.model_dump_json()
        with self._lock:
            if key in self._views:
                self._views.move_to_end(key)
                return self._views[key]
        listed, values = _listing(query, "number")
        order = f" order by {_ORDERS[query.sort]}"
        numbers = self._database.column(f"{listed}{order}", values)
        with self._lock:
            self._views[key] = numbers
            while len(self._views) > _VIEWS_KEPT:
                self._views.popitem(last=False)
        return numbers

    def _index(self) -> int:
        """Give numbers to pictures that have none yet; returns the highest number."""
        with self._lock:
            (images,) = self._database.rows("select count(*) from images")[0]
            if images != self._indexed:
                with self._database.transaction() as cursor:
                    cursor.execute(_NUMBER_NEW_IMAGES)
                self._indexed = images
        return int(self._database.rows("select coalesce(max(number), 0) from tiles")[0][0])


_NUMBER_NEW_IMAGES = """
    insert into tiles (number, digest, label, origin, width, height)
    select (select coalesce(max(number), 0) from tiles) + row_number() over (order by n.position, n.plan_index),
           n.digest, n.label, n.origin, n.width, n.height
    from (
        select i.digest, i.label, i.origin, i.width, i.height, i.plan_index, r.position
        from images i join runs r on r.id = i.run_id anti join tiles t on t.digest = i.digest
        qualify row_number() over (partition by i.digest order by r.position, i.plan_index) = 1
    ) n
"""
_STATE = (
    "state as (select image, arg_max(verdict, seq) as verdict, arg_max(label, seq) as label, max(seq) as seq"
    " from decisions where seq <= ? group by image)"
)
# Test images stay unseen while people choose: whoever looks at them while deciding has tested on them.
_HELD = "held as (select m.image from members m join image_sets i on i.id = m.set_id where i.role = 'test')"


def _base(query: Query) -> tuple[str, list[Any]]:
    """A WITH clause that ends in `base`: every image under the run, set and score filters, with how it stands."""
    tables = [_STATE, _HELD]
    values: list[Any] = [query.as_of]
    joins, score = "", "null::double"
    conditions = ["t.number <= ?", "t.digest not in (select image from held)"]
    bound: list[Any] = [query.upto]
    if query.scorer:
        tables.append(f"scored as ({_SCORES})")
        values.append(query.scorer)
        joins, score = " left join scored c on c.image = t.digest", "c.score"
        for comparison, limit in ((">=", query.low), ("<=", query.high)):
            if limit is not None:
                conditions.append(f"c.score {comparison} ?")
                bound.append(limit)
    if query.run:
        conditions.append("t.digest in (select digest from images where run_id = ?)")
        bound.append(query.run)
    if query.image_set:
        conditions.append("t.digest in (select image from members where set_id = ?)")
        bound.append(query.image_set)
    tables.append(
        f"base as (select t.number, t.digest, coalesce(nullif(s.label, ''), t.label) as label, t.origin,"  # noqa: S608
        f" {_STANDING} as standing, coalesce(s.label, '') not in ('', t.label) as relabelled,"
        f" coalesce(s.seq, 0) as seq, {score} as score"
        f" from tiles t left join state s on s.image = t.digest{joins} where {' and '.join(conditions)})"
    )
    return f"with {', '.join(tables)}", [*values, *bound]


def _listing(query: Query, columns: str) -> tuple[str, list[Any]]:
    """The images of a query, not yet in order."""
    base, values = _base(query)
    conditions: list[str] = []
    lists: Sequence[tuple[str, Sequence[str]]] = (
        ("label", query.labels), ("origin", query.origins), ("standing", query.standings),
    )  # fmt: skip
    for column, wanted in lists:
        if wanted:
            conditions.append(f"{column} in (select unnest(?::text[]))")
            values.append(list(wanted))
    if query.relabelled:
        conditions.append("relabelled")
    where = f" where {' and '.join(conditions)}" if conditions else ""
    return f"{base} select {columns} from base{where}", values  # noqa: S608
