"""Ask classifiers the same untouched test images, fold by fold, after looking for leaks: what every comparison does."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from synthstudio.artifacts import ImageSet
from synthstudio.errors import BadInput
from synthstudio.events import Event, Measured, Note, Output, Progress
from synthstudio.steps import Work, encoding

if TYPE_CHECKING:
    from synthstudio.steps.evaluate.report import FoldAnswers


def answers(
    work: Work, encoder: str, prompt: str, tests: Sequence[str], trained: Mapping[str, Sequence[str]]
) -> Generator[Event, None, "tuple[list[FoldAnswers], list[str]]"]:
    """What every arm (one classifier per fold) and zero-shot say of each test image; and the labels of all of them.

    Leak if a classifier was trained on a test image of its fold, by content, by fingerprint or by its encoder's eye.
    """
    from synthstudio.steps.evaluate import leaks

    folds = [work.workspace.image_set(test) for test in tests]
    documents = [
        {arm: work.workspace.document(ids[fold]) for arm, ids in trained.items()} for fold in range(len(folds))
    ]
    for fold, (test, own) in enumerate(zip(folds, documents, strict=True)):
        if not len(test):
            raise BadInput(f"The test set of fold {fold + 1} is empty. Split again with fewer shots.")
        alike = yield from leaks.refuse(work, fold, test, own.values(), encoder)
        folds[fold] = ImageSet(test.role, tuple(member for member in test if member.image not in alike))
    known = {label for fold in documents for one in fold.values() for label in one["labels"]}
    labels = sorted(known.union(*(test.labels for test in folds)))
    found = []
    for fold, (test, own) in enumerate(zip(folds, documents, strict=True)):
        own_answers = yield from _ask(work, (encoder, prompt), test, own, labels)
        found.append(replace(own_answers, drawn=_drawn(own.values())))
        yield from _one_sided(fold, found[-1])
        yield from measured(fold, found[-1])
        yield Progress(done=fold + 1, total=len(folds), unit="folds")
    return found, labels


def said(work: Work, body: Mapping[str, Any], found: "Sequence[FoldAnswers]") -> Iterator[Output]:
    """The report, and beside it who was called what: for a look at the mistakes."""
    yield Output(name="report", value=work.workspace.put_document("report", dict(body)))
    single = {"folds": [asdict(one) for one in found]}
    yield Output(name="answers", value=work.workspace.put_document("answers", single))


def _ask(
    work: Work, judge: tuple[str, str], test: ImageSet, trained: Mapping[str, dict[str, Any]], labels: list[str]
) -> Generator[Progress, None, "FoldAnswers"]:
    """The answers of one fold. `judge` is the encoder, and the prompt that zero-shot uses."""
    from synthstudio.steps.evaluate.report import FoldAnswers

    encoder, prompt = judge
    images = tuple(member.image for member in test)
    model = encoding.encoder(work, encoder)
    vectors = yield from encoding.embeddings(work, encoder, images)
    found = {}
    if model.reads_words:
        words = model.embed_labels(labels, [prompt])
        found["zero_shot"] = tuple(labels[place] for place in (vectors @ words.T).argmax(1))
    for arm, document in trained.items():
        if document["encoder"] != encoder:
            other = f"{document['encoder']}, not on {encoder}"
            raise BadInput(f"The {arm} classifier was trained on {other}. Compare classifiers of one encoder.")
    found |= yield from asked(work, encoder, test, trained)
    return FoldAnswers(images, tuple(member.label for member in test), found)


def asked(
    work: Work, encoder: str, test: ImageSet, trained: Mapping[str, dict[str, Any]]
) -> Generator[Progress, None, dict[str, tuple[str, ...]]]:
    """What classifiers of one encoder, given by their documents, say of each test image."""
    from synthstudio.engine import classifier

    images = tuple(member.image for member in test)
    model = encoding.encoder(work, encoder)
    vectors = yield from encoding.embeddings(work, encoder, images)
    shown = classifier.Images(model, lambda: encoding.pixels(work, model, images))
    found = {}
    for arm, document in trained.items():
        fitted = classifier.Fitted.read(document, work.workspace.get_weights(document["weights"]))
        best = classifier.probabilities(fitted, shown, vectors).argmax(1)
        found[arm] = tuple(fitted.labels[place] for place in best)
    return found


def _drawn(documents: Iterable[dict[str, Any]]) -> str:
    """What names the shots of a fold: the real sets its classifiers were trained on, else the synthetic ones."""
    sets = {one for body in documents for one in body["trained_on"]}
    made = {body["synthetic"] for body in documents if body.get("synthetic")}
    return " ".join(sorted(sets - made or sets)) or "no training"


def _one_sided(fold: int, found: "FoldAnswers") -> Iterator[Note]:
    """A warning about every arm that calls all images the same, though there are several classes."""
    for arm, given in found.answers.items():
        if len(set(given)) == 1 and len(set(found.truth)) > 1:
            yield Note(
                text=f"Fold {fold + 1}: {arm.replace('_', ' ')} calls every test image {given[0]!r}. It has learned "
                "nothing; look at its training images and its training loss.",
                level="warning",
            )


def measured(fold: int, found: "FoldAnswers") -> Iterator[Measured]:
    """Accuracy of every arm, over all test images and per label."""
    for arm in found.answers:
        for label in (None, *sorted(set(found.truth))):
            (value, low, high), n = found.accuracy(arm, label)
            yield Measured(name="accuracy", value=value, low=low, high=high, n=n, split="test", arm=arm,
                           label=label or "", fold=fold)  # fmt: skip
