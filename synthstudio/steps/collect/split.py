"""Split real images once, honestly: shots to learn from, validation to choose by, a test set only evaluation reads."""

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from synthstudio.artifacts import ImageSet, Member, split_id
from synthstudio.effort import Amounts, Effort
from synthstudio.errors import BadInput
from synthstudio.events import Event, Note, Output, Refused
from synthstudio.provenance import names
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.collect.partition import Partition, draw_shots, hold_out
from synthstudio.steps.copies import MISSING, alike
from synthstudio.terms import Fold, Fraction, ModelRef, PoolId, Seed, Shots
from synthstudio.workspace import write_atomically

COUNTED = "shots / validation / test: "  # how the note begins that counts what the sets show
_SHOWN = 12


class Split(Step):
    """Divide a pool into shots, validation and test. Near-duplicates stay on one side.

    Fingerprints find them, and an eye whose proposals pixels confirm (`synthstudio.witness`).
    """

    kind: ClassVar[str] = "collect.split"
    title: ClassVar[str] = "Split: shots, validation, test"
    reads_logs: ClassVar[bool] = True
    version: ClassVar[int] = 2  # 1 knew no eye

    images: PoolId
    shots: Shots = None
    fold: Fold = 0
    test_fraction: Annotated[
        Fraction, Field(description="Share of each class held out for testing, if the source declares no test split.")
    ] = 0.5
    validation_per_class: Annotated[
        int, Field(ge=0, le=10_000, description="At most so many images per class to make choices with.")
    ] = 25
    seed: Seed = 0
    eye: Annotated[
        ModelRef | None,
        Field(description="Looks for cropped and changed copies beside fingerprints; none: fingerprints alone."),
    ] = None

    @classmethod
    def upgrade(cls, fields: dict[str, Any], version: int) -> dict[str, Any]:
        """Version 1 looked for copies by fingerprint alone."""
        return fields if version >= cls.version else {**fields, "eye": None}

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        return Effort.once(there.photos)

    def run(self, work: Work) -> Iterator[Event]:
        """Find near-duplicates, hold the test set out, draw the shots of this fold."""
        pool = work.workspace.image_set(self.images)
        members = list(pool)
        together = yield from _near_duplicates(self.images, self.eye, members, work)
        found = hold_out(members, together, self.test_fraction, self.seed)
        draw_shots(found, members, together, self.shots, self.validation_per_class, f"{self.seed}/shots/{self.fold}")
        if not found.test:
            raise BadInput(_nothing_to_test(members, found))
        yield from _leak_refusals(found, work)
        yield from _doubtful_labels(members, together, work)
        yield from self._warnings(members, found)
        yield from _write(members, found, work)

    def _warnings(self, members: Sequence[Member], found: Partition) -> Iterator[Note]:
        shots, test = _counts(members, found.shots), _counts(members, found.test)
        if found.untrained:
            yield _warning(f"No image to learn from in {_listed(found.untrained)}: left out of the test set as well.")
        untested = [label for label in shots if label not in test]
        if untested:
            yield _warning(f"{_listed(untested)} cannot be tested: too few images. Add at least one more of each.")
        few = [f"{label!r} has {count}" for label, count in shots.items() if count < (self.shots or 0)]
        if few:
            rest = f" and {len(few) - _SHOWN} more classes" if len(few) > _SHOWN else ""
            yield _warning(
                f"{self.shots} shots per class were asked for, but {', '.join(few[:_SHOWN])}{rest} after holding out "
                "the test images; what there is is used."
            )
        if not found.validation and self.validation_per_class:
            yield _warning(
                "No image is left for validation. Choices can only look at the shots: add images if you can."
            )


