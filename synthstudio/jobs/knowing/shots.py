"""How many photos per class a method may learn from: what there will be before a run, and what there was after it."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

from synthstudio.artifacts import Member
from synthstudio.catalog.pipelines import Node
from synthstudio.errors import StudioError
from synthstudio.intake.sources import DIGITS
from synthstudio.jobs.knowing.stock import DIGITS_COUNT, place_of_upload
from synthstudio.jobs.readable import Readable
from synthstudio.quantities import many
from synthstudio.step import step_class
from synthstudio.steps.collect import dry_run
from synthstudio.steps.collect.partition import hold_out
from synthstudio.workspace import Workspace

IMPORT, SPLIT = "collect.import_images", "collect.split"
_DIGIT_CLASSES = 10


@dataclass(frozen=True, eq=False)
class Photos:
    """The photos of a source, or stand-ins for them where only their number per class is known."""

    members: tuple[Member, ...] = ()

    def __len__(self) -> int:
        return len(self.members)

    @cached_property
    def classes(self) -> int:
        """How many classes they are of."""
        return len({one.label for one in self.members})

    def words(self) -> str:
        """'1,797 in 10 classes'."""
        return f"{len(self):,} in {many(self.classes, 'class', 'classes')}"


class Span(NamedTuple):
    """The fewest and the most photos of any class."""

    least: int
    most: int

    def words(self) -> str:
        """'16', or '4 to 6'."""
        return str(self.most) if self.least == self.most else f"{self.least} to {self.most}"


def photos_of(studio: Readable, data: str) -> Photos:
    """The photos of a source as far as they are known before a run: those of its import; else stand-ins, as many per
    class as were counted when the files came. Empty where nobody has looked yet.
    """
    pool = _imported(studio, data)
    if pool is not None:
        return _members(studio.workspace, pool)
    if data == DIGITS:
        return _stand_ins({str(n): (DIGITS_COUNT + n) // _DIGIT_CLASSES for n in range(_DIGIT_CLASSES)})
    folder = place_of_upload(studio, data)
    with suppress(OSError, ValueError, KeyError, TypeError):  # written by an earlier version, or not by us
        report = json.loads((folder / dry_run.REPORT).read_bytes()) if folder else {"classes": []}
        return _stand_ins({str(one["label"]): int(one["images"]) for one in report["classes"]})
    return Photos()


def will_be(photos: Photos, nodes: Iterable[Node], asked: int | None) -> Span | None:
    """Shots per class a recipe will have: what is asked for, or what is left when the test photos are held out."""
    split = next((node for node in nodes if node.kind == SPLIT), None)
    if not photos or split is None:
        return None
    fields = step_class(SPLIT).model_fields
    values = [split.template.get(name, fields[name].default) for name in ("test_fraction", "seed")]
    left = _left(photos, float(values[0]), int(values[1]))
    return Span(*(count if asked is None else min(count, asked) for count in left))


def were(studio: Readable, nodes: Sequence[Node]) -> Span | None:
    """Shots per class that the splits of a pipeline gave, over all of its folds; none before the first one is done."""
    runs = studio.catalog.runs
    made = runs.outputs_of(node.run_id for node in nodes if node.kind == SPLIT and node.run_id)
    spans = [span(studio.workspace, one["shots"]) for one in made.values() if "shots" in one]
    return Span(min(one.least for one in spans), max(one.most for one in spans)) if spans else None


@lru_cache(maxsize=256)
def known(workspace: Workspace, set_id: str) -> tuple[int, tuple[str, ...]]:
    """(images, classes) of a set, read once: an id names its content for ever."""
    found = workspace.image_set(set_id)
    return len(found), found.labels


@lru_cache(maxsize=256)
def span(workspace: Workspace, set_id: str) -> Span:
    """The fewest and most images per class of a set, counted once."""
    counts = Counter(member.label for member in workspace.image_set(set_id)).values()
    return Span(min(counts, default=0), max(counts, default=0))


def sentence(given: Span, asked: int) -> str:
    """What to know before a run when there are fewer photos than shots that were asked for; else nothing."""
    if given.least >= asked:
        return ""
    return (
        f"You ask for {asked} shots per class, but there are {given.words()} per class; the rest is held out, "
        "to test with. All of them are used: add photos, or ask for fewer."
    )


@lru_cache(maxsize=64)
def _left(photos: Photos, fraction: float, seed: int) -> Span:
    """What is left to learn from. Near-duplicates are not known yet, so this may be a few too many."""
    found = hold_out(photos.members, [[place] for place in range(len(photos))], fraction, seed)
    test = set(found.test)
    free = [one for place, one in enumerate(photos.members) if place not in test]
    counts = Counter(one.label for one in free if one.given not in ("test", "validation")).values()
    return Span(min(counts, default=0), max(counts, default=0))


def _stand_ins(counts: Mapping[str, int]) -> Photos:
    return Photos(tuple(Member(label, f"{label} {n}") for label, count in counts.items() for n in range(count)))


@lru_cache(maxsize=16)
def _members(workspace: Workspace, pool: str) -> Photos:
    return Photos(workspace.image_set(pool).members)


def _imported(studio: Readable, data: str) -> str | None:
    """The pool that an import of this source made, the newest one."""
    place = data if data == DIGITS else str(Path(data).expanduser().absolute())
    imports = [run.id for run in studio.catalog.runs.of_kind(IMPORT)]
    fields = studio.catalog.runs.fields_of(imports)
    for run_id in imports:
        if place_of(studio, str(fields[run_id]["source"])) == place:
            return studio.catalog.runs.outputs(run_id).get("images")
    return None


def place_of(studio: Readable, source: str) -> str | None:
    """Where the files of a source lie, or `digits`; none if nobody knows any more."""
    digest = source.removeprefix("source:")
    with suppress(StudioError):
        return DIGITS if digest == DIGITS else str(studio.workspace.location("sources", digest)["place"])
    return None
