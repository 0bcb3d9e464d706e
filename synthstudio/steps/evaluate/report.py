"""From answers to a report: accuracies, intervals, per class, confusion, and the sentence that answers the question."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthstudio.statistics import Interval, crossed, crossed_share, wilson

ARMS = ("zero_shot", "real_only", "synthetic_only", "real_and_synthetic")


@dataclass(frozen=True)
class FoldAnswers:
    """What every arm answered for the test images of one fold. `drawn` names the shots: equal ones are one draw."""

    images: tuple[str, ...]
    truth: tuple[str, ...]
    answers: dict[str, tuple[str, ...]]
    drawn: str = ""

    def right(self, arm: str) -> list[bool]:
        """Whether each answer of an arm is right."""
        return [answer == truth for answer, truth in zip(self.answers[arm], self.truth, strict=True)]

    def accuracy(self, arm: str, label: str | None = None) -> tuple[Interval, int]:
        """Accuracy with its Wilson interval, and n; of one label if it is given."""
        hits = [right for right, truth in zip(self.right(arm), self.truth, strict=True) if label in (None, truth)]
        return wilson(sum(hits), len(hits)), len(hits)


@dataclass(frozen=True)
class Table:
    """The folds as (draws, images): who was right, averaged over folds with equal shots, NaN where nobody was asked."""

    images: tuple[str, ...]
    truth: tuple[str, ...]
    right: dict[str, NDArray[np.float64]]

    @classmethod
    def of(cls, folds: Sequence[FoldAnswers]) -> "Table":
        """Folds whose shots are the same are one draw: their answers are no new evidence about other shots."""
        truth = {image: label for fold in folds for image, label in zip(fold.images, fold.truth, strict=True)}
        column = {image: place for place, image in enumerate(truth)}
        row = {key: place for place, key in enumerate(dict.fromkeys(drawn(folds)))}
        right = {}
        for arm in folds[0].answers:
            sums, counts = np.zeros((len(row), len(column))), np.zeros((len(row), len(column)))
            for key, fold in zip(drawn(folds), folds, strict=True):
                places = [column[image] for image in fold.images]
                sums[row[key], places] += fold.right(arm)
                counts[row[key], places] += 1
            with np.errstate(invalid="ignore"):
                right[arm] = sums / counts
        return cls(tuple(truth), tuple(truth.values()), right)

    @property
    def draws(self) -> int:
        """How many different draws of shots there are."""
        return len(next(iter(self.right.values())))

    def accuracy(self, arm: str, label: str | None = None) -> tuple[Interval, int]:
        """Accuracy over all draws with its interval, and the number of different images; of one label if given."""
        chosen = [label in (None, truth) for truth in self.truth]
        rows = self.right[arm][:, chosen]
        return crossed_share(rows[~np.isnan(rows).all(1)]), sum(chosen)


def drawn(folds: Sequence[FoldAnswers]) -> list[str]:
    """What tells the draw of each fold from the others; a fold that does not say stands for itself."""
    return [fold.drawn or f"fold {number}" for number, fold in enumerate(folds)]


def build(folds: Sequence[FoldAnswers], labels: Sequence[str], named: Sequence[str] = ARMS) -> dict[str, Any]:
    """The report of a comparison of the arms `named`. All numbers are fractions of 1 on test images.

    mean and interval95: over test images and draws of shots, see `statistics.crossed_share`. n: different test images.
    difference: real_and_synthetic − real_only, see `difference`.
    """
    arms = [arm for arm in named if arm in folds[0].answers]
    table = Table.of(folds)
    means = {arm: table.accuracy(arm)[0] for arm in arms}
    report: dict[str, Any] = {
        "folds": [
            {
                "fold": number,
                **{arm: fold.accuracy(arm)[0].value if arm in arms else None for arm in named},
                "test_images": len(fold.images),
            }
            for number, fold in enumerate(folds)
        ],
        "n": len(table.images),
        "draws": table.draws,
        "mean": {arm: means[arm].value if arm in arms else None for arm in named},
        "interval95": {arm: [means[arm].low, means[arm].high] for arm in arms},
        "interval_over": _basis(table.draws),
        "labels": list(labels),
        "per_class": {arm: _per_class(table, arm, labels) for arm in arms},
        "confusion": {arm: _confusion(folds, arm, labels) for arm in arms},
    }
    if {"real_only", "real_and_synthetic"} <= set(arms):
        report["difference"] = difference(folds)
        report["sentence"] = sentence(report["difference"])
    else:
        report["sentence"] = "Train classifiers on real images and on both to learn whether synthetic images help."
    return report


def difference(
    folds: Sequence[FoldAnswers], after: str = "real_and_synthetic", before: str = "real_only"
) -> dict[str, Any]:
    """Accuracy of one arm minus that of another, image by image on the same test images, with its 95 % interval.

    low and high speak of other test images and, with two draws of shots or more, of other shots too (`crossed`).
    images holds the draws fixed: it is what other test photos would give, and narrower.
    """
    table = Table.of(folds)
    gains = table.right[after] - table.right[before]
    found, fixed = crossed(gains), crossed(np.nanmean(gains, 0, keepdims=True))
    return {
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "over": _basis(table.draws),
        "images": [fixed.low, fixed.high],
        "per_fold": [fold.accuracy(after)[0].value - fold.accuracy(before)[0].value for fold in folds],
        "n": len(table.images),
        "folds": len(folds),
        "draws": table.draws,
    }


def sentence(found: dict[str, Any]) -> str:
    """The answer in words. Only an interval that excludes zero is called a change."""
    verdict = "did not measurably change"
    if found["low"] > 0:
        verdict = "raised"
    elif found["high"] < 0:
        verdict = "lowered"
    value, low, high = (f"{100 * found[name]:+.1f}" for name in ("value", "low", "high"))
    return f"Synthetic images {verdict} accuracy: {value} points (95 % interval {low} to {high}, {said_of(found)})."


def said_of(found: dict[str, Any]) -> str:
    """What an interval is over, and how many different images and draws stand behind it."""
    folds = "1 fold" if found["folds"] == 1 else f"{found['folds']} folds"
    if found["draws"] < found["folds"]:
        sets = "one set" if found["draws"] == 1 else f"{found['draws']} different sets"
        folds += f" with {sets} of shots"
    return f"over {found['over']}, n = {found['n']} test images, {folds}"


def _basis(draws: int) -> str:
    return "test images and draws of shots" if draws > 1 else "test images"


def _per_class(table: Table, arm: str, labels: Sequence[str]) -> dict[str, Any]:
    """Accuracy of each label over all draws; labels that are not tested are left out. n: different test images."""
    rows = {}
    for label in labels:
        if label in table.truth:
            (value, low, high), n = table.accuracy(arm, label)
            rows[label] = {"accuracy": value, "low": low, "high": high, "n": n}
    return rows


def _confusion(folds: Sequence[FoldAnswers], arm: str, labels: Sequence[str]) -> list[list[int]]:
    """Counts of answers over all folds: rows are the true labels, columns the answers."""
    places = {label: place for place, label in enumerate(labels)}
    counts = [[0] * len(labels) for _ in labels]
    for fold in folds:
        for truth, answer in zip(fold.truth, fold.answers[arm], strict=True):
            counts[places[truth]][places[answer]] += 1
    return counts
