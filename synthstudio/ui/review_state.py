"""What the review page needs to know at once, computed from the catalog's counts."""

from collections import Counter
from typing import Any

from synthstudio.catalog.review import Query
from synthstudio.jobs import Studio

_STANDINGS = ("pending", "accepted", "rejected")
Tally = list[tuple[str, str, str, bool, int]]


def facets(rows: Tally, query: Query) -> dict[str, Any]:
    """Counts beside every filter: how many images each choice would show, given the other filters."""
    classes: dict[str, Counter[str]] = {}
    origins: Counter[str] = Counter()
    standings: Counter[str] = Counter()
    for label, origin, standing, relabelled, count in rows:
        this_label = not query.labels or label in query.labels
        this_origin = not query.origins or origin in query.origins
        this_standing = (not query.standings or standing in query.standings) and (relabelled or not query.relabelled)
        if this_origin:
            classes.setdefault(label, Counter())[standing] += count
        if this_label and this_standing:
            origins[origin] += count
        if this_label and this_origin:
            standings[standing] += count
            standings["relabelled"] += count * relabelled
    return {
        "classes": [[label, *(classes[label][s] for s in _STANDINGS)] for label in sorted(classes)],
        "origins": dict(origins),
        "standings": dict(standings),
    }


def overview(studio: Studio, project: str) -> dict[str, Any]:
    """Everything a review tab asks once."""
    review = studio.catalog.review
    return {
        "project": project,
        "runs": review.runs(),
        "sets": review.sets(),
        "scorers": review.scorers(),
        "targets": studio.catalog.decisions.targets(),
    }


def view(studio: Studio, query: Query) -> dict[str, Any]:
    """A settled query, how many images it finds, and the counts beside the filters."""
    review = studio.catalog.review
    settled = review.settle(query)
    answer: dict[str, Any] = {"query": settled.model_dump(mode="json"), "total": review.size(settled)}
    answer |= facets(review.tally(settled), settled)
    if settled.scorer:
        answer["histogram"] = review.histogram(settled)
    return answer


def page(studio: Studio, query: Query, start: int, count: int) -> list[list[Any]]:
    """Tiles as short rows: digest, the maker's class, origin, verdict, class by hand, number of the decision."""
    return [
        [row[name] for name in ("digest", "label", "origin", "verdict", "given", "seq")]
        for row in studio.catalog.review.decided_page(query, start, count)
    ]


def states_of(studio: Studio, digests: list[str]) -> dict[str, tuple[str, str, int]]:
    """(verdict, class by hand, number) of the images that have been decided."""
    rows = studio.catalog.decisions.states(digests)
    return {row["image"]: (row["verdict"], row["label"], row["seq"]) for row in rows}
