"""Write a small set for other tools: what is accepted of it as train, and the real photos never shown to it."""

from collections.abc import Iterable, Mapping
from typing import Any

from synthstudio.artifacts import ImageSet
from synthstudio.catalog.pipelines import Node, Pipeline
from synthstudio.catalog.runs import Run
from synthstudio.errors import BadInput
from synthstudio.jobs import Studio
from synthstudio.jobs.curating import accepted, delivery
from synthstudio.jobs.curating.accepted import Part
from synthstudio.step import build as build_step

KIND = "export.image_folder"
_NO_NAME = "small set"


def begin_pipeline(studio: Studio, pipeline_id: str, fold: int, name: str) -> str:
    """Queue the export of what a distillation made; returns the run."""
    delivery.check_name(name)
    pipeline = studio.catalog.pipelines.get(pipeline_id)
    part = _accepted(studio, pipeline, fold)
    if not part.members:
        raise BadInput("Nothing is accepted: every image of this set is rejected. Accept some in Review first.")
    fields = _of_fold(studio, _held(studio, pipeline), part)
    fields |= _history(studio, pipeline, part, fields)
    return studio.submit(build_step(KIND, {**fields, "name": name.strip()}))[0]


def begin_size(studio: Studio, run_id: str, size: int, name: str) -> str:
    """Queue the export of one size of a shrink; returns the run."""
    delivery.check_name(name)
    fields = _of_size(studio, run_id, size)
    return studio.submit(build_step(KIND, {**fields, "name": name.strip()}))[0]


def of_folds(studio: Studio, pipeline: Pipeline) -> dict[int, list[str]]:
    """By fold of a distillation the runs that exported what it made, the newest first."""
    exports, held = _exports(studio), _held(studio, pipeline)
    return {
        part.offered.fold or 0: _same(exports, _of_fold(studio, held, part)) if part.members else []
        for part in accepted.of(studio, pipeline.id)
    }


def of_sizes(studio: Studio, run_id: str, sizes: Iterable[int]) -> dict[int, list[str]]:
    """By size of a shrink the runs that exported it, the newest first."""
    run = studio.catalog.runs.get(run_id)
    outputs, fields = studio.catalog.runs.outputs(run.id), studio.catalog.runs.fields(run.id)
    beside = _beside(studio, fields["validation"])
    exports = _exports(studio)
    return {size: _same(exports, {**_parts(studio, _size_set(run, outputs, size)), **beside}) for size in sizes}


def _exports(studio: Studio) -> dict[str, dict[str, Any]]:
    """The fields of every export of images, by run, the newest first."""
    runs = [run.id for run in studio.catalog.runs.of_kind(KIND, done=False)]
    found = studio.catalog.runs.fields_of(runs)
    return {run_id: found[run_id] for run_id in runs}


def _same(exports: Mapping[str, Mapping[str, Any]], fields: Mapping[str, Any]) -> list[str]:
    """An export is known by what it holds, whatever it is called and whether it was written before the judge spoke."""
    held = ("real", "synthetic", "validation", "test")
    return [run for run, body in exports.items() if all(body.get(name) == fields.get(name) for name in held)]


def _held(studio: Studio, pipeline: Pipeline) -> list[tuple[Node, dict[str, Any]]]:
    """The nodes of a pipeline that have a run, with what it made."""
    nodes = [one for one in studio.catalog.pipelines.nodes(pipeline.id) if one.run_id]
    made = studio.catalog.runs.outputs_of(str(one.run_id) for one in nodes)
    return [(one, made[str(one.run_id)]) for one in nodes]


def _of_fold(studio: Studio, held: Iterable[tuple[Node, dict[str, Any]]], part: Part) -> dict[str, Any]:
    """What an export of a fold holds as people decided by now."""
    fold = part.offered.fold
    fields = delivery.dataset({node.kind: made for node, made in held if node.fold in (None, fold)}, _NO_NAME)
    chosen = studio.workspace.put_set(part.set) if part.decided else str(fields["synthetic"])
    validation = fields["validation"] and delivery.reviewed(studio, fields["validation"])
    return {**fields, "validation": validation, **_parts(studio, chosen)}


def _accepted(studio: Studio, pipeline: Pipeline, fold: int) -> Part:
    """What people accept of the set of a fold; perhaps nothing."""
    for part in accepted.of(studio, pipeline.id, fold):
        return part
    raise BadInput("The set is not there yet. Wait until it was made, or resume the run.")


def _history(studio: Studio, pipeline: Pipeline, part: Part, fields: dict[str, Any]) -> dict[str, Any]:
    """Who decided what, and what was chosen from: fields that do not change which images an export holds."""
    as_of = studio.catalog.decisions.last()
    if part.decided:
        delivery.freeze_part(studio, pipeline, part, as_of)
    whole = fields["real"] is None  # of a set with real images in it, `synthetic` is only a part
    return {
        "chosen_from": part.offered.kept if whole else None,
        "decisions": delivery.decided(studio, as_of, [part.offered.made]),
    }


def _of_size(studio: Studio, run_id: str, size: int) -> dict[str, Any]:
    run = studio.catalog.runs.get(run_id)
    images = _size_set(run, studio.catalog.runs.outputs(run.id), size)
    return {**_parts(studio, images), **_beside(studio, studio.catalog.runs.fields(run.id)["validation"])}


def _size_set(run: Run, outputs: Mapping[str, Any], size: int) -> str:
    images = outputs.get(f"set_{size}")
    if run.kind != "evaluate.shrink" or not images:
        raise BadInput(f"There is no set of {size} images per class. Choose a size that the slider offers.")
    return str(images)


def _beside(studio: Studio, validation: str) -> dict[str, str | None]:
    """These validation photos, and the test photos of the split that they are from."""
    for run in studio.catalog.runs.making(validation):
        if run.kind == "collect.split":
            return {"validation": validation, "test": str(studio.catalog.runs.outputs(run.id)["test"])}
    return {"validation": validation, "test": None}


def _parts(studio: Studio, set_id: str) -> dict[str, str | None]:
    """A set as its real and its other images: an export says of each which it is."""
    images = studio.workspace.image_set(set_id)
    brought = studio.catalog.images.real_among(one.image for one in images)
    real = [one for one in images if one.image in brought]
    if not real or len(real) == len(images):
        return {"real": set_id if real else None, "synthetic": None if real else set_id}
    others = [one for one in images if one.image not in brought]
    put = studio.workspace.put_set
    return {"real": put(ImageSet.of("set", real)), "synthetic": put(ImageSet.of("set", others))}
