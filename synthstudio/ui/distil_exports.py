"""Write a small set for other tools: the set as train, and the real photos that were never shown to it."""

from typing import Any

from synthstudio.artifacts import ImageSet
from synthstudio.catalog.pipelines import Pipeline
from synthstudio.errors import BadInput
from synthstudio.jobs import Studio, delivery
from synthstudio.step import Step, from_json
from synthstudio.step import build as build_step
from synthstudio.ui.session import StudioSession

KIND = "export.image_folder"
_NO_NAME = "small set"


def begin_pipeline(session: StudioSession, pipeline_id: str, fold: int, name: str) -> str:
    """Queue the export of what a distillation made; returns the run."""
    with session.acting() as studio:
        fields = _of_fold(studio, studio.catalog.pipelines.get(pipeline_id), fold)
        return studio.submit(build_step(KIND, {**fields, "name": name.strip() or _NO_NAME}))[0]


def begin_size(session: StudioSession, run_id: str, size: int, name: str) -> str:
    """Queue the export of one size of a shrink; returns the run."""
    with session.acting() as studio:
        fields = _of_size(studio, run_id, size)
        return studio.submit(build_step(KIND, {**fields, "name": name.strip() or f"{size} per class"}))[0]


def of_pipeline(session: StudioSession, pipeline_id: str, fold: int) -> list[str]:
    """The runs that exported what a fold of a distillation made, the newest first."""
    studio = session.studio
    return _written(studio, _of_fold(studio, studio.catalog.pipelines.get(pipeline_id), fold))


def of_size(session: StudioSession, run_id: str, size: int) -> list[str]:
    """The runs that exported one size of a shrink, the newest first."""
    return _written(session.studio, _of_size(session.studio, run_id, size))


def _written(studio: Studio, fields: dict[str, Any]) -> list[str]:
    """An export is known by what it holds, whatever it is called and whether it was written before the judge spoke."""
    found = []
    for run in studio.catalog.runs.all(limit=300):
        if run.kind == KIND:
            body = from_json(studio.catalog.runs.step_body(run.step_id)).fields
            if all(body.get(name) == fields.get(name) for name in ("real", "synthetic", "validation", "test")):
                found.append(run.id)
    return found


def _of_fold(studio: Studio, pipeline: Pipeline, fold: int) -> dict[str, Any]:
    nodes = [one for one in studio.catalog.pipelines.nodes(pipeline.id) if one.fold in (None, fold) and one.run_id]
    made = {one.kind: studio.catalog.runs.outputs(str(one.run_id)) for one in nodes}
    if not any(kind.startswith("distil.") and "images" in outputs for kind, outputs in made.items()):
        raise BadInput("The set is not there yet. Wait until it was made, or resume the run.")
    fields = delivery.dataset(made, _NO_NAME)
    return {**fields, **_parts(studio, str(fields["synthetic"]))}


def _of_size(studio: Studio, run_id: str, size: int) -> dict[str, Any]:
    run = studio.catalog.runs.get(run_id)
    images = studio.catalog.runs.outputs(run.id).get(f"set_{size}")
    if run.kind != "evaluate.shrink" or not images:
        raise BadInput(f"There is no set of {size} images per class. Choose a size that the slider offers.")
    step: Step = from_json(studio.catalog.runs.step_body(run.step_id))
    validation = step.fields["validation"]
    return {**_parts(studio, str(images)), "validation": validation, "test": _test_beside(studio, validation)}


def _test_beside(studio: Studio, validation: str) -> str | None:
    """The test photos of the split that these validation photos are from."""
    for run in studio.catalog.runs.all(limit=1000):
        if run.kind == "collect.split" and run.state == "done":
            outputs = studio.catalog.runs.outputs(run.id)
            if outputs.get("validation") == validation:
                return str(outputs["test"])
    return None


def _parts(studio: Studio, set_id: str) -> dict[str, str | None]:
    """A set as its real and its other images: an export says of each which it is."""
    images = studio.workspace.image_set(set_id)
    real = [one for one in images if _is_real(studio, one.image)]
    if not real or len(real) == len(images):
        return {"real": set_id if real else None, "synthetic": None if real else set_id}
    known = {one.image for one in real}
    others = [one for one in images if one.image not in known]
    put = studio.workspace.put_set
    return {"real": put(ImageSet.of("set", real)), "synthetic": put(ImageSet.of("set", others))}


def _is_real(studio: Studio, digest: str) -> bool:
    return any(one["origin"] == "real" for one in studio.catalog.images.provenance(digest))
