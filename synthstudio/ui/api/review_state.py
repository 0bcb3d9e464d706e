"""What the review page needs to know at once, computed from the catalog's counts."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from synthstudio import view_terms
from synthstudio.catalog.pipelines import Pipeline
from synthstudio.catalog.review import SETTLED, Query
from synthstudio.errors import BadInput
from synthstudio.jobs import Studio
from synthstudio.jobs.asking.sweeps import tried_in
from synthstudio.jobs.curating import accepted, by_hand
from synthstudio.score_terms import Scale
from synthstudio.step import STEPS
from synthstudio.view_terms import KINDS

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
        "scales": scales(review.scorers()),
        "fields": [{"field": name, "words": view_terms.words(name), "kind": kind} for name, kind in KINDS.items()],
        "targets": studio.catalog.decisions.targets(),
        "views": saved_views(studio),
        "tags": studio.catalog.tags.all(),
    }


def scales(scorers: Iterable[str]) -> dict[str, dict[str, str]]:
    """What the values of scorers mean, in a sentence; and what an order of its own is called, where there is one."""
    known = {name: scale for name in scorers if (scale := _scale(name)) is not None}
    return {
        name: {"says": scale.sentence, "order": scale.order, "sort": scale.worst_first} for name, scale in known.items()
    }


def _scale(scorer: str) -> Scale | None:
    """Nothing of a scorer that is not here any more."""
    cls = STEPS.get(f"score.{scorer}")
    return None if cls is None else cls.scale


def banked(studio: Studio, query: Query) -> dict[str, float | None]:
    """How much of what deciding can gain is decided, where the query's scorer says what that is."""
    scale = None if query.by_likeness else _scale(query.scorer)
    return {"banked": studio.catalog.review.decided_share(query) if scale is not None and scale.order else None}


def saved_views(studio: Studio) -> list[dict[str, str]]:
    """All saved views by name, each with its sentence."""
    return [{"name": one.name, "words": one.words} for one in studio.catalog.views.all()]


def saved_view(studio: Studio, name: str) -> dict[str, Any]:
    """The filter of a saved view without what is gone, and the sentence that says what that is."""
    view = studio.catalog.views.get(name)
    query, gone = studio.catalog.views.whole(view.query)
    return {"name": view.name, "filter": query.model_dump(mode="json", exclude=set(SETTLED)), "gone": gone}


def only(studio: Studio, what: str, fold: int | None = None) -> dict[str, Any]:
    """The filter that shows exactly the images of a run, a recipe run (or one fold of it, from 0) or a set, in words.

    Of a recipe: everything it made for training, what its filter dropped too, since people may take that back; of an
    answer to "did my review help?": the selection. BadInput where nothing is there yet.
    """
    thing = studio.catalog.names.find(what, ("run", "recipe run", "set"))
    name = studio.catalog.names.of(thing)
    if thing.startswith("set:"):
        return {"filter": {"image_sets": [thing]}, "words": name}
    if thing in studio.catalog.runs.ids():
        return {"filter": {"run": thing}, "words": name}
    sets = made_for(studio, studio.catalog.pipelines.get(thing), fold)
    if not sets:
        raise BadInput(f"{name} has made no images yet. Wait until its first images are there.")
    return {"filter": {"image_sets": sets}, "words": name if fold is None else f"{name}, fold {fold + 1}"}


def made_for(studio: Studio, pipeline: Pipeline, fold: int | None = None) -> list[str]:
    """The sets of images that a recipe run made to learn from, or was given by hand; empty if none."""
    if pipeline.recipe == accepted.REVIEW:
        return [str(pipeline.request["set"])]
    if pipeline.recipe == by_hand.RECIPE:
        return _taught_with(studio, pipeline.id)
    return [one.made for one in accepted.offered(studio, pipeline.id, fold)] or _sampled(studio, pipeline.id, fold)


def _taught_with(studio: Studio, pipeline_id: str) -> list[str]:
    runs = [node.run_id for node in studio.catalog.pipelines.nodes(pipeline_id) if node.kind.startswith("train.")]
    given = [studio.catalog.runs.fields(run).get("synthetic") for run in runs if run]
    return list(dict.fromkeys(str(one) for one in given if one))


def _sampled(studio: Studio, pipeline_id: str, fold: int | None) -> list[str]:
    """The sets of a recipe that has not come to its filter yet."""
    every = studio.catalog.pipelines.nodes(pipeline_id)
    nodes = [
        node for node in every
        if node.run_id and node.kind.startswith("sample.") and fold in (None, node.fold)
    ]  # fmt: skip
    tried = tried_in(every)  # looked at where there is nothing else
    nodes = [node for node in nodes if (node.name, node.fold) not in tried] or nodes
    found = [studio.catalog.runs.outputs(str(node.run_id)).get("images") for node in nodes]
    return [str(one) for one in found if one]


def view(studio: Studio, query: Query) -> dict[str, Any]:
    """A settled query in words too, how many images it finds, and the counts beside the filters."""
    review = studio.catalog.review
    settled = review.settle(query)
    answer: dict[str, Any] = {"query": settled.model_dump(mode="json"), "total": review.size(settled)}
    answer["words"] = studio.catalog.views.words(settled)
    answer["chips"] = studio.catalog.views.chips(settled)
    return answer | tally(studio, settled)


def tally(studio: Studio, query: Query) -> dict[str, Any]:
    """What changes with every decision: the counts beside the filters of a settled query, and what is gained."""
    return facets(studio.catalog.review.tally(query), query) | banked(studio, query)


def page(studio: Studio, query: Query, start: int, count: int) -> list[list[Any]]:
    """Tiles as short rows: digest, the maker's class, origin, verdict, class by hand, number of the decision, score."""
    return [
        [row[name] for name in ("digest", "label", "origin", "verdict", "given", "seq", "score")]
        for row in studio.catalog.review.decided_page(query, start, count)
    ]


def states_of(studio: Studio, digests: list[str]) -> dict[str, tuple[str, str, int]]:
    """(verdict, class by hand, number) of the images that have been decided."""
    rows = studio.catalog.decisions.states(digests)
    return {row["image"]: (row["verdict"], row["label"], row["seq"]) for row in rows}
