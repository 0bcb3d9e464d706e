"""Frozen sets: what has changed between two of them or since one, and going back to one.

“Now” is the question that a frozen set answered, asked again: what is accepted of its recipe run, or what its filter
finds. Going back gives the images that differ the decisions they had then, and leaves all others as they are: one act,
which one undo takes back.
"""

import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from synthstudio.artifacts import ImageSet, Member
from synthstudio.catalog.decisions import Act, Chosen, Outcome
from synthstudio.catalog.review import Query
from synthstudio.errors import BadInput
from synthstudio.jobs.curating import accepted, decision_files
from synthstudio.jobs.curating.freeze import BY_HAND
from synthstudio.jobs.studio import Studio
from synthstudio.quantities import many
from synthstudio.steps.collect.freeze import Freeze

NOW = "now"


@dataclass(frozen=True)
class Change:
    """An image that two sets have in different places; an empty class means that it is not there."""

    image: str
    before: str
    after: str

    @property
    def kind(self) -> str:
        """added, removed or moved."""
        return "moved" if self.before and self.after else "added" if self.after else "removed"


@dataclass(frozen=True)
class Comparison:
    """What changed from one set to another, which are called by name."""

    before: str
    after: str
    sizes: tuple[int, int]
    changes: tuple[Change, ...]
    classes: tuple[tuple[str, int, int, int, int], ...]  # class, images before and after, added and moved in, gone

    @property
    def sentence(self) -> str:
        """The change in words."""
        what = f"From {self.before} ({many(self.sizes[0], 'image')}) to {self.after} ({many(self.sizes[1], 'image')})"
        counts = Counter(change.kind for change in self.changes)
        words = {"added": "added", "removed": "removed", "moved": "moved to another class"}
        said = [f"{counts[kind]} {word}" for kind, word in words.items() if counts[kind]]
        return f"{what}: {', '.join(said) or 'nothing has changed'}."


def changes(studio: Studio, before: str, after: str = "") -> Comparison:
    """What changed between two frozen sets, by name or id; without a second, what has changed since the first."""
    find = studio.catalog.names.find
    first = find(before, ("set",))
    second = studio.workspace.image_set(find(after, ("set",))) if after else _now(studio, first)
    names = studio.catalog.names.of
    return compare(studio.workspace.image_set(first), second, names(first), names(second.id) if after else NOW)


def compare(before: ImageSet, after: ImageSet, first: str, second: str) -> Comparison:
    """What changed between two sets, image by image and class by class."""
    was, now = ({member.image: member.label for member in one} for one in (before, after))
    differing = [
        Change(image, was.get(image, ""), now.get(image, ""))
        for image in sorted(was.keys() | now.keys())
        if was.get(image) != now.get(image)
    ]
    came, gone = Counter(one.after for one in differing), Counter(one.before for one in differing)
    sizes = [{label: len(rows) for label, rows in one.by_label().items()} for one in (before, after)]
    labels = sorted(sizes[0].keys() | sizes[1].keys())
    rows = ((it, sizes[0].get(it, 0), sizes[1].get(it, 0), came[it], gone[it]) for it in labels)
    return Comparison(first, second, (len(was), len(now)), tuple(differing), tuple(rows))


def restore(studio: Studio, name: str, who: str, tab: str, act: str | None = None) -> Outcome:
    """Make a frozen set what is accepted: every image that differs is decided as it was then. BadInput for a set that
    nobody froze, and where decisions cannot bring it back.
    """
    chosen = studio.catalog.names.find(name, ("set",))
    as_of = int(_asked(studio, chosen)["as_of"])
    then = {row["image"]: (row["decision"], row["label"]) for row in decision_files.rows(studio, as_of)}
    stands = {row["image"]: (row["decision"], row["label"]) for row in decision_files.rows(studio)}
    differing = [change.image for change in changes(studio, chosen).changes]
    known = studio.catalog.decisions.decidable(differing)
    clear = ("clear", "")
    each = [(image, *then.get(image, clear)) for image in differing
            if image in known and then.get(image, clear) != stands.get(image, clear)]  # fmt: skip
    if differing and not each:
        raise BadInput(
            f"{studio.catalog.names.of(chosen)} differs by what was made or filtered since, not by decisions. Use the"
            " set itself: export or train on it by its name."
        )
    act_id = act or str(uuid.uuid4())
    if not each:
        return Outcome(act_id, studio.catalog.decisions.last(), 0)
    (outcome,) = studio.catalog.decisions.decide(
        [Act(act_id, tab, each=tuple(each), context={"restores": chosen})], who
    )
    return outcome


def _asked(studio: Studio, chosen: str) -> dict[str, Any]:
    """What a frozen set was an answer to."""
    for run in studio.catalog.runs.making(chosen):
        if run.kind == Freeze.kind:
            document = studio.workspace.document(studio.catalog.runs.fields(run.id)["selection"])
            if "pipeline" in document or "filter" in document:  # others are parts of a comparison, not answers
                return document
    raise BadInput(
        f"{studio.catalog.names.of(chosen)} was not frozen, or is still being written: only what was frozen can be"
        " compared with now, or restored. Name a second set to compare it with."
    )


def _now(studio: Studio, chosen: str) -> ImageSet:
    """The answer of now to the question of a frozen set; of images chosen by hand, those not rejected since."""
    asked = _asked(studio, chosen)
    if "pipeline" in asked:
        only = asked.get("decided_only", False)
        parts = accepted.of(studio, asked["pipeline"], asked.get("fold"), decided_only=only)
        return _set(row for part in parts for row in part.members)
    review = studio.catalog.review
    query = review.settle(Query.model_validate({**asked["filter"], "as_of": -1, "upto": -1}))
    if asked["sentence"].startswith(BY_HAND.capitalize()):
        images = Chosen.images([member.image for member in studio.workspace.image_set(chosen)])
        return _set(row for row in review.members(images, query.as_of) if row[2] != "reject")
    size = review.size(query)
    return _set(review.members(review.chosen(query, [(0, size - 1)]), query.as_of) if size else ())


def _set(rows: Iterable[accepted.Row]) -> ImageSet:
    return ImageSet.of("set", (Member(label, image) for label, image, _ in rows))
