"""From answers to what a review was worth: four accuracies, three differences, one sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

from synthstudio.artifacts import ImageSet
from synthstudio.steps.evaluate import report
from synthstudio.steps.evaluate.report import FoldAnswers

ARMS = ("zero_shot", "real_only", "everything", "selection", "random")
_RIVALS = ("everything", "random", "real_only")
# (against everything, against random), each -1, 0 or 1: the verdict. Only intervals that exclude zero count.
_VERDICTS = {
    (1, 1): "Your review helped",
    (1, 0): "Fewer images helped, but your review is not measurably better than chance",
    (1, -1): "Fewer images helped, but chance chose them better than your review",
    (0, 1): "Your review chose better than chance, but did no measurable good against keeping everything",
    (0, 0): "Your review did not measurably change accuracy",
    (0, -1): "Your review chose worse than chance, without measurable harm against keeping everything",
    (-1, 1): "Your review chose better than chance, but keeping everything is better still",
    (-1, 0): "Fewer images cost accuracy, your review no more than chance",
    (-1, -1): "Your review cost accuracy",
}


def counted(folds: Sequence[tuple[ImageSet, ImageSet]]) -> dict[str, int]:
    """From (what the filter kept, what was chosen) of every fold: sizes, and what the review changed."""
    counts = {"everything": 0, "selection": 0, "left_out": 0, "moved": 0, "added": 0}
    for kept, chosen in folds:
        labels = {member.image: member.label for member in kept}
        here = {member.image for member in chosen}
        counts["everything"] += len(kept)
        counts["selection"] += len(chosen)
        counts["left_out"] += len(set(labels) - here)
        counts["added"] += len(here - set(labels))
        counts["moved"] += sum(labels.get(member.image, member.label) != member.label for member in chosen)
    return counts


def build(folds: Sequence[FoldAnswers], labels: Sequence[str], counts: Mapping[str, int]) -> dict[str, Any]:
    """The report; `differences` are of the selection against each rival, see `report.difference`."""
    body = report.build(folds, labels, ARMS)
    rivals = [rival for rival in _RIVALS if rival in folds[0].answers]
    differences = {rival: report.difference(folds, "selection", rival) for rival in rivals}
    return body | {"differences": differences, "counts": dict(counts), "sentence": sentence(differences, counts)}


def sentence(differences: Mapping[str, dict[str, Any]], counts: Mapping[str, int]) -> str:
    """What the review was worth: against everything the filter kept, and against as many images at random."""
    everything, chance = differences["everything"], differences["random"]
    verdict = _VERDICTS[_sign(everything), _sign(chance)]
    changes = ((counts["left_out"], "left out"), (counts["moved"], "moved"), (counts["added"], "added"))
    how = ", ".join(f"{count} {words}" for count, words in changes if count) or "nothing changed"
    return (
        f"{verdict}: {counts['selection']} of {counts['everything']} images ({how}) gave {_points(everything)} against "
        f"everything the filter kept and {_points(chance)} against a random selection of the same size "
        f"({report.said_of(everything)})."
    )


def _sign(found: Mapping[str, Any]) -> int:
    return (found["low"] > 0) - (found["high"] < 0)


def _points(found: Mapping[str, Any]) -> str:
    value, low, high = (f"{100 * found[name]:+.1f}" for name in ("value", "low", "high"))
    return f"{value} points (95 % interval {low} to {high})"
