"""What a person sees when reviewing: which images, in which order, how many of each kind.

A query names the last decision and the last image it looks at (`as_of`, `upto`), so its answer never changes: tiles
keep their places while they are decided, pages come in any order, and a new process gives the same list again.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from synthstudio.artifacts import Origin
from synthstudio.catalog.database import Database
from synthstudio.catalog.decisions import Chosen
from synthstudio.catalog.likeness import Likeness, LookAlike
from synthstudio.catalog.limits import condition
from synthstudio.catalog.readings import Readings
from synthstudio.catalog.review_tables import ReviewTables
from synthstudio.catalog.tags import LAST
from synthstudio.filters import Score
from synthstudio.terms import DIGEST, clean_words
from synthstudio.view_terms import Limit, of_scorer

Standing = Literal["pending", "accepted", "rejected"]
Sort = Literal["arrival", "newest", "class", "score_high", "score_low", "decided", "shuffled"]

SETTLED = frozenset({"as_of", "upto", "reading"})  # of a query: how far it was looked at, not what it asks

_VIEWS_KEPT = 8
_MANY_SPANS = 200
# What a view is ordered by, ascending; then by number. A database sorts a million names slowly, so `order` sorts keys.
_KEYS: dict[str, str] = {
    "arrival": "0::utinyint",
    "newest": "-number",
    "class": "label",
    "score_high": "coalesce(-score, 'inf'::double)",
    "score_low": "coalesce(score, 'inf'::double)",
    "decided": "-seq",
    "shuffled": "hash(digest)",
}
STANDING = "case when verdict in ('keep', 'relabel') then 'accepted' when verdict = 'reject' then 'rejected' else 'pending' end"  # noqa: E501 - one expression


class Query(BaseModel):
    """Filters and order of a view. Empty lists do not filter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: tuple[Annotated[str, Field(max_length=200)], ...] = Field(default=(), max_length=5000)
    origins: tuple[Origin, ...] = Field(default=(), max_length=10)
    standings: tuple[Standing, ...] = Field(default=(), max_length=10)
    relabelled: bool = False
    run: str = Field(default="", max_length=80)
    image_set: str = Field(default="", max_length=80)
    image_sets: tuple[Annotated[str, Field(max_length=80)], ...] = Field(default=(), max_length=1000)
    scorer: str = Field(default="", max_length=80)
    similar_to: str = Field(
        default="", pattern="^([0-9a-f]{64})?$", description="An image: its likeness to others is the score."
    )
    words: Annotated[str, AfterValidator(lambda text: clean_words(text) if text else "")] = Field(
        default="", max_length=1000, description="Without an image: likeness to these words is the score."
    )
    low: Score | None = Field(default=None, description="The least likeness to that.")
    high: Score | None = Field(default=None, description="The greatest likeness to that.")
    limits: tuple[Limit, ...] = Field(default=(), max_length=30, description="What fields and scores have to be.")
    sort: Sort = "arrival"
    as_of: int = Field(default=-1, ge=-1, lt=2**53, description="The last decision that counts; -1: the newest.")
    upto: int = Field(default=-1, ge=-1, lt=2**53, description="The last image that counts; -1: the newest there is.")
    reading: str = Field(
        default="", pattern=f"^(words:{DIGEST})?$", description="What an encoder made of the words; none: the newest."
    )

    @property
    def by_likeness(self) -> bool:
        """Whether the score is the likeness to an image or to words."""
        return bool(self.similar_to or self.words)

    @property
    def reference(self) -> str:
        """What the images of a settled query are compared with: an image, or what was made of words."""
        return self.similar_to or self.reading

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, said: Any) -> Any:
        """Views of before had room for one range of scores, which was that of the scorer they name."""
        if not isinstance(said, dict) or not said.get("scorer") or said.get("similar_to") or said.get("words"):
            return said
        low, high = (said.get(bound) for bound in ("low", "high"))
        if low is None and high is None:
            return said
        limits = said.get("limits")
        others = limits if isinstance(limits, list | tuple) else ()
        return {**said, "low": None, "high": None, "limits": [*others, of_scorer(said["scorer"], low, high)]}


