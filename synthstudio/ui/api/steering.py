"""Steering that only a person asks for: ending a worker that does not stop by itself, samples now, the same again."""

import psutil

from synthstudio.catalog.runs import ACTIVE
from synthstudio.errors import BadInput
from synthstudio.jobs import Studio
from synthstudio.step import Step, from_json
from synthstudio.steps.sample.text import Text
from synthstudio.steps.sample.vectors import Vectors
from synthstudio.terms import INVERTED_VECTORS
from synthstudio.ui.api import previews

_SAMPLES_PER_CLASS, _INFERENCE_STEPS = 2, 25


def end(studio: Studio, run_id: str) -> None:
    """Mark a run as stopped, ending its worker if that still lives; what is finished is kept and can be resumed."""
    run = studio.catalog.runs.get(run_id)
    if run.state not in ACTIVE:
        raise BadInput(f"Run {run.id} is {run.state}; only a running one can be marked as stopped.")
    if run.pid is not None and studio.launcher.alive(run.pid, run.pid_started or 0.0):
        psutil.Process(run.pid).kill()
    studio.catalog.runs.set_state(run.id, "stopped")


def sample(studio: Studio, run_id: str) -> str:
    """A few samples now, at fixed seeds: of the weights in training, or of the finished adapter as a run of its own."""
    run = studio.catalog.runs.get(run_id)
    if not run.kind.startswith("adapt."):
        raise BadInput("Only an adaptation can be sampled. Make images under Sample.")
    if run.state in ACTIVE:
        previews.ask(studio.workspace, run.id)
        return "Asked for: the pictures appear after the next step."
    if run.state != "done":
        raise BadInput(f"This run is {run.state}. Resume it; its samples appear while it trains.")
    studio.submit(sample_step(studio, run.id))
    return ""


def sample_step(studio: Studio, run_id: str) -> Step:
    """What "sample now" asks of a finished adapter: always the same Step, so that asking twice makes it once."""
    run = studio.catalog.runs.get(run_id)
    adapter_id = str(studio.catalog.runs.outputs(run.id)["adapter"])
    adapter = studio.workspace.document(adapter_id)
    if adapter.get("method") == INVERTED_VECTORS:
        return Vectors(
            backbone=adapter["backbone"], adapter=adapter_id, labels=tuple(adapter["images_per_label"]),
            images_per_class=_SAMPLES_PER_CLASS, inference_steps=_INFERENCE_STEPS, resolution=adapter["resolution"],
        )  # fmt: skip
    return Text(
        backbone=adapter["backbone"], adapter=adapter_id, labels=tuple(adapter["images_per_label"]),
        prompt=adapter["prompt"], images_per_class=_SAMPLES_PER_CLASS, inference_steps=_INFERENCE_STEPS,
        resolution=adapter["resolution"],
    )  # fmt: skip


def again(studio: Studio, run_id: str) -> str:
    """The same Step once more. Equal settings give equal images, so what is still here is not made a second time."""
    run = studio.catalog.runs.get(run_id)
    _, reused = studio.submit(from_json(studio.catalog.runs.step_body(run.step_id)), run.resources)
    studio.wholeness.forget(run.id)
    if reused:
        return "All of it is still here, and the same settings give the same images. Change the seed for others."
    return "Asked for. What is still here is kept."
