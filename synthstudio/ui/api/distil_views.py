"""What the Distil tab shows: a distillation as it forms, the set it ends with, and the judge's table."""

from collections.abc import Sequence
from typing import Any

from synthstudio.artifacts import digest_of
from synthstudio.catalog.pipelines import Node, Pipeline
from synthstudio.catalog.runs import ACTIVE, Run
from synthstudio.errors import Missing
from synthstudio.jobs import Studio
from synthstudio.jobs.asking import distil_recipes
from synthstudio.jobs.curating import distil_exports
from synthstudio.jobs.knowing import distil_estimates, small_sets
from synthstudio.jobs.knowing.shots import known, photos_of
from synthstudio.jobs.running.log import EventLog
from synthstudio.step import from_json, step_title
from synthstudio.steps.distil.preparing import PREVIEW
from synthstudio.ui.api.live import Live
from synthstudio.ui.session.state import StudioSession

_LISTED = 30
_SHOWN_CLASSES, _SHOWN_PER_CLASS = 40, 50


def overview(session: StudioSession, live: Live, wanted: str | None) -> dict[str, Any]:
    """Every distillation, the newest first, and one of them as it is now: the wanted one, else the newest."""
    found = [one for one in session.studio.catalog.pipelines.all() if distil_recipes.is_distillation(one.recipe)]
    chosen = next((one for one in found if one.id == wanted), found[0] if found else None)
    return {
        "runs": [_listed(session, one) for one in found[:_LISTED]],
        "shown": None if chosen is None else _shown(session, live, chosen),
    }


def answer(session: StudioSession, pipeline_id: str) -> dict[str, Any]:
    """Per fold what is there so far: the set, what was exported of it, and the judge's table; and the sentence."""
    studio = session.studio
    pipeline = studio.catalog.pipelines.get(pipeline_id)
    nodes = studio.catalog.pipelines.nodes(pipeline.id)
    runs = studio.catalog.runs.of_pipeline(pipeline.id)
    done = [node for node in nodes if node.run_id and runs[node.run_id].state == "done"]
    made = studio.catalog.runs.outputs_of(str(node.run_id) for node in done)
    judges = [node for node in done if node.kind == distil_recipes.JUDGE]
    reports = small_sets.judged(studio, judges, made)
    makers = [node for node in done if node.name == distil_recipes.maker(pipeline.recipe)]
    shots = {node.fold: made[str(node.run_id)]["shots"] for node in done if node.kind == "collect.split"}
    exports = distil_exports.of_folds(studio, pipeline)
    tables = {node.fold: _table(studio, node, report) for node, report in zip(judges, reports, strict=True)}
    return {
        "pipeline": pipeline.id,
        "sentence": small_sets.sentence(reports) if reports and pipeline.state == "done" else "",
        "folds": [
            {"fold": node.fold or 0, "set": sheet(studio, str(made[str(node.run_id)]["images"])),
             "shots": shots.get(node.fold, ""), "table": tables.get(node.fold), "exports": exports[node.fold or 0]}
            for node in makers
        ],
    }  # fmt: skip


def sheet(studio: Studio, set_id: str) -> dict[str, Any]:
    """A set as rows of pictures, a row per class; what is too much for a screen is counted."""
    images = studio.workspace.image_set(set_id)
    groups = images.by_label()
    rows = [
        {"label": label, "count": len(members), "images": [one.image for one in members[:_SHOWN_PER_CLASS]]}
        for label, members in list(groups.items())[:_SHOWN_CLASSES]
    ]
    return {"id": set_id, "images": len(images), "classes": len(groups), "rows": rows}


def picture(studio: Studio, run_id: str) -> tuple[bytes, str]:
    """(bytes, digest) of the newest preview of a run. Neither the file nor a folder above it may be a link."""
    workspace = studio.workspace
    path = workspace.run_folder(studio.catalog.runs.get(run_id).id) / "scratch" / PREVIEW
    if not path.is_file() or path.resolve() != workspace.root.resolve() / path.relative_to(workspace.root):
        raise Missing("There is no preview of this run yet.")
    data = path.read_bytes()
    return data, digest_of(data)


def _listed(session: StudioSession, pipeline: Pipeline) -> dict[str, Any]:
    size = _sizes(pipeline).get("images_per_class")
    return {
        "id": pipeline.id,
        "title": distil_recipes.title(pipeline.recipe),
        "per_class": size,
        "preset": pipeline.request["preset"],
        "state": pipeline.state,
        "created": pipeline.created,
    }


def _sizes(pipeline: Pipeline) -> dict[str, Any]:
    name = distil_recipes.maker(pipeline.recipe)
    found: dict[str, Any] = {
        "images_per_class": distil_recipes.preset_size(pipeline.recipe, pipeline.request["preset"])
    }
    for line in pipeline.request["settings"]:
        target, _, value = str(line).partition("=")
        if target.strip() == f"{name}.images_per_class":
            found["images_per_class"] = int(value) if value.strip().isdigit() else value
    return found


