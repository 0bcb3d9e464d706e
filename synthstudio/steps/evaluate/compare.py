"""evaluate.compare: did the synthetic images help? Measured on real images that nothing else has touched."""

from collections.abc import Generator, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, model_validator

from synthstudio.artifacts import ImageSet
from synthstudio.errors import BadInput
from synthstudio.events import Event, Measured, Output, Progress
from synthstudio.step import Step
from synthstudio.steps import Work, encoding
from synthstudio.terms import ClassifierId, ModelRef, Prompt, TestSetId

if TYPE_CHECKING:
    from synthstudio.steps.evaluate.report import FoldAnswers

_TRAINED = ("real_only", "synthetic_only", "real_and_synthetic")
PerFold = Annotated[
    tuple[ClassifierId, ...], Field(max_length=1000, description="One classifier per fold; empty: not compared.")
]


class Compare(Step):
    """Zero-shot, real only, synthetic only, real and synthetic: the same test images for every arm.

    Before anything is measured, every image a classifier was trained on is compared with the test images of its fold,
    by content and by fingerprint; one that shows a test image ends the comparison.
    """

    kind: ClassVar[str] = "evaluate.compare"

    encoder: ModelRef
    tests: Annotated[tuple[TestSetId, ...], Field(min_length=1, max_length=1000, description="One test set per fold.")]
    real_only: PerFold = ()
    synthetic_only: PerFold = ()
    real_and_synthetic: PerFold = ()
    prompt: Prompt = "a photo of a {label}"

    @model_validator(mode="after")
    def _one_per_fold(self) -> "Compare":
        for arm in _TRAINED:
            count, folds = len(getattr(self, arm)), len(self.tests)
            if count not in (0, folds):
                raise ValueError(f"{arm} names {count} classifiers for {folds} test sets; give one each")
        return self

    def run(self, work: Work) -> Iterator[Event]:
        from synthstudio.steps.evaluate import leaks, report

        tests = [work.workspace.image_set(test) for test in self.tests]
        documents = [
            {arm: work.workspace.document(getattr(self, arm)[fold]) for arm in _TRAINED if getattr(self, arm)}
            for fold in range(len(tests))
        ]
        for fold, (test, trained) in enumerate(zip(tests, documents, strict=True)):
            if not len(test):
                raise BadInput(f"The test set of fold {fold} is empty. Split again with fewer shots.")
            alike = yield from leaks.refuse(work, fold, test, trained.values())
            tests[fold] = ImageSet(test.role, tuple(member for member in test if member.image not in alike))
        known = {label for fold in documents for one in fold.values() for label in one["labels"]}
        labels = sorted(known.union(*(test.labels for test in tests)))
        answers = []
        for fold, (test, trained) in enumerate(zip(tests, documents, strict=True)):
            found = yield from self._ask(work, test, trained, labels)
            answers.append(found)
            yield from _measured(fold, found)
            yield Progress(done=fold + 1, total=len(tests), unit="folds")
        body = report.build(answers, labels)
        if "difference" in body:
            gain = body["difference"]
            yield Measured(name="difference", value=gain["value"], low=gain["low"], high=gain["high"], n=gain["n"],
                           split="test", arm="real_and_synthetic")  # fmt: skip
        body |= {"encoder": self.encoder, "prompt": self.prompt, "tests": list(self.tests)}
        body |= {arm: list(getattr(self, arm)) for arm in _TRAINED}
        yield Output(name="report", value=work.workspace.put_document("report", body))
        single = {"folds": [asdict(one) for one in answers]}  # who was called what: for a look at the mistakes
        yield Output(name="answers", value=work.workspace.put_document("answers", single))

    def _ask(
        self, work: Work, test: ImageSet, trained: dict[str, dict[str, Any]], labels: list[str]
    ) -> Generator[Progress, None, "FoldAnswers"]:
        from synthstudio.engine import classifier
        from synthstudio.steps.evaluate.report import FoldAnswers

        images = tuple(member.image for member in test)
        model = encoding.encoder(work, self.encoder)
        vectors = yield from encoding.embeddings(work, self.encoder, images)
        words = model.embed_labels(labels, [self.prompt])
        answers = {"zero_shot": tuple(labels[place] for place in (vectors @ words.T).argmax(1))}
        shown = classifier.Images(model, encoding.pixels(work, model, images))
        for arm, document in trained.items():
            if document["encoder"] != self.encoder:
                other = f"{document['encoder']}, not on {self.encoder}"
                raise BadInput(f"The {arm} classifier was trained on {other}. Compare classifiers of one encoder.")
            fitted = classifier.Fitted.read(document, work.workspace.get_weights(document["weights"]))
            best = classifier.probabilities(fitted, shown, vectors).argmax(1)
            answers[arm] = tuple(fitted.labels[place] for place in best)
        return FoldAnswers(images, tuple(member.label for member in test), answers)


def _measured(fold: int, found: "FoldAnswers") -> Iterator[Measured]:
    """Accuracy of every arm, over all test images and per label."""
    for arm in found.answers:
        for label in (None, *sorted(set(found.truth))):
            (value, low, high), n = found.accuracy(arm, label)
            yield Measured(name="accuracy", value=value, low=low, high=high, n=n, split="test", arm=arm,
                           label=label or "", fold=fold)  # fmt: skip
