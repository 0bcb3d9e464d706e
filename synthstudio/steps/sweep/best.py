"""sweep.best: of settings that were tried, those whose images teach most and are still like the photos."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from synthstudio.effort import Amounts, Effort
from synthstudio.errors import BadInput
from synthstudio.events import Event, Measured, Note, Output, Progress
from synthstudio.statistics import Interval, best_of
from synthstudio.step import Step
from synthstudio.steps import Work, encoding
from synthstudio.steps.measure.images import of_classes
from synthstudio.steps.sweep import trials
from synthstudio.steps.sweep.next import said
from synthstudio.steps.sweep.ranges import Ranges, how_many
from synthstudio.steps.sweep.trials import MOST_TRIALS, Asked, Guard, Scored, Trial, Validation
from synthstudio.terms import ImageSetId, ModelRef, Seed, Slider

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class BestSettings(Step):
    """Choose by classification accuracy score on validation photos: what a linear probe learns from a trial's images.

    A trial whose images are farther from the photos than the guard allows is not chosen. In a recipe this step stands
    for its trials as well: the step that takes its settings from it is made once for each of them, with fewer images.
    """

    kind: ClassVar[str] = "sweep.best"
    title: ClassVar[str] = "Choose the best of the settings that were tried"

    ranges: Ranges
    trials: Annotated[
        int, Field(ge=1, le=MOST_TRIALS, description="How many settings are tried, the first ones included."),
        Slider(2, 40, 1),
    ] = 12  # fmt: skip
    images_per_class: Annotated[
        int, Field(ge=2, le=10_000, description="Images of each class that a trial makes."), Slider(2, 100, 1)
    ] = 20
    asked: Asked
    scored: Scored
    images: Annotated[tuple[ImageSetId, ...], Field(max_length=MOST_TRIALS, description="The images of each trial.")]
    validation: Validation = None
    encoder: ModelRef
    guard: Guard = None
    seed: Seed = 0

    @model_validator(mode="after")
    def _has_trials(self) -> Self:
        counts = {len(one) for one in (self.asked, self.scored, self.images)}
        if counts != {self.trials}:
            raise ValueError("each trial needs settings, images and a measurement; ask for them with: sweep")
        return self

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        return Effort.once(int(fields["trials"]))

    def run(self, work: Work) -> Iterator[Event]:
        """Read the trials, choose, compare the choice with the first, and say how sure that is."""
        validation = trials.photos(self.validation)
        found = trials.read(work.workspace, self.asked, self.scored, self.guard)
        best = self._chosen(found)
        answers = []
        for place in (0, best):
            answers.append((yield from self._answers(work, self.images[place], validation)))
        difference = best_of(answers[1], answers[0], self.trials - 1) if best else None
        sentence = _sentence(found, best, difference, len(answers[0]))
        body = {
            "trials": [one.body() for one in found], "best": best, "guard": self.guard, "n": len(answers[0]),
            "difference": list(difference) if difference else None, "sentence": sentence,
        }  # fmt: skip
        yield Progress(done=self.trials, total=self.trials, unit="trials")
        yield Note(text=sentence)
        value, low, high = found[best].teaches
        yield Measured(name="teaches", value=value, low=low, high=high, n=len(answers[0]), split="validation")
        yield Output(name="choice", value=work.workspace.put_document("choice", body))
        yield Output(name="images", value=self.images[best])
        for field, setting in found[best].settings.items():
            yield Output(name=field, value=setting)

    def _chosen(self, found: Sequence[Trial]) -> int:
        """The place of the best trial; of equals the earliest. BadInput where the guard lets none pass."""
        passing = [place for place, one in enumerate(found) if one.passes]
        if not passing:
            nearest = min(one.distance.value for one in found)
            raise BadInput(
                f"None of {len(found)} trials passes the guard: the nearest has a kernel distance of {nearest:.3g} to "
                f"the photos, and {self.guard:g} is the most. Raise the guard, or try other ranges."
            )
        return max(passing, key=lambda place: (found[place].teaches.value, -place))

    def _answers(self, work: Work, images: str, validation: str) -> "Generator[Event, None, NDArray[np.float64]]":
        """Which photos a probe names that has learnt from these images, as `measure.images` asks."""
        import numpy as np

        from synthstudio import measures

        made = work.workspace.image_set(images)
        real = of_classes(work.workspace.image_set(validation), made.labels)
        shown = yield from encoding.embeddings(work, self.encoder, [one.image for one in made])
        asked = yield from encoding.embeddings(work, self.encoder, [one.image for one in real])
        labels, truth = (np.asarray([one.label for one in side]) for side in (made, real))
        return measures.named(shown, labels, asked, truth).astype(np.float64)


def check_room(ranges: Ranges, wanted: int) -> None:
    """BadInput where the ranges hold fewer settings than trials are asked for."""
    room = how_many(ranges)
    if wanted > room:
        raise BadInput(f"These ranges hold {room} different settings. Ask for at most {room} trials, or widen a range.")


def _sentence(found: Sequence[Trial], best: int, difference: Interval | None, photos: int) -> str:
    """What was found, as it may be told."""
    first, refused = found[0], sum(not one.passes for one in found)
    out = f" The guard refused {refused} of {len(found)} trials." if refused else ""
    if difference is None:
        return (
            f"No settings did better than those the sweep began from ({said(first.settings)}): they teach "
            f"{_percent(first.teaches.value)} of {photos} validation photos.{out}"
        )
    value, low, high = (f"{100 * one:+.1f}" for one in difference)
    compared = f"{value} points against {said(first.settings)}, 95 % interval {low} to {high}"
    best_words = f"Trial {best + 1} ({said(found[best].settings)}) teaches most, {_percent(found[best].teaches.value)}"
    told = f"{best_words} of {photos} validation photos: {compared}, corrected for {len(found) - 1} comparisons."
    if difference.low > 0:
        return told + out
    return (
        f"{told} That is within chance: these photos cannot tell it from the settings the sweep began from. More "
        f"photos to validate with, or more images per trial, would tell more.{out}"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
