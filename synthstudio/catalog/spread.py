"""How the values of one field are spread over a view: what a person sees before choosing what stays."""

from dataclasses import asdict, dataclass
from typing import Any, get_args

from synthstudio.catalog.database import Database
from synthstudio.catalog.limits import valued
from synthstudio.catalog.review import Query, Review, Standing, said
from synthstudio.view_terms import LIKENESS

BINS = 24
_MOST = 200  # values of a text that are told, the most frequent
_STANDINGS: tuple[Standing, ...] = get_args(Standing)


@dataclass(frozen=True)
class Spread:
    """Numbers of a view under its other filters: how many there are in each of equal steps from `low` to `high`, by
    decision; `none` have no number, `inside` of `whole` images stay.
    """

    low: float | None
    high: float | None
    counts: dict[Standing, list[int]]
    none: int
    inside: int
    whole: int

    def document(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self)


class Spreads:
    """The values that a filter may choose from, counted under the other filters of a settled view."""

    def __init__(self, database: Database, review: Review) -> None:
        self._database = database
        self._review = review

    def numbers(self, query: Query, field: str) -> Spread:
        """How the numbers of a field, or of the likeness that the view asks for, are spread."""
        sql, values = self._seen(query, field)
        rows = self._database.rows(
            f"with seen as materialized ({sql}), ends as (select min(value) as low, max(value) as high from seen)"  # noqa: S608
            f" select low, high, standing, least(coalesce(floor((value - low) / nullif((high - low) / {BINS}, 0)), 0),"
            f" {BINS - 1})::int as bin, count(*), value is null from seen, ends group by all",
            values,
        )
        counts = {standing: [0] * BINS for standing in _STANDINGS}
        none = 0
        for *_, standing, place, count, missing in rows:
            none += count if missing else 0
            counts[standing][place or 0] += 0 if missing else count
        low, high = rows[0][:2] if rows else (None, None)
        return Spread(low, high, counts, none, self._review.count(query), sum(row[4] for row in rows))

    def texts(self, query: Query, field: str) -> list[tuple[str, int]]:
        """The texts of a field with how many images have each, most first; '' stands for none."""
        sql, values = self._seen(query, field)
        rows = self._database.rows(
            f"select coalesce(value, '') as text, count(*) as images from ({sql}) group by text"  # noqa: S608
            f" order by images desc, text limit {_MOST}",
            values,
        )
        return [(str(text), int(images)) for text, images in rows]

    def _seen(self, query: Query, field: str) -> tuple[str, list[Any]]:
        """The standing and the value of every image under the other filters; null where it has none."""
        listed, values = self._review.listed(without(query, field), "number, standing")
        table, about = said(query) if field == LIKENESS else valued(field, query.as_of)
        return (
            f"select l.standing, v.value from ({listed}) l left join ({table}) v using (number)",  # noqa: S608
            [*values, *about],
        )


def without(query: Query, field: str) -> Query:
    """A view without its limits on a field."""
    if field == LIKENESS:
        return query.model_copy(update={"low": None, "high": None})
    return query.model_copy(update={"limits": tuple(one for one in query.limits if one.field != field)})
