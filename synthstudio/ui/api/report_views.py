"""What the page says of evaluations: the four numbers, per class, confusion; runs compared by what differs."""

from collections.abc import Mapping
from typing import Any

from synthstudio.catalog.pipelines import Pipeline
from synthstudio.errors import Missing
from synthstudio.jobs import Studio
from synthstudio.jobs.knowing import summary
from synthstudio.jobs.knowing.stock import title_of
from synthstudio.ui import words
from synthstudio.ui.api.review_state import made_for
from synthstudio.ui.session.state import StudioSession

_COMPARED = ("recipe", "preset", "data", "shots", "folds", "backbone", "encoder", "seed", "settings")
_CELL_IMAGES = 60
_KINDS = ("evaluate.compare", "evaluate.review", "evaluate.classifiers")


def every(session: StudioSession) -> list[dict[str, Any]]:
    """Finished comparisons, the newest first, each with its gain and with what sets it apart from the others."""
    studio = session.studio
    by_run = _pipelines(studio)
    rows: list[dict[str, Any]] = []
    runs = studio.catalog.runs.of_kind(*_KINDS)
    gains = studio.catalog.runs.metrics_of([run.id for run in runs], "difference")
    for run in runs:
        gain, pipeline = gains[run.id], by_run.get(run.id)
        rows.append({
            "run": run.id, "created": run.finished or run.created,
            "asked": _asked(session, pipeline), "gain": gain[0] if gain else None,
        })  # fmt: skip
    differing = [name for name in _COMPARED if len({str(row["asked"].get(name)) for row in rows}) > 1]
    for row in rows:
        row["differs"] = {name: row["asked"].get(name, "") for name in differing}
    return rows


def detail(session: StudioSession, run_id: str) -> dict[str, Any]:
    """One comparison in full."""
    studio = session.studio
    run = studio.catalog.runs.get(run_id)
    outputs = studio.catalog.runs.outputs(run.id)
    if run.kind not in _KINDS or "report" not in outputs:
        raise Missing(f"Run {run.id} has no report. Open a finished comparison.")
    report = studio.workspace.document(outputs["report"])
    pipeline = _pipelines(studio).get(run.id)
    found = arms(studio, report)
    shown = [str(one["arm"]) for one in found]
    return {
        "run": run.id,
        "sentence": report["sentence"],
        "asked": _asked(session, pipeline),
        "pipeline": pipeline.id if pipeline else None,
        "taught": _taught(studio, pipeline) if pipeline else [],
        "reviewable": bool(pipeline and made_for(studio, pipeline)),
        "n": summary.test_images(report),
        "folds": report["folds"],
        "interval_over": report["interval_over"],
        "arms": found,
        "pair": _pair(report),
        "difference": report.get("difference"),
        "labels": report["labels"],
        "per_class": {arm: report["per_class"][arm] for arm in shown},
        "confusion": {arm: report["confusion"][arm] for arm in shown},
        "looks": max((studio.catalog.images.looks_at(test) for test in report["tests"]), default=0),
    }  # fmt: skip


def _taught(studio: Studio, pipeline: Pipeline) -> list[dict[str, str]]:
    """The sets of images that taught the classifiers of a pipeline, in the order of its steps."""
    nodes = studio.catalog.pipelines.nodes(pipeline.id)
    trained = [node.run_id for node in nodes if node.kind.startswith("train.") and node.run_id]
    fields = studio.catalog.runs.fields_of(trained)
    sets = dict.fromkeys(fields[run_id].get("synthetic") for run_id in trained)
    return [{"id": str(one), "name": studio.catalog.names.of(str(one))} for one in sets if one]


def arms(studio: Studio, report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every classifier of a report with its words, accuracy and interval: the known arms, or any by name."""
    known = {arm: (name, words.ARM_HELP[arm]) for arm, name in words.ARMS.items()}
    known |= {one: (studio.catalog.names.of(one), report["described"][one]) for one in report.get("classifiers", ())}
    return [
        {"arm": arm, "words": name, "help": about, "value": report["mean"][arm],
         "low": report["interval95"][arm][0], "high": report["interval95"][arm][1],
         "against": report.get("against", {}).get(arm)}
        for arm, (name, about) in known.items()
        if report["mean"].get(arm) is not None
    ]  # fmt: skip


def _pair(report: Mapping[str, Any]) -> list[str] | None:
    """The two arms whose difference a report speaks of: before, after."""
    if "classifiers" in report:
        return [report["baseline"], report["classifiers"][0]] if report.get("baseline") else None
    return ["real_only", "real_and_synthetic"]


def cell(session: StudioSession, run_id: str, arm: str, truth: str, said: str) -> dict[str, Any]:
    """The test photos of one class that a classifier called another (or its own): one cell of the confusion matrix."""
    studio = session.studio
    answers = studio.catalog.runs.outputs(studio.catalog.runs.get(run_id).id).get("answers")
    if not isinstance(answers, str):
        raise Missing("This comparison kept no single answers. Run the recipe with another seed to see the photos.")
    images = [
        {"digest": image, "fold": fold}
        for fold, one in enumerate(studio.workspace.document(answers)["folds"])
        for image, label, answer in zip(one["images"], one["truth"], one["answers"].get(arm, ()), strict=False)
        if label == truth and answer == said
    ]
    return {"count": len(images), "images": images[:_CELL_IMAGES]}


def _pipelines(studio: Studio) -> dict[str, Pipeline]:
    """The pipeline that holds a run of a comparison; of several the newest."""
    found: dict[str, Pipeline] = {}
    pipelines = studio.catalog.pipelines.all()
    nodes = studio.catalog.pipelines.nodes_of(pipeline.id for pipeline in pipelines)
    for pipeline in reversed(pipelines):
        for node in nodes[pipeline.id]:
            if node.kind in _KINDS and node.run_id:
                found[node.run_id] = pipeline
    return found


def _asked(session: StudioSession, pipeline: Pipeline | None) -> dict[str, Any]:
    if pipeline is None:
        return {}
    request = pipeline.request
    plain = {name: request.get(name) for name in _COMPARED if name != "recipe"}
    for name in ("backbone", "encoder"):
        plain[name] = str(plain[name]).partition("@")[0]
    plain["data"] = title_of(session.studio, plain["data"])
    plain["preset"] = words.preset_words(str(plain["preset"]))
    return {"recipe": pipeline.recipe, **plain}
