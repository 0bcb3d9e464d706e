"""From answers to a report: accuracies, intervals, per class, confusion, and the sentence that answers the question."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from synthstudio.statistics import Interval, mean_over_folds, paired_bootstrap, wilson

ARMS = ("zero_shot", "real_only", "synthetic_only", "real_and_synthetic")


@dataclass(frozen=True)
class FoldAnswers:
    """What every arm answered for the test images of one fold."""

    images: tuple[str, ...]
    truth: tuple[str, ...]
    answers: dict[str, tuple[str, ...]]

    def right(self, arm: str) -> list[bool]:
        """Whether each answer of an arm is right."""
        return [answer == truth for answer, truth in zip(self.answers[arm], self.truth, strict=True)]

    def accuracy(self, arm: str, label: str | None = None) -> tuple[Interval, int]:
        """Accuracy with its Wilson interval, and n; of one label if it is given."""
        hits = [right for right, truth in zip(self.right(arm), self.truth, strict=True) if label in (None, truth)]
        return wilson(sum(hits), len(hits)), len(hits)


def build(folds: Sequence[FoldAnswers], labels: Sequence[str]) -> dict[str, Any]:
    """The report of a comparison. All numbers are fractions of 1 on test images.

    mean and interval95: over folds by Student's t; with one fold its accuracy and Wilson interval.
    difference: real_and_synthetic − real_only, see `difference`.
    """
    arms = [arm for arm in ARMS if arm in folds[0].answers]
    means = {arm: _mean([fold.accuracy(arm)[0] for fold in folds]) for arm in arms}
    report: dict[str, Any] = {
        "folds": [
            {
                "fold": number,
                **{arm: fold.accuracy(arm)[0].value if arm in arms else None for arm in ARMS},
                "test_images": len(fold.images),
            }
            for number, fold in enumerate(folds)
        ],
        "mean": {arm: means[arm].value if arm in arms else None for arm in ARMS},
        "interval95": {arm: [means[arm].low, means[arm].high] for arm in arms},
        "interval_over": "folds (Student's t)" if len(folds) > 1 else "test images (Wilson)",
        "labels": list(labels),
        "per_class": {arm: _per_class(folds, arm, labels) for arm in arms},
        "confusion": {arm: _confusion(folds, arm, labels) for arm in arms},
    }
    if {"real_only", "real_and_synthetic"} <= set(arms):
        report["difference"] = difference(folds)
        report["sentence"] = sentence(report["difference"])
    else:
        report["sentence"] = "Train classifiers on real images and on both to learn whether synthetic images help."
    return report


def difference(folds: Sequence[FoldAnswers]) -> dict[str, Any]:
    """Accuracy with synthetic images minus accuracy without, on the same test images, with two intervals.

    bootstrap resamples the test images of all folds together and holds the few-shot draws and the trainings fixed: it
    says what other test photos would give. t takes each fold's difference as one draw: it says what other shots would
    give, and is wide for few folds. The answer uses t from three folds on, the bootstrap below.
    """
    gains = [fold.accuracy("real_and_synthetic")[0].value - fold.accuracy("real_only")[0].value for fold in folds]
    boot = paired_bootstrap(
        [image for fold in folds for image in fold.images],
        [right for fold in folds for right in fold.right("real_and_synthetic")],
        [right for fold in folds for right in fold.right("real_only")],
    )
    over_folds = mean_over_folds(gains) if len(folds) > 1 else None
    method, used = ("t", over_folds) if over_folds and len(folds) >= 3 else ("bootstrap", boot)
    return {
        "value": sum(gains) / len(gains),
        "low": used.low,
        "high": used.high,
        "method": method,
        "bootstrap": [boot.low, boot.high],
        "t": [over_folds.low, over_folds.high] if over_folds else None,
        "per_fold": gains,
        "n": sum(len(fold.images) for fold in folds),
        "folds": len(folds),
    }


def sentence(found: dict[str, Any]) -> str:
    """The answer in words. Only an interval that excludes zero is called a change."""
    verdict = "did not measurably change"
    if found["low"] > 0:
        verdict = "raised"
    elif found["high"] < 0:
        verdict = "lowered"
    value, low, high = (f"{100 * found[name]:+.1f}" for name in ("value", "low", "high"))
    folds = "1 fold" if found["folds"] == 1 else f"{found['folds']} folds"
    basis = "t over folds" if found["method"] == "t" else "bootstrap over test images"
    return (
        f"Synthetic images {verdict} accuracy: {value} points "
        f"(95 % interval {low} to {high}, {basis}, n = {found['n']} test images, {folds})."
    )


def _mean(values: Sequence[Interval]) -> Interval:
    return values[0] if len(values) == 1 else _within_one(mean_over_folds([value.value for value in values]))


def _within_one(found: Interval) -> Interval:
    return Interval(found.value, max(0.0, found.low), min(1.0, found.high))


def _per_class(folds: Sequence[FoldAnswers], arm: str, labels: Sequence[str]) -> dict[str, Any]:
    """Accuracy of each label over the test images of all folds; labels that are not tested are left out."""
    rows = {}
    for label in labels:
        hits = [
            right for fold in folds for right, truth in zip(fold.right(arm), fold.truth, strict=True) if truth == label
        ]
        if hits:
            value, low, high = wilson(sum(hits), len(hits))
            rows[label] = {"accuracy": value, "low": low, "high": high, "n": len(hits)}
    return rows


def _confusion(folds: Sequence[FoldAnswers], arm: str, labels: Sequence[str]) -> list[list[int]]:
    """Counts over all folds: rows are the true labels, columns the answers."""
    places = {label: place for place, label in enumerate(labels)}
    counts = [[0] * len(labels) for _ in labels]
    for fold in folds:
        for truth, answer in zip(fold.truth, fold.answers[arm], strict=True):
            counts[places[truth]][places[answer]] += 1
    return counts
