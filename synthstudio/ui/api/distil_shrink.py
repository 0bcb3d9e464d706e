"""How few images would do: what can be shrunk, asking for the curve, and the curve with its sets."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Annotated, Any

from pydantic import BaseModel, Field

from synthstudio.catalog.pipelines import Node, Pipeline
from synthstudio.catalog.runs import Run
from synthstudio.complaints import concerning
from synthstudio.errors import BadInput
from synthstudio.jobs import Studio
from synthstudio.jobs.asking import distil_recipes
from synthstudio.jobs.asking.recipes import parse_setting
from synthstudio.jobs.curating import distil_exports
from synthstudio.jobs.knowing.shots import known
from synthstudio.jobs.knowing.stock import title_of
from synthstudio.step import build as build_step
from synthstudio.ui.api import run_views
from synthstudio.ui.api.distil_views import sheet
from synthstudio.ui.session.state import StudioSession

KIND = "evaluate.shrink"
_SOURCES, _SETTINGS_LENGTH = 24, 2000
_Outputs = Mapping[str, dict[str, Any]]  # what runs made, by run


class Asked(BaseModel):
    """What the form under the slider sends; only the set must be said."""

    images: str = Field(max_length=80)
    rule: str = Field("k_means", max_length=20)
    sizes: list[Annotated[int, Field(le=10_000)]] = Field(default_factory=list, max_length=50)
    settings: str = Field("", max_length=_SETTINGS_LENGTH)


def sources(session: StudioSession) -> list[dict[str, Any]]:
    """Sets that can be shrunk: shots, kept synthetic images and distilled sets, each with photos to ask with."""
    catalog = session.studio.catalog
    found: dict[str, dict[str, Any]] = {}
    pipelines = iter(catalog.pipelines.all())
    while len(found) < _SOURCES and (some := list(islice(pipelines, _SOURCES))):
        nodes = catalog.pipelines.nodes_of(one.id for one in some)
        made = catalog.runs.outputs_of({one.run_id for each in nodes.values() for one in each if one.run_id})
        for pipeline in some:
            for one in _of_pipeline(session.studio, pipeline, nodes[pipeline.id], made):
                found.setdefault(one["images"], one)
    return list(found.values())[:_SOURCES]


def begin(session: StudioSession, asked: Asked) -> str:
    """Queue the curve of one of these sets; returns the run. Equal requests are one run."""
    chosen = next((one for one in sources(session) if one["images"] == asked.images), None)
    if chosen is None:
        raise BadInput("This set is not there any more. Choose one of the list.")
    fields: dict[str, Any] = {name: chosen[name] for name in ("images", "validation", "backbone")}
    fields["rule"] = asked.rule
    if asked.sizes:
        fields["sizes"] = asked.sizes
    with concerning("settings", known=tuple(Asked.model_fields)):
        step = build_step(KIND, fields | _settings(asked.settings))
    with session.acting() as studio:
        return studio.submit(step)[0]


def overview(session: StudioSession, wanted: str | None) -> dict[str, Any]:
    """What can be shrunk, every curve asked for, and one of them: the wanted one, else the newest."""
    runs = session.studio.catalog.runs.of_kind(KIND, done=False)
    chosen = next((run for run in runs if run.id == wanted), runs[0] if runs else None)
    offered = sources(session)
    titles = {one["images"]: one["title"] for one in offered}
    fields = session.studio.catalog.runs.fields_of(run.id for run in runs)
    return {
        "sources": [{"images": one["images"], "title": one["title"]} for one in offered],
        "runs": [_listed(run, fields[run.id], titles) for run in runs],
        "shown": None if chosen is None else _shown(session, chosen, fields[chosen.id], titles),
    }


def _listed(run: Run, fields: dict[str, Any], titles: dict[str, str]) -> dict[str, Any]:
    return {"run": run.id, "created": run.created, "rule": fields["rule"],
            "title": titles.get(fields["images"], "a set"), "state": run.state}  # fmt: skip


def _shown(session: StudioSession, run: Run, fields: dict[str, Any], titles: dict[str, str]) -> dict[str, Any]:
    found = {**run_views.listed(session, run), **_listed(run, fields, titles), "report": None}
    outputs = session.studio.catalog.runs.outputs(run.id)
    if run.state != "done" or "report" not in outputs:
        return found
    report = session.studio.workspace.document(outputs["report"])
    protocol = report["protocol"]
    sizes = [point["images_per_class"] for point in report["points"]]
    exports = distil_exports.of_sizes(session.studio, run.id, sizes)
    points = [{**point, "exports": exports[size]} for point, size in zip(report["points"], sizes, strict=True)]
    return found | {
        "report": {
            "points": points, "full": report["full"], "n": report["n"], "over": report["interval_over"],
            "sentence": report["sentence"], "seeds": protocol["seeds"], "steps": protocol["training_steps"],
            "architecture": protocol["architecture"],
        }
    }  # fmt: skip


def sheet_of(session: StudioSession, run_id: str, size: int) -> dict[str, Any]:
    """The images that stay at a size."""
    found = session.studio.catalog.runs.outputs(session.studio.catalog.runs.get(run_id).id).get(f"set_{size}")
    if not found:
        raise BadInput(f"There is no set of {size} images per class. Choose a size that the slider offers.")
    return sheet(session.studio, str(found))


def _of_pipeline(studio: Studio, pipeline: Pipeline, nodes: list[Node], outputs: _Outputs) -> Iterator[dict[str, Any]]:
    done = [node for node in nodes if node.run_id]
    for fold in sorted({node.fold for node in done if node.fold is not None}):
        yield from _of_fold(studio, pipeline, [node for node in done if node.fold == fold], outputs)


def _of_fold(studio: Studio, pipeline: Pipeline, nodes: list[Node], outputs: _Outputs) -> list[dict[str, Any]]:
    request, fold = pipeline.request, nodes[0].fold or 0
    made = {node.kind: outputs[str(node.run_id)] for node in nodes}
    validation = made.get("collect.split", {}).get("validation")
    if not validation or not known(studio.workspace, validation)[0]:
        return []
    where = title_of(studio, request["data"]) + (f", fold {fold + 1}" if request["folds"] > 1 else "")
    named = [("real photos to learn from", made["collect.split"].get("shots"))]
    if "select.filter" in made:
        named.append(("kept synthetic images", made["select.filter"].get("images")))
    if distil_recipes.is_distillation(pipeline.recipe):
        name = distil_recipes.maker(pipeline.recipe)
        found = next((outputs[str(node.run_id)].get("images") for node in nodes if node.name == name), None)
        named.append((f"distilled by {pipeline.recipe}", found))
    return [
        {"images": images, "validation": validation, "backbone": request["backbone"],
         "title": f"{known(studio.workspace, images)[0]} {what} ({where})"}
        for what, images in named if images
    ]  # fmt: skip


def _settings(text: str) -> dict[str, Any]:
    """field=value, one per line; the value is JSON where it can be."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = (parse_setting(f"shrink.{line.removeprefix('shrink.')}") for line in lines)
    return {field: value for _, field, value in found}
