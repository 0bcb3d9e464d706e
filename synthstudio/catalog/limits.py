"""What narrows a view by one field of an image, in SQL: conditions on its number, and the values a field has."""

from collections.abc import Sequence
from typing import Any

from synthstudio.catalog.tags import standing
from synthstudio.view_terms import MADE_WITH, SCORE, SIZES, TAG, Limit, kind

Sql = tuple[str, list[Any]]
_LIKE = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


def condition(limit: Limit, as_of: int | None = None) -> Sql:
    """A limit as a condition on the number of a picture `t`, as its tags stand or stood after an act."""
    source, value, about = _source(limit.field, as_of)
    tests, bound = _tests(limit, value)
    inside = f"t.number in (select number from {source} {tests})"  # noqa: S608 - values are bound
    if limit.field == TAG and "" in limit.any_of:  # no row says that an image has no tag
        table, own = standing(as_of)
        return f"({inside} or t.number not in (select number from {table}))", [*about, *bound, *own]  # noqa: S608
    return inside, [*about, *bound]


def valued(field: str, as_of: int | None = None) -> Sql:
    """A table of numbers and values of a field. What says nothing is left out, but a setting that does is ''."""
    source, value, about = _source(field, as_of)
    return f"select number, {value} as value from {source} {value} is not null", about  # noqa: S608


def _source(field: str, as_of: int | None) -> tuple[str, str, list[Any]]:
    """A table up to its condition, what of it is the value, and the bound values."""
    if field.startswith(SCORE):
        return "latest_scores where scorer = ? and", "value", [field.removeprefix(SCORE)]
    if field == TAG:
        table, about = standing(as_of)
        return f"{table} where", TAG, about
    if field not in MADE_WITH and field not in SIZES:
        raise ValueError(field)  # names of columns are ours alone
    table = "review" if field in SIZES else "settings"
    return f"{table} where", field if kind(field) == "number" else f"coalesce({field}, '')", []


def _tests(limit: Limit, value: str) -> Sql:
    if limit.any_of:
        return f"{value} in ({_places(limit.any_of)})", list(limit.any_of)
    if limit.contains:
        return f"{value} ilike ? escape '\\'", [f"%{limit.contains.translate(_LIKE)}%"]
    bounds = [(f"{value} >= ?", limit.low), (f"{value} <= ?", limit.high)]
    within = [(text, bound) for text, bound in bounds if bound is not None]
    return " and ".join(text for text, _ in within), [bound for _, bound in within]


def _places(values: Sequence[Any]) -> str:
    return ", ".join("?" for _ in values)