def _near_duplicates(
    pool_id: str, eye: str | None, members: Sequence[Member], work: Work
) -> Generator[Event, None, list[list[int]]]:
    """Groups of members, from the workspace's cache if this pool was looked at before: every fold asks again."""
    from synthstudio import fingerprint, witness

    versions = f"{fingerprint.VERSION}-{witness.VERSION}-{(eye or 'no-eye').rpartition('@')[2]}"
    cache = work.workspace.root / "cache" / f"near-duplicates-{versions}-{split_id(pool_id)[1]}.json"
    kept = _kept(cache, len(members))
    if kept is None:
        found = yield from alike(work, eye, [member.image for member in members])
        kept = {"groups": fingerprint.grouped(len(members), found.pairs), "how": found.how}
        write_atomically(cache, json.dumps(kept).encode())
    level: Literal["info", "warning"] = "warning" if kept["how"] == MISSING else "info"
    yield Note(text=f"{len(members)} images compared with each other {kept['how']}", level=level)
    return list(kept["groups"])


def _kept(cache: Path, count: int) -> dict[str, Any] | None:
    """What an earlier fold found; nothing where it is not there, or damaged: it is only a cache."""
    try:
        kept: dict[str, Any] = json.loads(cache.read_bytes())
        whole = sorted(i for group in kept["groups"] for i in group) == list(range(count)) and str(kept["how"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return kept if whole else None


def _leak_refusals(found: Partition, work: Work) -> Iterator[Event]:
    known = names(work.workspace, {i for dropped in found.dropped for i in (dropped.image, dropped.twin)})
    for one in found.dropped:
        yield Refused(
            name=known[one.image],
            reason=f"shows the same photograph as {known[one.twin]}, which is held out for {one.split}; "
            "it is left out of training so that the numbers stay honest.",
        )
    if found.dropped:
        yield _warning(f"{len(found.dropped)} training images were near-copies of held-out ones and were left out.")


def _doubtful_labels(members: Sequence[Member], groups: Sequence[Sequence[int]], work: Work) -> Iterator[Note]:
    mixed = [group for group in groups if len({members[i].label for i in group}) > 1]
    known = names(work.workspace, {members[i].image for group in mixed[:_SHOWN] for i in group})
    for group in mixed[:_SHOWN]:
        shown = ", ".join(f"{known[members[i].image]} ({members[i].label})" for i in group[:_SHOWN])
        yield _warning(f"The same photograph under different classes: {shown}. Check which is right.")


def _write(members: Sequence[Member], found: Partition, work: Work) -> Iterator[Event]:
    shots, validation, test = (_counts(members, part) for part in (found.shots, found.validation, found.test))
    rows = [f"{label}: {shots[label]} / {validation.get(label, 0)} / {test.get(label, 0)}" for label in shots]
    rest = f"; and {len(rows) - _SHOWN} more classes" if len(rows) > _SHOWN else ""
    total = f"{len(found.shots)} / {len(found.validation)} / {len(found.test)}"
    yield Note(text=f"{COUNTED}{total} images. {'; '.join(rows[:_SHOWN])}{rest}.")

    def stored(role: str, part: Sequence[int]) -> str | None:
        chosen = [members[i] for i in part]
        return work.workspace.put_set(ImageSet.of("test" if role == "test" else "set", chosen)) if chosen else None

    yield Output(name="shots", value=stored("set", found.shots))
    yield Output(name="validation", value=stored("set", found.validation))
    yield Output(name="test", value=stored("test", found.test))
    yield Output(name="labels", value=sorted(shots))


def _counts(members: Sequence[Member], part: Sequence[int]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for i in part:
        counts[members[i].label] = counts.get(members[i].label, 0) + 1
    return dict(sorted(counts.items()))


def _nothing_to_test(members: Sequence[Member], found: Partition) -> str:
    if len(found.untrained) == len({m.label for m in members}):
        return (
            "Every image is held out or a copy of a held-out one; nothing is left to learn from. Add training images."
        )
    return (
        "No class can be tested: there is only one photograph (or copies of one) in each. "
        "Add images, at least two different ones per class."
    )


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(repr(label) for label in labels[:_SHOWN])
    return f"{shown} and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else shown


def _warning(text: str) -> Note:
    return Note(text=text, level="warning")
