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
from synthstudio.jobs.studio import Studio
from synthstudio.steps.collect.freeze import Freeze


@dataclass(frozen=True)
class Frozen:
    """What became of a selection. Images of a test set are never part of it."""

    image_set: str
    run_id: str
    size: int
    counts: dict[str, int]
    sentence: str


def freeze(studio: Studio, query: Query, spans: Sequence[tuple[int, int]] = ()) -> Frozen:
    """Freeze the images at some places of a settled query, or all it finds, with the classes people gave them."""
    review = studio.catalog.review
    size = review.size(query)
    chosen = review.chosen(query, spans or [(0, max(size - 1, 0))])
    # Places belong to the view as it was; the classes and verdicts of a hand-made selection are those of now.
    as_of = review.settle(Query()).as_of if spans else query.as_of
    rows = review.members(chosen, as_of)
    if not rows:
        raise BadInput("No image is chosen. Accept some images first, or choose another filter.")
    sentence = describe(query, as_of, partly=bool(spans))
    body: dict[str, Any] = {
        "filter": query.model_dump(mode="json"),
        "sentence": sentence,
        "as_of": as_of,
        "members": [list(row) for row in rows],
    }
    selection = studio.workspace.put_document("selection", body)
    image_set = ImageSet.of("set", (Member(label, image) for label, image, _ in rows))
    studio.workspace.put_set(image_set)
    run_id, _ = studio.submit(Freeze(selection=selection))
    counts = {label: len(members) for label, members in image_set.by_label().items()}
    return Frozen(image_set.id, run_id, len(image_set), counts, sentence)


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
    if query.scorer and query.low is not None:
        text += f", {query.scorer} of at least {query.low:g}"
    if query.scorer and query.high is not None:
        text += f", {query.scorer} of at most {query.high:g}"
    chosen = "chosen by hand among " if partly else ""
    said = f"{chosen}{text}, as decided up to decision {as_of}."
    return said[0].upper() + said[1:]