class Review:
    """Views, their pages, and counts."""

    def __init__(self, database: Database, look_alike: LookAlike, readings: Readings) -> None:
        self._database = database
        self._likeness = Likeness(database, look_alike, readings)
        self._views: OrderedDict[str, NDArray[np.int64]] = OrderedDict()
        self._lock = threading.Lock()
        self.tables = ReviewTables(database)

    def settle(self, query: Query) -> Query:
        """The query with `as_of`, `upto` and, where it has words, `reading` made definite."""
        newest = self.tables.upto()
        (last,) = self._database.rows(LAST)[0]
        changes: dict[str, Any] = {"as_of": int(last)} if query.as_of < 0 else {}
        if query.words and not query.reading:
            changes["reading"] = self._likeness.readings.newest(query.words)
        return query.model_copy(update=changes | ({"upto": newest} if query.upto < 0 else {}))

    def size(self, query: Query) -> int:
        """How many images a settled query finds."""
        return len(self.order(query))

    def count(self, query: Query) -> int:
        """The same, of a view that nobody will look at."""
        listed, values = self.listed(query)
        return int(self._database.rows(f"select count(*) from ({listed})", values)[0][0])  # noqa: S608 - from below

    def page(self, query: Query, start: int, count: int) -> list[dict[str, Any]]:
        """Some images of a settled query in its order: digest, the maker's class and origin."""
        return self._page(query, start, count, "digest, label, origin")

    def decided_page(self, query: Query, start: int, count: int) -> list[dict[str, Any]]:
        """As `page`, each with its decision as it stands now: verdict, class by hand, number of the decision; and what
        the query's scorer says of it, None if nothing.
        """
        return self._page(query, start, count, "digest, label, origin, verdict, given, seq, value as score")

    def _page(self, query: Query, start: int, count: int, columns: str) -> list[dict[str, Any]]:
        numbers = self.order(query)[start : start + count]
        table, about = said(query)
        found = self._database.records(
            f"select t.number, {columns} from review t join"  # noqa: S608 - columns from above
            " (select unnest(?::bigint[]) as number) n on n.number = t.number"
            f" left join {table} c on c.number = t.number",
            [numbers.tolist(), *about],
        )
        by_number = {row.pop("number"): row for row in found}
        return [by_number[number] for number in numbers.tolist() if number in by_number]

    def chosen(self, query: Query, spans: Iterable[tuple[int, int]]) -> Chosen:
        """The images at some places of a settled query: `spans` are first and last place, both counted in."""
        some = list(spans)
        if len(some) > _MANY_SPANS:
            return Chosen("select unnest(?::bigint[]) as number", [self._numbers_at(query, some)])
        self._likeness.ensure(query)
        firsts, lasts = (list(column) for column in zip(*some, strict=True))
        listed, values = _listing(
            query, f"number, row_number() over (order by {_KEYS[query.sort]}, number) - 1 as place"
        )
        return Chosen(
            f"select l.number from ({listed}) l join (select unnest(?::bigint[]) as first,"  # noqa: S608
            " unnest(?::bigint[]) as last) p on l.place between p.first and p.last",
            [*values, firsts, lasts],
        )

    def _numbers_at(self, query: Query, spans: Sequence[tuple[int, int]]) -> list[int]:
        """Of places that lie far apart: a database compares each image with each span."""
        numbers = self.order(query)
        firsts, lasts = np.array(spans, np.int64).clip(max=len(numbers)).T
        inside = np.zeros(len(numbers) + 2, np.int32)
        np.add.at(inside, firsts, 1)
        np.add.at(inside, lasts + 1, -1)
        return [int(number) for number in numbers[inside.cumsum()[: len(numbers)] > 0]]

    def members(self, chosen: Chosen, as_of: int) -> list[tuple[str, str, str]]:
        """(class, image, verdict) of chosen images as decided up to `as_of`; never images of a test set."""
        as_it_stood, values = _as_it_stood(as_of)
        return [
            (str(label), str(image), str(verdict))
            for label, image, verdict in self._database.rows(
                f"with {as_it_stood}, chosen as ({chosen.sql})"  # noqa: S608
                " select coalesce(nullif(given, ''), label) as shown, digest, verdict from stood"
                " where number in (select number from chosen) order by shown, digest",
                [*values, *chosen.values],
            )
        ]

    def decided_in(self, set_id: str) -> dict[str, tuple[str, str]]:
        """(verdict, class by hand) of every image of a set that was decided about, as it stands now."""
        self.tables.upto()
        rows = self._database.rows(
            "select digest, verdict, given from review where seq > 0 and verdict <> 'clear' and not held"
            " and digest in (select image from members where set_id = ?)",
            [set_id],
        )
        return {str(image): (str(verdict), str(given)) for image, verdict, given in rows}

    def tally(self, query: Query) -> list[tuple[str, str, str, bool, int]]:
        """Counts by (label, origin, standing, relabelled) under the run, set and score filters of a query."""
        self._likeness.ensure(query)
        # Counted by the columns as they are stored, a few hundred groups at most; what they mean is worked out after.
        rows, values = _rows(query)
        counted = (
            f"with {rows}, counts as (select label, given, origin, verdict, count(*) as count from rows group by all)"  # noqa: S608
            f" select coalesce(nullif(given, ''), label), origin, {STANDING}, given not in ('', label), sum(count)"
            " from counts group by all"
        )
        return [
            (str(label), str(origin), str(standing), bool(relabelled), int(count))
            for label, origin, standing, relabelled, count in self._database.rows(counted, values)
        ]

    def runs(self) -> list[dict[str, Any]]:
        """Runs that made images, newest first."""
        self.tables.upto()
        return self._database.records(
            "select r.id, r.kind, r.created, m.images from (select run, sum(images)::bigint as images from"
            " (select run, count(*) as images from review group by run union all"
            " select run, count(*) from makers group by run) group by run) m join runs r on r.position = m.run"
            " order by r.position desc limit 500"
        )

    def sets(self) -> list[dict[str, Any]]:
        """Frozen sets people may look at, newest first."""
        return self._database.records(
            "select id, role, size, created from image_sets where role <> 'test' order by created desc limit 200"
        )

    def scorers(self) -> list[str]:
        """The names of all scorers that have said something."""
        self.tables.upto()
        return [
            str(name) for (name,) in self._database.rows("select distinct scorer from latest_scores order by scorer")
        ]

    def decided_share(self, query: Query) -> float | None:
        """Of all that the chosen scorer says above 0 under the run and set filters, what share is of images that were
        decided about; None where it says nothing.
        """
        rows, values = _rows(query.model_copy(update={"limits": ()}))
        ((decided, everything),) = self._database.rows(
            f"with {rows} select sum(greatest(score, 0)) filter (verdict not in ('', 'clear')),"  # noqa: S608
            " sum(greatest(score, 0)) from rows",
            values,
        )
        return float(decided or 0) / float(everything) if everything else None

    def knows(self, digest: str) -> bool:
        """Whether this digest names an image of the project."""
        return bool(self._database.rows("select 1 from images where digest = ? limit 1", [digest]))

    def listed(self, query: Query, columns: str = "number") -> tuple[str, list[Any]]:
        """A query for the images of a settled view, in no order, with its bound values. `columns` are of number,
        standing, label and score.
        """
        self._likeness.ensure(query)
        return _listing(query, columns)

    def newest(self) -> int:
        """The number of the newest image."""
        return self.tables.upto()

    def order(self, query: Query) -> NDArray[np.int64]:
        """The numbers of the images of a settled query, in its order."""
        self._likeness.ensure(query)
        key = query.model_dump_json()
        with self._lock:
            if key in self._views:
                self._views.move_to_end(key)
                return self._views[key]
        listed, values = _listing(query, f"number, {_KEYS[query.sort]} as key")
        if query.sort == "class":
            places = "select key, row_number() over (order by key) as place from (select distinct key from listed)"
            listed = (
                f"with listed as ({listed}), places as ({places})"  # noqa: S608 - all of it stands here
                " select number, place::usmallint from listed join places using (key)"
            )
        numbers, keys = self._database.columns(listed, values)
        numbers = _sorted(numbers.astype(np.int64), keys)
        with self._lock:
            self._views[key] = numbers
            while len(self._views) > _VIEWS_KEPT:
                self._views.popitem(last=False)
        return numbers


