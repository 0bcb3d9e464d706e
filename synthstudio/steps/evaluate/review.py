"""evaluate.review: did a person's review help? Against everything the filter kept, and against chance."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from synthstudio.effort import Amounts, Effort
from synthstudio.events import Event, Measured
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.evaluate.compare import PerFold, Tests, check_folds
from synthstudio.terms import ClassifierId, ImageSetId, ModelRef, Prompt

_ARMS = ("real_only", "everything", "selection", "random")
Needed = Annotated[
    tuple[ClassifierId, ...], Field(min_length=1, max_length=1000, description="One classifier per fold.")
]
Sets = Annotated[tuple[ImageSetId, ...], Field(min_length=1, max_length=1000)]


class Review(Step):
    """Real only, real + everything the filter kept, real + the reviewed selection, real + as many at random.

    The same untouched test images for every arm. A selection that beats everything may do so only because it is
    smaller; the random selection of the same size and classes tells the two apart.
    """

    kind: ClassVar[str] = "evaluate.review"
    title: ClassVar[str] = "Ask what the review was worth"

    encoder: ModelRef
    tests: Tests
    real_only: PerFold = ()
    everything: Needed
    selection: Needed
    random: Needed
    kept: Annotated[Sets, Field(description="What the filter kept, per fold.")]
    chosen: Annotated[Sets, Field(description="What the review chose, per fold.")]
    prompt: Prompt = "a photo of a {label}"

    @model_validator(mode="after")
    def _one_per_fold(self) -> "Review":
        check_folds(self, (*_ARMS, "kept", "chosen"))
        return self

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        return Effort(there.photos, there.folds)

    def run(self, work: Work) -> Iterator[Event]:
        from synthstudio.steps.evaluate import asking, review_report

        trained = {arm: getattr(self, arm) for arm in _ARMS if getattr(self, arm)}
        answers, labels = yield from asking.answers(work, self.encoder, self.prompt, self.tests, trained)
        counts = review_report.counted(
            [(work.workspace.image_set(kept), work.workspace.image_set(chosen))
             for kept, chosen in zip(self.kept, self.chosen, strict=True)]
        )  # fmt: skip
        body = review_report.build(answers, labels, counts)
        for against, gain in body["differences"].items():
            yield Measured(name="difference", value=gain["value"], low=gain["low"], high=gain["high"], n=gain["n"],
                           split="test", arm=f"selection against {against}")  # fmt: skip
        body |= {"encoder": self.encoder, "prompt": self.prompt, "tests": list(self.tests)}
        body |= {"sets": {"kept": list(self.kept), "chosen": list(self.chosen)}}
        yield from asking.said(work, body, answers)
