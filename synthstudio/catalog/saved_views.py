"""Views of Review that people gave a name: the filters and the order, never the images.

A view is looked at as of now: what was decided and made since it was saved is in it. It may name what is gone by then;
`whole` says so and leaves that out.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from synthstudio.catalog.database import Database, insert
from synthstudio.catalog.names import Names, checked
from synthstudio.catalog.review import SETTLED, Query, Review
from synthstudio.catalog.view_words import called, chips, in_words, listed, things_in
from synthstudio.errors import BadInput, UnknownName
from synthstudio.view_terms import SCORE, Limit

MOST = 100
_LONGEST = 64_000  # characters of a query: about a thousand sets, or several thousand classes
COLUMNS = ("name", "query", "who", "saved")
_BY_SCORE = ("score_high", "score_low")
_TAKEN = "There is a view called {!r} already. Choose another name."


@dataclass(frozen=True)
class SavedView:
    """A view with its name, and what it shows in one sentence."""

    name: str
    words: str
    query: Query
    who: str
    saved: float


class SavedViews:
    """Saving, finding and renaming views."""

    def __init__(self, database: Database, review: Review, names: Names) -> None:
        self._database = database
        self._review = review
        self._names = names

    def all(self) -> list[SavedView]:
        """Every view, by name."""
        return self._database.since_commit("saved views", self._all)

    def get(self, name: str) -> SavedView:
        """A view by its name; UnknownName with near names if there is none."""
        known = self.all()
        for one in known:
            if one.name == name:
                return one
        if not known:
            raise UnknownName(f"There is no view called {name[:80]!r}: this project has no saved views yet.")
        raise UnknownName.among("view", name, [one.name for one in known])

    def words(self, query: Query) -> str:
        """What a query shows, in one sentence."""
        return in_words(query, self._called([query]))

    def chips(self, query: Query) -> list[tuple[str, str]]:
        """What narrows a query: see `view_words.chips`."""
        return chips(query, self._called([query]))

    def save(self, name: str, query: Query, who: str, replace: bool = False) -> str:
        """Keep a query under a name; returns the name as it is kept. BadInput if it is taken, unless `replace`, if it
        cannot be a name, if the query is too long to be kept, or if there are too many views already.
        """
        kept, body = checked(name), _body(query)
        with self._database.transaction() as cursor:
            known = _names(cursor)
            if kept in known and not replace:
                raise BadInput(_TAKEN.format(kept))
            if kept not in known and len(known) >= MOST:
                raise BadInput(f"This project has {MOST} saved views, which is the most. Delete one first.")
            self._write(cursor, {"view": kept, "query": body, "who": who, "saved": time.time()})
        return kept

    def rename(self, name: str, new: str) -> str:
        """Call a view something else; returns the name as it is kept. BadInput if that is taken or cannot be a name."""
        view, kept = self.get(name), checked(new)
        if kept == name:
            return kept
        with self._database.transaction() as cursor:
            if kept in _names(cursor):
                raise BadInput(_TAKEN.format(kept))
            about = {"query": _body(view.query), "who": view.who, "saved": view.saved}
            self._write(cursor, {"view": kept, "was": name, **about})
        return kept

    def delete(self, name: str) -> None:
        """Forget a view; its images are not touched."""
        self.get(name)
        with self._database.transaction() as cursor:
            self._write(cursor, {"view": name, "deleted": True})

    def whole(self, query: Query) -> tuple[Query, str]:
        """The query without what is gone, and one sentence that says what that is; '' if nothing is."""
        kept = query.model_copy(update=self._kept(query))
        gone = list(_gone(query, kept, self._called([query])))
        left_out = f"This view also names {listed(gone)}, which {'is' if len(gone) == 1 else 'are'} gone."
        return kept, f"{left_out} It shows what is left." if gone else ""

    def _all(self) -> list[SavedView]:
        rows = self._database.rows("select name, query, who, saved from saved_views order by lower(name), name")
        queries = [Query.model_validate_json(row[1]) for row in rows]
        names = self._called(queries)
        return [
            SavedView(name, in_words(query, names), query, who, saved)
            for (name, _, who, saved), query in zip(rows, queries, strict=True)
        ]

    def _called(self, queries: Iterable[Query]) -> dict[str, str]:
        """Names of the runs and sets that queries name, by id."""
        things = {thing for query in queries for thing in things_in(query)}
        if not things:
            return {}
        self._names.take_in()
        return {thing: name for thing, (name, _) in self._names.of_all(sorted(things)).items()}

    def _kept(self, query: Query) -> dict[str, Any]:
        """What is there of what a query names; without its score it has no limits of one, and no order by it."""
        self._review.newest()
        runs = self._among("id from runs", [query.run])
        sets = self._among("id from image_sets", [query.image_set, *query.image_sets])
        labels = self._among("distinct coalesce(nullif(given, ''), label) as id from review", query.labels)
        scorers = self._review.scorers()
        kept: dict[str, Any] = {
            "run": query.run if query.run in runs else "",
            "image_set": query.image_set if query.image_set in sets else "",
            "image_sets": tuple(one for one in query.image_sets if one in sets),
            "labels": tuple(one for one in query.labels if one in labels),
            "limits": tuple(one for one in query.limits if _scorer(one) in ("", *scorers)),
            "scorer": query.scorer if query.scorer in scorers else "",
            "similar_to": query.similar_to if self._review.knows(query.similar_to) else "",
        }
        if kept["scorer"] or kept["similar_to"] or query.words:
            return kept
        return {**kept, "low": None, "high": None, "sort": "arrival" if query.sort in _BY_SCORE else query.sort}

    def _among(self, known: str, wanted: Sequence[str]) -> set[str]:
        """Those of some ids that a table knows."""
        rows = self._database.rows(
            f"select id from (select {known}) where id in (select unnest(?::text[]))",  # noqa: S608 - tables from above
            [list(wanted)],
        )
        return {str(one) for (one,) in rows}

    def _write(self, cursor: duckdb.DuckDBPyConnection, line: dict[str, Any]) -> None:
        store_view(cursor, line)
        self._database.keep(line)


def store_view(cursor: duckdb.DuckDBPyConnection, line: dict[str, Any]) -> None:
    """What a line of the journal says of a view. It says all there is to its names, so it may be stored twice."""
    names = [line["view"], line.get("was", line["view"])]
    cursor.execute("delete from saved_views where name in (select unnest(?::text[]))", [names])
    if not line.get("deleted"):
        insert(cursor, "saved_views", COLUMNS, [(line["view"], line["query"], line["who"], line["saved"])])


def _names(cursor: duckdb.DuckDBPyConnection) -> set[str]:
    return {str(name) for (name,) in cursor.execute("select name from saved_views").fetchall()}


def _scorer(limit: Limit) -> str:
    """The scorer whose word a limit is about; '' if it is about a field."""
    return limit.field.removeprefix(SCORE) if limit.field.startswith(SCORE) else ""


def _body(query: Query) -> str:
    """A query as it is kept: what it asks of images, not how far it was looked at. BadInput if that is too long."""
    body = query.model_dump_json(exclude_defaults=True, exclude=set(SETTLED))
    if len(body) > _LONGEST:
        raise BadInput("These filters name too many classes or sets for a view. Choose fewer, or freeze a set.")
    return body


def _gone(query: Query, kept: Query, names: Mapping[str, str]) -> Iterator[str]:
    """What the first query names and the second does not."""
    if query.run != kept.run:
        yield f"the run {called(query.run, names)}"
    sets = {one for one in (query.image_set, *query.image_sets) if one} - {kept.image_set, *kept.image_sets}
    yield from (f"the set {called(one, names)}" for one in sorted(sets))
    yield from (f"the class {label}" for label in query.labels if label not in kept.labels)
    scorers = {query.scorer} - {kept.scorer} | {_scorer(one) for one in query.limits if one not in kept.limits}
    yield from (f"the score {one.replace('_', ' ')}" for one in sorted(scorers))
    if query.similar_to != kept.similar_to:
        yield f"the image {query.similar_to[:8]}"
