"""What a pipeline found, as one document and as a page of text."""

import time
from typing import Any

from synthstudio.artifacts import split_id
from synthstudio.catalog.pipelines import Node
from synthstudio.catalog.runs import Run
from synthstudio.jobs.asking.sweeps import tried_in
from synthstudio.jobs.knowing import small_sets
from synthstudio.jobs.knowing.small_sets import Made
from synthstudio.jobs.readable import Readable
from synthstudio.quantities import many
from synthstudio.steps.sweep.best import BestSettings

ARMS = ("zero_shot", "real_only", "synthetic_only", "real_and_synthetic", "everything", "selection", "random")
_REPORTS = ("evaluate.compare", "evaluate.review", "evaluate.classifiers")
_SAID = (
    "folds", "n", "draws", "mean", "interval95", "difference", "differences", "classifiers", "described", "sentence",
)  # fmt: skip
_PHASES = ("adapt", "sample", "distil", "score", "train", "evaluate")


def of(studio: Readable, pipeline_id: str, wall_seconds: float) -> dict[str, Any]:
    """The result of a finished pipeline; accuracies are fractions of 1, seconds count only what was not reused."""
    pipeline = studio.catalog.pipelines.get(pipeline_id)
    nodes = studio.catalog.pipelines.nodes(pipeline_id)
    held = studio.catalog.runs.of_pipeline(pipeline_id)
    runs = {node.position: held[node.run_id] for node in nodes if node.run_id}
    made = studio.catalog.runs.outputs_of(held)
    request = pipeline.request
    report = _report(studio, nodes, made)
    judged = small_sets.judged(studio, nodes, made)
    choice = _choice(studio, nodes, made)
    swept = _swept(studio, nodes, made)
    return {
        "recipe": pipeline.recipe,
        "preset": request["preset"],
        "backbone": request["backbone"],
        "encoder": choice["eye"] if choice else request["encoder"],
        **({"eye": {**choice, "left_out": request.get("left_out", [])}} if choice else {}),
        "data": request["data"],
        "shots": request["shots"],
        "seed": request["seed"],
        "settings": request["settings"],
        **({"sweeps": swept, "sentence": swept[0]["sentence"]} if swept else {}),
        **{key: report[key] for key in _SAID if key in report},
        **({"review": report["counts"]} if "counts" in report else {}),
        **({"judged": judged, "sentence": small_sets.sentence(judged)} if judged else {}),
        "counts": _counts(studio, nodes, made),
        "seconds": _seconds(nodes, runs, wall_seconds),
        "peak_memory_mb": max((run.peak_memory_mb for run in runs.values()), default=0.0),
        "versions": next((run.environment for run in runs.values() if run.environment), {}),
        "reused": [
            {"step": node.name, "fold": node.fold, "run": node.run_id, "made": _when(runs[node.position])}
            for node in nodes
            if node.reused
        ],
        "artifacts": {_key(node): made[node.run_id] for node in nodes if node.run_id},
        "pipeline": pipeline_id,
    }


