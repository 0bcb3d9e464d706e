"""From cells to the judge's table: means with intervals, paired differences, and one honest sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthstudio.statistics import Interval, contrast, crossed, mean_over_draws, wilson
from synthstudio.steps.evaluate.arms import Arm
from synthstudio.steps.evaluate.exam import Cell

Key = tuple[str, bool]  # architecture, augmented


@dataclass(frozen=True)
class Result:
    """Everything measured of one arm: cells by (architecture, augmented), one per training, and its probes."""

    arm: Arm
    cells: Mapping[Key, Sequence[Cell]]
    probes: Sequence[Cell] = ()

    def each(self, architectures: Sequence[str], augmented: bool) -> list[float]:
        """The accuracy of every training, averaged over architectures."""
        rows = [self.cells[one, augmented] for one in architectures]
        return [_mean([cell.accuracy for cell in cells]) for cells in zip(*rows, strict=True)]

    def right(self, architectures: Sequence[str], augmented: bool) -> NDArray[np.float64]:
        """(trainings, test images): the share of architectures that had an image right."""
        rows = [[cell.right for cell in self.cells[one, augmented]] for one in architectures]
        return np.asarray(rows, dtype=float).mean(0)


def build(results: Sequence[Result], questions: Sequence[str], seen: Sequence[str]) -> dict[str, Any]:
    """The report: one row per arm, and the method against every baseline. Accuracies are fractions of 1 on test images.

    `questions` are the digests of the test images, `seen` the architectures the method has looked at. Intervals of an
    accuracy are Student's t over trainings (over draws for a random arm).
    """
    architectures = list(dict.fromkeys(architecture for architecture, _ in results[0].cells))
    unseen = [one for one in architectures if one not in seen]
    groups = {"unseen": unseen, "seen": [one for one in architectures if one in seen]}
    method = results[0]
    rivals = [result for result in results[1:] if result.arm.role == "baseline"]
    differences = [
        difference(method, rival, group, groups[group], augmented, questions)
        for group in groups
        if groups[group]
        for augmented in (False, True)
        for rival in [*rivals, *(result for result in results[1:] if result.arm.role == "other")]
    ]
    best = max(rivals, key=lambda result: _mean(result.each(unseen, True)))
    body = {
        "images_per_class": method.arm.per_class,
        "test_images": len(questions),
        "architectures": architectures,
        "seen": groups["seen"],
        "unseen": unseen,
        "arms": [_row(result, groups) for result in results],
        "differences": differences,
        "best_baseline": best.arm.name,
    }
    return body | {"sentence": sentence(body)}


def difference(
    method: Result, rival: Result, group: str, architectures: Sequence[str], augmented: bool, questions: Sequence[str]
) -> dict[str, Any]:
    """Accuracy of the method minus that of a rival on the same networks and test images, with its 95 % interval.

    Trainings and test images are both samples: trainings are paired by their number where both have one set
    (`statistics.crossed`), else the trainings of the method and the draws of the rival each add their spread
    (`statistics.contrast`).
    """
    after, before = method.right(architectures, augmented), rival.right(architectures, augmented)
    paired = len(method.arm.sets) == len(rival.arm.sets) == 1
    found = crossed(after - before) if paired else contrast(after, before)
    return {
        "against": rival.arm.name,
        "title": rival.arm.title,
        "networks": group,
        "augmented": augmented,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "n": len(questions),
    }


def sentence(body: Mapping[str, Any]) -> str:
    """Whether the method beats the best baseline on networks it never saw, and whether the class mean does as well.

    Decided with augmentation, as small sets are used; which baseline is best is seen in the same numbers, which favours
    the baseline.
    """
    found = _difference(body, body["best_baseline"])
    method = body["arms"][0]
    rival = next(arm for arm in body["arms"] if arm["arm"] == body["best_baseline"])
    verdict = "no measurable difference"
    if found["low"] > 0:
        verdict = "better"
    elif found["high"] < 0:
        verdict = "worse"
    value, low, high = (f"{100 * found[name]:+.1f}" for name in ("value", "low", "high"))
    mine, theirs = (f"{100 * arm['unseen']['augmented']['value']:.1f} %" for arm in (method, rival))
    each = body["images_per_class"]
    answer = (
        f"On networks it never saw ({', '.join(body['unseen'])}), {method['title']} with {each} "
        f"image{'' if each == 1 else 's'} per class reaches {mine}, the best baseline ({rival['title']}) {theirs}: "
        f"{verdict} ({value} points, 95 % interval {low} to {high}, n = {found['n']} test images)."
    )
    return f"{answer} {_class_mean(body, method['title'])}".strip()


def _class_mean(body: Mapping[str, Any], title: str) -> str:
    """Whether averaging would have done; nothing where the answer already says so."""
    if body["best_baseline"] == "class_mean" or title == "class mean":
        return ""
    found = _difference(body, "class_mean")
    value = f"{100 * found['value']:+.1f} points"
    if found["low"] > 0:
        return f"It beats the plain class mean ({value})."
    if found["high"] < 0:
        return f"The plain class mean, which takes no optimisation, does better ({value})."
    return f"The plain class mean, which takes no optimisation, does as well within the interval ({value})."


def _difference(body: Mapping[str, Any], against: str) -> Mapping[str, Any]:
    return next(
        one
        for one in body["differences"]
        if one["against"] == against and one["networks"] == "unseen" and one["augmented"]
    )


def _row(result: Result, groups: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """All numbers of one arm."""
    n = len(next(iter(result.cells.values()))[0].right)
    row: dict[str, Any] = {
        "arm": result.arm.name,
        "title": result.arm.title,
        "role": result.arm.role,
        "images": len(result.arm.sets[0]),
        "sets": [images.id for images in result.arm.sets],
        "trainings": len(next(iter(result.cells.values()))),
        "cells": [
            {"architecture": architecture, "augmented": augmented, "n": n, **_over([c.accuracy for c in cells])}
            for (architecture, augmented), cells in result.cells.items()
        ],
    }
    for group, architectures in groups.items():
        row[group] = {
            name: _over(result.each(architectures, augmented)) if architectures else None
            for name, augmented in (("plain", False), ("augmented", True))
        }
    row["probe"] = _probe(result.probes) if result.probes else None
    return row


def _probe(cells: Sequence[Cell]) -> dict[str, Any]:
    """One set has one probe, so its interval is over test images; several have one over draws."""
    if len(cells) > 1:
        return {**_over([cell.accuracy for cell in cells]), "interval_over": "draws (Student's t)"}
    value, low, high = wilson(sum(cells[0].right), len(cells[0].right))
    return {"value": value, "low": low, "high": high, "each": [value], "interval_over": "test images (Wilson)"}


def _over(values: Sequence[float]) -> dict[str, Any]:
    found = mean_over_draws(values)
    inside = Interval(found.value, max(0.0, found.low), min(1.0, found.high))
    return {"value": inside.value, "low": inside.low, "high": inside.high, "each": list(values)}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
