"""Which images pass filters while more and more are made: the scorers score, the catalog's own question decides."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from synthstudio.artifacts import ImageSet, Member
from synthstudio.events import Event, Measured, Note, Output, Progress, Scored
from synthstudio.filters import AtMost, Condition, sentence
from synthstudio.quantities import many
from synthstudio.statistics import wilson
from synthstudio.step import build, step_class
from synthstudio.steps import Work
from synthstudio.steps.score import keep

_NAMED = 20  # classes that one sentence counts


class Passing:
    """The images that were looked at, their scores, and which of them pass.

    `scorers`: the kind of every scorer that the filters name, with its fields but for the images.
    """

    def __init__(self, work: Work, filters: Sequence[Condition], scorers: Mapping[str, Mapping[str, Any]]) -> None:
        self._work, self._filters, self._scorers = work, filters, scorers
        self._members: dict[tuple[str, str], None] = {}  # (image, label), in the order in which they were made
        self._values: dict[str, dict[str, float | None]] = {kind: {} for kind in scorers}
        self._passing: dict[str, list[str]] = {}

    def of(self, label: str) -> list[str]:
        """The images of a class that pass, in the order in which they were made."""
        return self._passing.get(label, [])

    def look(self, new: Sequence[Member], done: int, total: int) -> Iterator[Event]:
        """Score new images. What scorers say of how far they are is said as `done` of `total` images; what they note
        is said once.
        """
        if not new:
            return
        first = not self._members
        images = self._work.workspace.put_set(ImageSet.of("set", new))
        for kind, fields in self._scorers.items():
            for event in build(kind, {"images": images, **fields}).run(self._work):
                if isinstance(event, Scored):
                    self._values[kind].update(event.values)
                if isinstance(event, Scored) or (first and isinstance(event, Note)):
                    yield event
                if isinstance(event, Progress):
                    yield Progress(done=done, total=total, unit="images")
        self._members |= dict.fromkeys((one.image, one.label) for one in new)
        self._decide()

    def _decide(self) -> None:
        kept, found = set(self._select(self._filters)), defaultdict(list)
        for row in self._members:
            if row in kept:
                found[row[1]].append(row[0])
        self._passing = found

    def _select(self, filters: Sequence[Condition]) -> list[tuple[str, str]]:
        scores = [
            (image, kind.partition(".")[2], value)
            for kind, known in self._values.items() for image, value in known.items() if value is not None
        ]  # fmt: skip
        return self._work.select(self._members, scores, filters)

    def documents(self, encoder: str | None) -> Iterator[Output]:
        """The scores of all images, a document each."""
        for kind, known in self._values.items():
            name = kind.partition(".")[2]
            with_eye = encoder if "encoder" in step_class(kind).model_fields else None
            yield Output(name=name, value=keep(self._work, name, with_eye, sorted(known.items())))

    # ---- what came of it

    def told(self, labels: Sequence[str], wanted: int) -> Iterator[Event]:
        """How many of each class were made and passed; of every class that has too few, why."""
        made, *_, passed = reached = self._reached()
        for label in labels:
            share, low, high = wilson(passed[label], made[label])
            yield Measured(name="kept", value=share, low=low, high=high, n=made[label], label=label)
        rows = [f"{label} {passed[label]} of {made[label]}" for label in labels[:_NAMED]]
        rest = f" and {len(labels) - _NAMED} more classes" if len(labels) > _NAMED else ""
        yield Note(text=f"{sentence(tuple(self._filters))} Passed: {', '.join(rows)}{rest}.")
        for label in [label for label in labels if passed[label] < wanted][:_NAMED]:
            text = f"{label!r} has {passed[label]} of {wanted} and no budget left: {self._why([label], reached)}"
            yield Note(text=text, level="warning")

    def none(self, labels: Sequence[str]) -> str:
        """Why no image passed, and what to change."""
        return f"No image was accepted and no budget is left: {self._why(labels, self._reached())}"

    def _reached(self) -> list[Counter[str]]:
        """How many images of each class reach each filter; at the end, how many pass all."""
        return [
            Counter(label for _, label in self._select(self._filters[:number]))
            for number in range(len(self._filters) + 1)
        ]

    def _why(self, labels: Sequence[str], reached: Sequence[Counter[str]]) -> str:
        """The share that passes of these classes, the filter that takes out most of them, and what to do about it."""
        left = [sum(counts[label] for label in labels) for counts in reached]
        lost = [before - after for before, after in pairwise(left)]
        worst = self._filters[lost.index(max(lost))]
        threshold = f"{'raise' if isinstance(worst, AtMost) else 'lower'} the threshold"
        first = step_class(f"score.{worst.scorer}").helping.get(worst.rule, "")
        remedy = f"{first}, or {threshold}" if first else threshold
        return (
            f"{_percent(left[-1] / left[0])} of {many(left[0], 'image')} pass, and {worst.says()} takes out "
            f"{max(lost):,}. {remedy[0].upper()}{remedy[1:]}."
        )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share == 0 or share >= 0.01 else f"{100 * share:.1f} %"