def _shown(session: StudioSession, live: Live, pipeline: Pipeline) -> dict[str, Any]:
    studio = session.studio
    nodes = studio.catalog.pipelines.nodes(pipeline.id)
    held = studio.catalog.runs.of_pipeline(pipeline.id)
    runs = {node.position: held[node.run_id] for node in nodes if node.run_id}
    name = distil_recipes.maker(pipeline.recipe)
    ended = [run.id for run in runs.values() if run.state == "done" and run.kind.startswith(("distil.", "evaluate."))]
    state = live.state(pipeline.id)["pipeline"]
    return {
        "pipeline": state | {"left": _left(session, pipeline, nodes, state["nodes"])},
        "per_class": _sizes(pipeline)["images_per_class"],
        "maker": _maker(session, nodes, [runs[n.position] for n in nodes if n.name == name and n.position in runs]),
        "answer": ",".join(ended),  # another text, another answer to ask for
    }


def _left(
    session: StudioSession, pipeline: Pipeline, nodes: Sequence[Node], shown: Sequence[dict[str, Any]]
) -> float | None:
    """Seconds until the end: what works by its rate, what waits by estimate; none where nobody can know yet."""
    if pipeline.state != "running":
        return None
    working = [one["left"] for one in shown if one["state"] in ACTIVE]
    waiting = [node for node, one in zip(nodes, shown, strict=True) if one["state"] in ("waiting", "queued")]
    backbone = str(pipeline.request["backbone"]).partition("@")[0]
    photos = photos_of(session.studio, str(pipeline.request["data"]))
    rest, _ = distil_estimates.estimate(session.studio, waiting, backbone, len(photos), photos.classes)
    return None if rest is None or None in working else rest + sum(working)


def _maker(session: StudioSession, nodes: Sequence[Node], runs: Sequence[Run]) -> dict[str, Any] | None:
    """The run that makes the set, of several folds the one at work: its curve and its newest preview."""
    if not runs:
        return None
    run = next((one for one in runs if one.state in ACTIVE), runs[-1])
    studio = session.studio
    folder = studio.workspace.run_folder(run.id)
    preview = folder / "scratch" / PREVIEW
    fields = from_json(studio.catalog.runs.step_body(run.step_id)).fields
    return {
        "run": run.id,
        "kind": run.kind,
        "words": step_title(run.kind),
        "state": run.state,
        "done": run.done,
        "total": run.total,
        "curves": session.curves.of(run.id, EventLog(folder)),
        "preview": f"{run.id}?{preview.stat().st_mtime_ns}" if preview.is_file() else None,
        "labels": list(known(studio.workspace, fields["images"])[1]) if fields.get("images") else [],
        "notes": [note["text"] for note in studio.catalog.runs.notes(run.id) if note["level"] == "warning"],
    }


def _table(studio: Studio, node: Node, report: dict[str, Any]) -> dict[str, Any]:
    """One row per arm; the cost beside the accuracy; the lead of the method over each baseline, pairwise."""
    cost = {one["arm"]: one for one in report["cost"]}
    leads = {
        (one["against"], one["augmented"]): one for one in report["differences"] if one["networks"] == "unseen"
    }  # fmt: skip
    protocol = report["protocol"]
    return {
        "n": report["test_images"],
        "per_class": report["images_per_class"],
        "architectures": report["architectures"],
        "seen": report["seen"],
        "unseen": report["unseen"],
        "best": report["best_baseline"],
        "sentence": report["sentence"],
        "training_steps": protocol["training_steps"],
        "seeds": protocol["seeds"],
        "draws": protocol["draws"],
        "seed": protocol["seed"],
        "encoder": str(protocol["encoder"] or "").partition("@")[0],
        "looks": studio.catalog.images.looks_at(protocol["test"]),
        "judge": node.run_id,
        "rows": [_row(arm, cost.get(arm["arm"], {}), leads) for arm in report["arms"]],
    }


def _row(arm: dict[str, Any], cost: dict[str, Any], leads: dict[tuple[str, bool], Any]) -> dict[str, Any]:
    cells: dict[str, dict[str, Any]] = {"plain": {}, "augmented": {}}
    for cell in arm["cells"]:
        cells["augmented" if cell["augmented"] else "plain"][cell["architecture"]] = _named(cell)
    for name, found in cells.items():
        found["unseen"] = _named(arm["unseen"][name])
        lead = leads.get((arm["arm"], name == "augmented"))
        found["lead"] = _named(lead) if lead else None
    return {
        "arm": arm["arm"],
        "title": arm["title"],
        "role": arm["role"],
        "images": arm["images"],
        "trainings": arm["trainings"],
        "cells": cells,
        "probe": _named(arm["probe"]) if arm["probe"] else None,
        "seconds_to_make": cost.get("seconds_to_make"),
        "seconds_per_training": cost.get("seconds_per_training"),
    }


def _named(found: dict[str, Any]) -> dict[str, float]:
    return {name: found[name] for name in ("value", "low", "high")}