def _sorted(numbers: NDArray[np.int64], keys: NDArray[Any]) -> NDArray[np.int64]:
    """Numbers by key, equal keys by number. They mostly come in order, as they are stored."""
    if np.any(numbers[1:] < numbers[:-1]):
        order = np.argsort(numbers, kind="stable")
        numbers, keys = numbers[order], keys[order]
    return numbers[np.argsort(keys, kind="stable")] if keys.dtype != np.uint8 else numbers


def _as_it_stood(as_of: int) -> tuple[str, list[Any]]:
    """Tables of a WITH clause that ends in `stood`: every picture that may be seen, as decided up to `as_of`.

    Only what was decided since is looked up in the log, so a view of now reads none of it.
    """
    sql = (
        "since as (select t.number, arg_max(d.verdict, d.seq) as verdict, arg_max(d.label, d.seq) as given,"
        " max(d.seq) as seq from review t join decisions d on d.image = t.digest"
        " where t.seq > ? and d.seq <= ? group by t.number),"
        " stood as (select t.number, t.digest, t.label, t.origin, t.run, t.verdict, t.given, t.seq"
        " from review t where not t.held and t.seq <= ? union all"
        " select t.number, t.digest, t.label, t.origin, t.run, coalesce(s.verdict, ''), coalesce(s.given, ''),"
        " coalesce(s.seq, 0) from review t left join since s on s.number = t.number where not t.held and t.seq > ?)"
    )
    return sql, [as_of, as_of, as_of, as_of]


