"""Freeze what a person chose into an ImageSet whose provenance names the filter and the decisions.

The owner writes a `selection:` document and submits `collect.freeze` over it. The step only turns the document into a
set, so the id of the set is known at once and the run is over in a moment; the road into the catalog is everyone's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from synthstudio.artifacts import ImageSet, Member
from synthstudio.catalog.review import Query
from synthstudio.errors import BadInput
from synthstudio.jobs.curating import accepted
from synthstudio.jobs.studio import Studio
from synthstudio.steps.collect.freeze import Freeze

BY_HAND = "chosen by hand among "  # how the sentence of a selection begins whose images were picked one by one


@dataclass(frozen=True)
class Frozen:
    """What became of a selection. Images of a test set are never part of it."""

    image_set: str
    run_id: str
    size: int
    counts: dict[str, int]
    sentence: str
    name: str | None = None


def freeze(studio: Studio, query: Query, spans: Sequence[tuple[int, int]] = (), name: str | None = None) -> Frozen:
    """Freeze the images at some places of a settled query, or all it finds, with the classes people gave them."""
    studio.admit([Freeze.kind])
    review = studio.catalog.review
    size = review.size(query)
    chosen = review.chosen(query, spans or [(0, max(size - 1, 0))])
    # Places belong to the view as it was; the classes and verdicts of a hand-made selection are those of now.
    as_of = review.settle(Query()).as_of if spans else query.as_of
    rows = review.members(chosen, as_of)
    if not rows:
        raise BadInput("No image is chosen. Accept some images first, or choose another filter.")
    about = {"filter": query.model_dump(mode="json"), "as_of": as_of}
    return store(studio, rows, describe(query, as_of, partly=bool(spans)), about, name)


def freeze_accepted(
    studio: Studio, name: str | None, pipeline_id: str | None = None, *, decided_only: bool = False
) -> Frozen:
    """Freeze what is accepted of a recipe run, all its folds together, under a name if given: see `accepted.of`."""
    chosen = accepted.pipeline(studio, pipeline_id)
    parts = accepted.of(studio, chosen.id, decided_only=decided_only)
    rows = sorted({row for part in parts for row in part.members})
    if not rows:
        raise BadInput("Nothing is accepted: every image is rejected, or none was kept. Accept some images first.")
    as_of = studio.catalog.decisions.last()
    sentence = f"What is accepted of {studio.catalog.names.of(chosen.id)}, {decided_by(as_of)}."
    about = {"pipeline": chosen.id, "decided_only": decided_only, "as_of": as_of}
    return store(studio, rows, sentence, about, name)


def store(
    studio: Studio, rows: Sequence[accepted.Row], sentence: str, about: dict[str, Any], name: str | None = None
) -> Frozen:
    """Freeze (class, image, verdict) rows. BadInput if the name is another's, or the very set has one already."""
    image_set = ImageSet.of("set", (Member(label, image) for label, image, _ in rows))
    names = studio.catalog.names
    if name is not None:
        name = names.check(name, image_set.id)
        if (known := names.given(image_set.id)) not in (None, name):
            raise BadInput(
                f"Nothing was decided since {known!r} was frozen: it holds these very images. Use it, or rename it."
            )
    body = {**about, "sentence": sentence, "members": [list(row) for row in rows]}
    selection = studio.workspace.put_document("selection", body)
    studio.workspace.put_set(image_set)
    run_id, _ = studio.submit(Freeze(selection=selection))
    if name is not None:
        names.give(image_set.id, name, run_id)
    counts = {label: len(members) for label, members in image_set.by_label().items()}
    return Frozen(image_set.id, run_id, len(image_set), counts, sentence, name)


def decided_by(as_of: int) -> str:
    """How much had been decided when something was chosen, in words."""
    counted = {0: "before anything was decided", 1: "after 1 decision"}
    return counted.get(as_of, f"after {as_of:,} decisions")


def describe(query: Query, as_of: int, partly: bool = False) -> str:
    """A filter as one sentence."""
    words = [" or ".join(query.standings), "relabelled" if query.relabelled else "", " or ".join(query.origins)]
    text = " ".join([*filter(None, words), "images"])
    if query.labels:
        text += " of " + ", ".join(query.labels[:10]) + (" and other classes" if len(query.labels) > 10 else "")
    if query.run:
        text += f" from run {query.run}"
    if query.image_set:
        text += f" of {query.image_set[:16]}…"
    if query.image_sets:
        text += f" of {', '.join(one[:16] + '…' for one in query.image_sets[:3])}"
        text += " and other sets" if len(query.image_sets) > 3 else ""
    if query.scorer and query.low is not None:
        text += f", {query.scorer} of at least {query.low:g}"
    if query.scorer and query.high is not None:
        text += f", {query.scorer} of at most {query.high:g}"
    chosen = BY_HAND if partly else ""
    said = f"{chosen}{text}, {decided_by(as_of)}."
    return said[0].upper() + said[1:]
