"""evaluate.compare: did the synthetic images help? Measured on real images that nothing else has touched."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, model_validator

from synthstudio.effort import Amounts, Effort
from synthstudio.events import Event, Measured
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.terms import ClassifierId, ModelRef, Prompt, TestSetId

if TYPE_CHECKING:
    from synthstudio.steps.evaluate.review import Review

_TRAINED = ("real_only", "synthetic_only", "real_and_synthetic")
PerFold = Annotated[
    tuple[ClassifierId, ...], Field(max_length=1000, description="One classifier per fold; empty: not compared.")
]
Tests = Annotated[tuple[TestSetId, ...], Field(min_length=1, max_length=1000, description="One test set per fold.")]


def check_folds(step: "Compare | Review", arms: Sequence[str]) -> None:
    """ValueError unless every arm names one classifier per test set, or none."""
    for arm in arms:
        count, folds = len(getattr(step, arm)), len(step.tests)
        if count not in (0, folds):
            raise ValueError(f"{arm} names {count} for {folds} test sets; give one each")


class Compare(Step):
    """Zero-shot, real only, synthetic only, real and synthetic: the same test images for every arm.

    Before anything is measured, every image a classifier was trained on is compared with the test images of its fold,
    by content, by fingerprint and by what the encoder sees; one that shows a test image ends the comparison.
    """

    kind: ClassVar[str] = "evaluate.compare"
    title: ClassVar[str] = "Compare on the test photos"

    encoder: ModelRef
    tests: Tests
    real_only: PerFold = ()
    synthetic_only: PerFold = ()
    real_and_synthetic: PerFold = ()
    prompt: Prompt = "a photo of a {label}"

    @model_validator(mode="after")
    def _one_per_fold(self) -> "Compare":
        check_folds(self, _TRAINED)
        return self

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        return Effort(there.photos, there.folds)

    def run(self, work: Work) -> Iterator[Event]:
        from synthstudio.steps.evaluate import asking, report

        trained = {arm: getattr(self, arm) for arm in _TRAINED if getattr(self, arm)}
        answers, labels = yield from asking.answers(work, self.encoder, self.prompt, self.tests, trained)
        body = report.build(answers, labels)
        if "difference" in body:
            gain = body["difference"]
            yield Measured(name="difference", value=gain["value"], low=gain["low"], high=gain["high"], n=gain["n"],
                           split="test", arm="real_and_synthetic")  # fmt: skip
        body |= {"encoder": self.encoder, "prompt": self.prompt, "tests": list(self.tests)}
        body |= {arm: list(getattr(self, arm)) for arm in _TRAINED}
        yield from asking.said(work, body, answers)
