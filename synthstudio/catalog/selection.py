"""Apply filters to candidates: the same SQL for a slider that asks "how many?" and for a frozen selection."""

from collections.abc import Iterable
from typing import Any

import duckdb

from synthstudio.catalog.database import insert
from synthstudio.filters import Condition


def narrowing(filters: Iterable[Condition]) -> tuple[str, list[Any]]:
    """A query over candidates(image, label) and scores(image, scorer, value), each filter narrowing the one before."""
    tables, values, source = [], [], "candidates"
    for number, one in enumerate(filters):
        condition, bound = one.where(source)
        tables.append(f"narrowed_{number} as (select c.image, c.label from {source} c where {condition})")  # noqa: S608
        values.extend(bound)
        source = f"narrowed_{number}"
    prefix = f"with {', '.join(tables)} " if tables else ""
    return f"{prefix}select image, label from {source} order by label, image", values  # noqa: S608


def select(
    candidates: Iterable[tuple[str, str]],
    scores: Iterable[tuple[str, str, float]],
    filters: Iterable[Condition],
) -> list[tuple[str, str]]:
    """Which (image, label) rows pass; needs no catalog, so a worker can ask too."""
    connection = duckdb.connect(":memory:")
    try:
        connection.execute("create table candidates (image text, label text, primary key (image, label))")
        connection.execute("create table scores (image text, scorer text, value double, primary key (image, scorer))")
        insert(connection, "candidates", ("image", "label"), list(candidates))
        insert(connection, "scores", ("image", "scorer", "value"), list(scores))
        sql, values = narrowing(filters)
        return [(image, label) for image, label in connection.execute(sql, values).fetchall()]
    finally:
        connection.close()