def said(query: Query) -> tuple[str, list[Any]]:
    """A table of numbers and values: what the query's scorer says, or how alike pictures are to what it names."""
    if query.by_likeness:
        table = "(select number, value from scratch.likeness where reference = ? and upto = ?)"
        return table, [query.reference, query.upto]
    return "(select number, value from latest_scores where scorer = ?)", [query.scorer]


def _rows(query: Query) -> tuple[str, list[Any]]:
    """Tables of a WITH clause that ends in `rows`: what is stored of every picture under the run, set and score
    filters.
    """
    sql, values = _as_it_stood(query.as_of)
    joins, score = "", "null::double"
    conditions = ["t.number <= ?"]
    bound: list[Any] = [query.upto]
    if query.scorer or query.by_likeness:
        limits = [("value >= ?", query.low), ("value <= ?", query.high)]
        within = [(text, limit) for text, limit in limits if limit is not None]
        inside = " and ".join(["true", *(text for text, _ in within)])
        kind = "join" if within else "left join"
        table, about = said(query)
        joins, score = f" {kind} (select number, value from {table} where {inside}) c using (number)", "value"  # noqa: S608
        values += [*about, *(limit for _, limit in within)]
    if query.run:
        # The first maker of a picture stands in its own row, only those that made it again in `makers`.
        conditions.append(
            "(t.run = (select position from runs where id = ?)"
            " or t.number in (select number from makers where run = (select position from runs where id = ?)))"
        )
        bound += [query.run, query.run]
    if query.image_set:
        conditions.append("t.digest in (select image from members where set_id = ?)")
        bound.append(query.image_set)
    if query.image_sets:
        conditions.append("t.digest in (select image from members where set_id in (select unnest(?::text[])))")
        bound.append(list(query.image_sets))
    for limit in query.limits:
        sql_of, own = condition(limit, query.as_of)
        conditions.append(sql_of)
        bound += own
    where = " and ".join(conditions)
    return f"{sql}, rows as (select t.*, {score} as score from stood t{joins} where {where})", [*values, *bound]  # noqa: S608


def _listing(query: Query, columns: str) -> tuple[str, list[Any]]:
    """The images of a query, not yet in order."""
    rows, values = _rows(query)
    base = (
        f"with {rows}, base as (select number, digest, coalesce(nullif(given, ''), label) as label, origin, seq, score,"  # noqa: S608
        f" {STANDING} as standing, given not in ('', label) as relabelled from rows)"
    )
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