def text(found: dict[str, Any]) -> str:
    """The four numbers or the judge's table, the answer, and where things are, for a terminal."""
    shots = "all real images" if found["shots"] is None else f"{found['shots']} shots per class"
    folds = len(found.get("folds", found.get("judged", [])))
    lines = [f"{found['recipe']} ({found['preset']}) on {found['data']}, {shots}, "
             f"{many(folds, 'fold')}, backbone {found['backbone'].partition('@')[0]}"]  # fmt: skip
    if "eye" in found:
        lines.append(f"Eye: {found['eye']['sentence']} {found['eye']['judge_sentence']}")
        lines += found["eye"]["left_out"]
    lines += [f"Sweep: {one['sentence']}" for one in found.get("sweeps", ())]
    lines += small_sets.table(found.get("judged", []))
    if "mean" in found:
        lines.append(f"Accuracy on untouched real test images (n = {test_images(found)}):")
        for arm in ARMS:
            mean = found["mean"].get(arm)
            if mean is None:
                continue
            low, high = found["interval95"][arm]
            interval = f"95 % interval {_percent(low)} to {_percent(high)}"
            lines.append(f"  {arm.replace('_', ' '):<20} {_percent(mean)}   {interval}")
        for one in found.get("classifiers", ()):
            lines.append(f"  {_percent(found['mean'][one])}   {found['described'][one]}")
        lines.append(found["sentence"])
    counts, seconds = found["counts"], found["seconds"]
    lines.append("Images: " + ", ".join(f"{number} {name}" for name, number in _named(counts)) + ".")
    lines.append(
        "Seconds: " + ", ".join(f"{name} {value:.0f}" for name, value in seconds.items())
        + f". Peak memory {found['peak_memory_mb']:.0f} MB."
    )  # fmt: skip
    if found["reused"]:
        lines.append(f"{len(found['reused'])} of the steps had been made before and were reused.")
    return "\n".join(lines)


def test_images(report: dict[str, Any]) -> int:
    """How many different test images a report is over; one from before they were counted has a number per fold."""
    return int(report.get("n") or max((fold["test_images"] for fold in report.get("folds", [])), default=0))


def _choice(studio: Readable, nodes: list[Node], made: Made) -> dict[str, Any]:
    """What `select.eye` chose and why, where it was asked."""
    for node in nodes:
        if node.kind == "select.eye" and node.run_id and (outputs := made[node.run_id]):
            return studio.workspace.document(outputs["choice"])
    return {}


def _swept(studio: Readable, nodes: list[Node], made: Made) -> list[dict[str, Any]]:
    """What each sweep tried and chose, with its trials."""
    return [
        {"fold": node.fold, **studio.workspace.document(made[node.run_id]["choice"])}
        for node in nodes
        if node.kind == BestSettings.kind and node.run_id and made[node.run_id]
    ]


def _report(studio: Readable, nodes: list[Node], made: Made) -> dict[str, Any]:
    for node in nodes:
        if node.kind in _REPORTS and node.run_id and (outputs := made[node.run_id]):
            return studio.workspace.document(outputs["report"])
    return {}


def _counts(studio: Readable, nodes: list[Node], made: Made) -> dict[str, int]:
    """Totals over the folds."""
    counts = {"real": 0, "synthetic": 0, "kept": 0, "distilled": 0}
    named = {
        "collect.split": ("real", "shots"),
        "sample.": ("synthetic", "images"),
        "select.filter": ("kept", "images"),
        "distil.": ("distilled", "images"),
    }
    tried = tried_in(nodes)
    for node in nodes:
        for kind, (count, output) in named.items():
            if node.kind.startswith(kind) and node.run_id and (node.name, node.fold) not in tried:
                value = made[node.run_id].get(output)
                if isinstance(value, str) and split_id(value)[0] == "set":
                    counts[count] += len(studio.workspace.image_set(value))
    return counts


def _seconds(nodes: list[Node], runs: dict[int, Run], wall: float) -> dict[str, float]:
    found = [node.kind.partition(".")[0] for node in nodes]
    seconds = {phase: 0.0 for phase in _PHASES if phase in found}
    for node in nodes:
        phase = node.kind.partition(".")[0]
        if phase in seconds and not node.reused and node.position in runs:
            seconds[phase] += runs[node.position].seconds
    return {name: round(value, 2) for name, value in {**seconds, "total": wall}.items()}


def _named(counts: dict[str, int]) -> list[tuple[str, int]]:
    """The counts that say something, in words."""
    words = {"real": "real", "synthetic": "synthetic", "kept": "kept by the filter", "distilled": "distilled"}
    return [(words[name], count) for name, count in counts.items() if count or name == "real"]


def _key(node: Node) -> str:
    return node.name if node.fold is None else f"{node.name}.{node.fold}"


def _when(run: Run) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(run.finished or run.created))


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
