"""evaluate.classifiers: any classifiers, whatever they were trained by, on the same untouched test images."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, model_validator

from synthstudio.artifacts import ImageSet
from synthstudio.effort import Amounts, Effort
from synthstudio.events import Event, Measured, Progress
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.terms import ClassifierId, TestSetId


def _each_once(named: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(named))


class CompareClassifiers(Step):
    """Ask several classifiers about the same test images; the first is compared with each of the others.

    They may have different encoders and methods. As in `evaluate.compare`, every image that one of them was trained on
    is compared with the test images before anything is measured, and one that shows a test image ends the comparison.
    """

    kind: ClassVar[str] = "evaluate.classifiers"
    title: ClassVar[str] = "Compare the classifiers on the test photos"

    test: TestSetId
    classifiers: Annotated[
        tuple[ClassifierId, ...],
        Field(min_length=1, max_length=50, description="Who is asked; the first one is compared with the others."),
        AfterValidator(_each_once),
    ]
    baseline: Annotated[
        ClassifierId | None,
        Field(description="The one of them to beat, for example trained on the real photos alone; none: no answer."),
    ] = None

    @model_validator(mode="after")
    def _can_be_beaten(self) -> "CompareClassifiers":
        if self.baseline is not None and self.baseline not in self.classifiers[1:]:
            raise ValueError("baseline must be one of the classifiers, and not the first, which is compared with it")
        return self

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        asked = len(fields["classifiers"])
        return Effort(there.photos * asked, asked)

    def run(self, work: Work) -> Iterator[Event]:
        from synthstudio.steps.evaluate import asking, leaks, report
        from synthstudio.steps.evaluate.report import FoldAnswers

        documents = {one: work.workspace.document(one) for one in self.classifiers}
        test = work.workspace.image_set(self.test)
        alike = yield from leaks.refuse(work, 0, test, documents.values(), documents[self.classifiers[0]]["encoder"])
        test = ImageSet(test.role, tuple(member for member in test if member.image not in alike))
        answers: dict[str, tuple[str, ...]] = {}
        for encoder in dict.fromkeys(str(body["encoder"]) for body in documents.values()):
            own = {one: body for one, body in documents.items() if body["encoder"] == encoder}
            answers |= yield from asking.asked(work, encoder, test, own)
            yield Progress(done=len(answers), total=len(documents), unit="classifiers")
        images, truth = (tuple(getattr(member, name) for member in test) for name in ("image", "label"))
        found = FoldAnswers(images, truth, {one: answers[one] for one in self.classifiers})
        yield from asking.measured(0, found)
        labels = sorted({label for body in documents.values() for label in body["labels"]} | set(truth))
        body = report.build([found], labels, self.classifiers) | self._judged(found)
        if "difference" in body:
            yield _difference(body["difference"], self.classifiers[0])
        body |= {"tests": [self.test], "classifiers": list(self.classifiers)}
        body["described"] = {one: _words(work, document) for one, document in documents.items()}
        yield from asking.said(work, body, [found])

    def _judged(self, found: Any) -> dict[str, Any]:
        """The first one against each of the others, and the answer in words."""
        from synthstudio.steps.evaluate import report

        first = self.classifiers[0]
        against = {one: report.difference([found], first, one) for one in self.classifiers[1:]}
        (value, low, high), n = found.accuracy(first)
        said = (
            f"This classifier names {100 * value:.1f} % of the test photos right "
            f"(95 % interval {100 * low:.1f} % to {100 * high:.1f} %, n = {n})."
        )
        if self.baseline is None:
            return {"against": against, "sentence": said}
        gain = against[self.baseline]
        sentence = f"{said} {_against_baseline(gain)}"
        return {"against": against, "difference": gain, "baseline": self.baseline, "sentence": sentence}


def _words(work: Work, document: dict[str, Any]) -> str:
    """What a classifier is, for a table: 'lora on pico-clip, 160 real and 300 synthetic images'."""
    sizes = {part: len(work.workspace.image_set(document[part])) for part in ("real", "synthetic") if document[part]}
    taught = " and ".join(f"{size} {part}" for part, size in sizes.items())
    return f"{document['kind'].replace('_', ' ')} on {document['encoder'].partition('@')[0]}, {taught} images"


def _against_baseline(gain: dict[str, Any]) -> str:
    """Only an interval that excludes zero is called a difference."""
    verdict = "No measurable difference to its baseline"
    if gain["low"] > 0:
        verdict = "Better than its baseline"
    elif gain["high"] < 0:
        verdict = "Worse than its baseline"
    value, low, high = (f"{100 * gain[name]:+.1f}" for name in ("value", "low", "high"))
    return f"{verdict}: {value} points (95 % interval {low} to {high}, over {gain['over']})."


def _difference(gain: dict[str, Any], arm: str) -> Measured:
    return Measured(
        name="difference", value=gain["value"], low=gain["low"], high=gain["high"], n=gain["n"], split="test", arm=arm
    )
