"""What the judge of small sets found, for a terminal and for the result file of a recipe."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from synthstudio.catalog.pipelines import Node
from synthstudio.jobs.readable import Readable
from synthstudio.statistics import mean_over_draws

_KIND = "evaluate.small_set"
Made = Mapping[str, Mapping[str, Any]]  # outputs by run


def judged(studio: Readable, nodes: Iterable[Node], made: Made) -> list[dict[str, Any]]:
    """The judge's reports, one per fold, each with what its arms cost; `made`: the outputs of the nodes' runs."""
    found = []
    for node in nodes:
        if node.kind == _KIND and node.run_id:
            outputs = made[node.run_id]
            report = studio.workspace.document(outputs["report"])
            found.append({"fold": node.fold, "report": outputs["report"], **report, "cost": outputs["cost"]})
    return found


def sentence(reports: Sequence[dict[str, Any]]) -> str:
    """The judge's answer; of several folds the mean difference to the baseline that is best over all of them."""
    if len(reports) == 1:
        return str(reports[0]["sentence"])
    against = {
        one["against"]: one["title"]
        for one in reports[0]["differences"]
        if one["against"] in {arm["arm"] for arm in reports[0]["arms"] if arm["role"] == "baseline"}
    }
    gains = {name: [_gain(report, name) for report in reports] for name in against}
    best = min(gains, key=lambda name: sum(gain["value"] for gain in gains[name]))
    value, low, high = (100 * number for number in _over_folds(gains[best]))
    verdict = "better" if low > 0 else "worse" if high < 0 else "no measurable difference"
    return (
        f"Over {len(reports)} folds, on networks it never saw, {reports[0]['arms'][0]['title']} against the best "
        f"baseline ({against[best]}): {verdict} ({value:+.1f} points, 95 % interval {low:+.1f} to {high:+.1f}, "
        "over test images, trainings and folds)."
    )


def _over_folds(gains: Sequence[dict[str, Any]]) -> tuple[float, float, float]:
    """The mean gain; its interval is the wider of t over folds and of what a fold says on average.

    All folds are judged by the same test images, whose effects the spread of the folds does not show.
    """
    mean, low, high = mean_over_draws([gain["value"] for gain in gains])
    below, above = (sum(gain[end] for gain in gains) / len(gains) for end in ("low", "high"))
    return mean, min(low, below), max(high, above)


def _gain(report: dict[str, Any], against: str) -> dict[str, Any]:
    for one in report["differences"]:
        if (one["against"], one["networks"], one["augmented"]) == (against, "unseen", True):
            return dict(one)
    raise KeyError(against)


def table(reports: Sequence[dict[str, Any]]) -> list[str]:
    """The table of each fold and its sentence, as lines of text."""
    lines: list[str] = []
    for report in reports:
        if len(reports) > 1:
            lines.append(f"Fold {report['fold']}:")
        lines += _one(report)
    if reports:
        lines.append(sentence(reports))
    return lines


def _one(report: dict[str, Any]) -> list[str]:
    """Rows: arms. Columns: networks never seen, without and with augmentation; the seen ones; the probe; the cost."""
    seconds = {one["arm"]: one["seconds_to_make"] for one in report["cost"]}
    each, n = report["images_per_class"], report["test_images"]
    lines = [
        f"Accuracy on untouched real test images (n = {n}), networks trained from scratch on {each} per class, "
        f"{report['protocol']['training_steps']} steps each, {report['protocol']['labels']} labels, ± 95 % over "
        "trainings:",
        f"  never seen: {', '.join(report['unseen'])}"
        + (f"; made with: {', '.join(report['seen'])}" if report["seen"] else ""),
        f"  {'':<22} {'plain':>14} {'augmented':>14} {'own network':>14} {'probe':>8} {'made in':>9}",
    ]
    for arm in report["arms"]:
        unseen, seen, probe = arm["unseen"], arm["seen"], arm["probe"]
        cost = seconds.get(arm["arm"], 0.0) if arm["role"] != "reference" else 0.0
        lines.append(
            f"  {arm['title']:<22} {_number(unseen['plain']):>14} {_number(unseen['augmented']):>14} "
            f"{_number(seen['augmented']) if seen['augmented'] else '':>14} "
            f"{_percent(probe['value']) if probe else '':>8} {f'{cost:.1f} s' if cost else '':>9}".rstrip()
        )
    return lines


def _number(found: dict[str, Any]) -> str:
    half = 100 * max(found["high"] - found["value"], found["value"] - found["low"])
    return f"{100 * found['value']:.1f} ± {half:.1f}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"
