"""select.filter: freeze what passes the filters into a set."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from synthstudio.artifacts import ImageSet
from synthstudio.errors import BadInput, UnknownName
from synthstudio.events import Event, Measured, Note, Output
from synthstudio.filters import AboveChance, AtMost, Filter, TopPerLabel, sentence
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.terms import ImageSetId, ScoresId

Row = tuple[str, str]  # image, label
Scores = dict[str, dict[str, float]]  # by scorer, then by image


class FilterImages(Step):
    """Keep the images whose scores pass. Nothing is deleted: another threshold is another set."""

    kind: ClassVar[str] = "select.filter"
    title: ClassVar[str] = "Keep the good ones"
    version: ClassVar[int] = 2  # 1 filled thin classes up with what other filters had refused

    images: ImageSetId
    scores: Annotated[
        tuple[ScoresId, ...], Field(max_length=50, description="The numbers the filters read, one per scorer.")
    ] = ()
    filters: Annotated[
        tuple[Filter, ...], Field(max_length=50, description="Conditions, applied in order; none keeps every image.")
    ] = ()
    minimum_per_class: Annotated[
        int,
        Field(
            ge=0,
            le=1_000_000,
            description="Fill a class up to so many with its best by the first filter's scorer that pass the others.",
        ),
    ] = 0

    def run(self, work: Work) -> Iterator[Event]:
        """Ask the catalog's own question, fill up thin classes, freeze the answer."""
        members = list(work.workspace.image_set(self.images))
        candidates = [(m.image, m.label) for m in members]
        scores = _read(work, self.scores)
        for one in self.filters:
            if one.scorer not in scores:
                raise UnknownName.among("score among the given ones", one.scorer, scores)
        yield from _unscored(candidates, scores, self.filters)
        values = [(image, name, value) for name, known in scores.items() for image, value in known.items()]
        kept = set(work.select(candidates, values, self.filters))
        if self.filters and self.minimum_per_class:
            others = set(work.select(candidates, values, self.filters[1:]))
            yield from self._fill_up(kept, [row for row in candidates if row in others], candidates, scores)
        if not kept:
            raise BadInput(_empty(work, candidates, values, self.filters))
        yield Note(text=sentence(self.filters))
        yield from _counted(candidates, kept)
        chosen = ImageSet.of("set", [m for m in members if (m.image, m.label) in kept])
        yield Output(name="images", value=work.workspace.put_set(chosen))

    def _fill_up(
        self, kept: set[Row], accepted: Sequence[Row], candidates: Sequence[Row], scores: Scores
    ) -> Iterator[Note]:
        """Add the best of thin classes to `kept`, from the rows that every filter but the first accepts."""
        first = self.filters[0]
        known = scores[first.scorer]
        sign = 1 if isinstance(first, AtMost) else -1  # the best are those the first filter likes best
        for label in sorted({label for _, label in candidates}):
            have = sum(row[1] == label for row in kept)
            others = sorted(
                (row for row in accepted if row[1] == label and row not in kept and row[0] in known),
                key=lambda row: (sign * known[row[0]], row[0]),
            )
            added = others[: max(0, self.minimum_per_class - have)]
            kept.update(added)
            if added:
                yield Note(
                    text=f"{label!r} kept {have}; its {len(added)} best by {first.scorer} were added to reach "
                    f"{have + len(added)}.",
                    level="warning",
                )
            if have + len(added) < self.minimum_per_class:
                yield Note(
                    text=f"{label!r} has {have + len(added)} images, fewer than the {self.minimum_per_class} asked "
                    "for: no other passes the filters. Make more, or loosen a filter.",
                    level="warning",
                )


def _read(work: Work, ids: Sequence[str]) -> Scores:
    scores: Scores = {}
    for one in ids:
        body = work.workspace.document(one)
        known = scores.setdefault(str(body["scorer"]), {})
        known.update({str(image): float(value) for image, value in body["values"] if value is not None})
    return scores


def _unscored(candidates: Sequence[Row], scores: Scores, filters: Sequence[Filter]) -> Iterator[Note]:
    for scorer in dict.fromkeys(one.scorer for one in filters):
        missing = sum(image not in scores[scorer] for image, _ in candidates)
        if missing:
            yield Note(
                text=f"{missing} of {len(candidates)} images have no {scorer} score and cannot pass. "
                "Score them to give them a chance.",
                level="warning",
            )


def _counted(candidates: Sequence[Row], kept: set[Row]) -> Iterator[Event]:
    before = Counter(label for _, label in candidates)
    after = Counter(label for _, label in kept)
    for label in sorted(before):
        yield Measured(name="kept", value=after[label] / before[label], n=before[label], label=label)
    rows = [f"{label} {after[label]} of {before[label]}" for label in sorted(before)]
    rest = f" and {len(rows) - 20} more classes" if len(rows) > 20 else ""
    yield Note(text=f"Kept {len(kept)} of {len(candidates)}: {', '.join(rows[:20])}{rest}.")
    gone = [label for label in sorted(before) if not after[label]]
    if gone:
        yield Note(
            text=f"Nothing is kept of {', '.join(repr(label) for label in gone[:20])}. "
            "Loosen a filter, or set minimum_per_class.",
            level="warning",
        )


def _empty(
    work: Work, candidates: Sequence[Row], values: Sequence[tuple[str, str, float]], filters: Sequence[Filter]
) -> str:
    """Which filter removed the last image, and what to change."""
    if not candidates:
        return "The set to filter is empty. Make images first."
    left = len(candidates)
    for place, one in enumerate(filters):
        passing = len(work.select(candidates, values, filters[: place + 1]))
        if not passing:
            found = [value for image, name, value in values if name == one.scorer]
            return (
                f"No image passes {one.says()} ({left} reached this filter{_range(found)}). {_remedy(one)}, "
                "or set minimum_per_class."
            )
        left = passing
    return "No image passes the filters. Loosen one, or set minimum_per_class."


def _range(found: Sequence[float]) -> str:
    return f"; its values lie between {min(found):.3g} and {max(found):.3g}" if found else "; none of them has a score"


def _remedy(one: Filter) -> str:
    if isinstance(one, TopPerLabel):
        return f"Score the images with {one.scorer}"
    if isinstance(one, AboveChance):
        return f"Lower its factor {one.factor:g}"
    return f"{'Raise' if isinstance(one, AtMost) else 'Lower'} its value {one.value:g}"
