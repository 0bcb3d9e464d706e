"""How a picture was made, read from its file, so that more can be made in the same way: one of ours, or of other tools.

What the file says is a stranger's: it is parsed as JSON, its kind must be one that the Sample tab makes, its fields go
through the Step that they claim to be of. Nothing is looked up by a path, and nothing is run.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synthstudio.complaints import label as words_of
from synthstudio.errors import BadInput
from synthstudio.intake import image_notes
from synthstudio.intake.image_notes import Notes
from synthstudio.jobs.curating import again
from synthstudio.models import MODELS
from synthstudio.step import Step, build
from synthstudio.steps.sample.text import Text
from synthstudio.steps.sample.until import Until
from synthstudio.steps.sample.variation import Variation
from synthstudio.ui.session import choices
from synthstudio.ui.session.state import StudioSession

MOST_BYTES = 64 << 20
_NONE = "This image carries no settings. Images carry them when they were exported here, unless marks were left out."
_KINDS: dict[str, type[Step]] = {Text.kind: Text, Variation.kind: Variation, Until.kind: Until}
_SHOWN = 10


class _Request(BaseModel):
    """The Step that made a picture, as its file says."""

    model_config = ConfigDict(extra="ignore")

    kind: str = Field(max_length=80)
    fields: dict[str, Any] = Field(max_length=100)


class Found(NamedTuple):
    """The step to fill a form with, if the file holds one; what cannot be filled, in sentences; what else it says.

    `form`: values for single controls, by name, where there is no step. `lacking`: why it cannot be made again here.
    """

    step: Step | None
    said: list[str]
    notes: Notes
    form: dict[str, Any]
    lacking: list[str]


def of_file(session: StudioSession, data: bytes) -> Found:
    """The settings in a PNG. BadInput, in one sentence, where there are none or none that can be used."""
    notes = image_notes.read(data)
    if notes is None:
        raise BadInput(_NONE)
    if notes.request is None:
        form, said = _form(session, notes)
        if not form:
            raise BadInput(_NONE)
        return Found(None, said, notes, form, ["The file does not say which step made it."])
    try:
        request = _Request.model_validate(notes.request)
    except ValidationError as error:
        raise BadInput(_NONE) from error
    step, unknown = step_of(request.kind, request.fields)
    said = [*_unknown(unknown), *_missing(session, step, notes.adapter_name or None)]
    return Found(step, said, notes, {}, _lacking(session, notes))


def as_document(session: StudioSession, found: Found) -> dict[str, Any]:
    """What the panel shows: rows of words and values, what to say, what can be done with it."""
    notes, step = found.notes, found.step
    here = notes.image if session.studio.catalog.review.knows(notes.image) else ""
    return {
        "tool": notes.tool, "rows": _rows(notes), "said": found.said, "lacking": found.lacking, "here": here,
        "kind": step.kind if step else None, "fields": step.fields if step else None, "form": found.form,
        "index": notes.index, "image": notes.image, "prompt": notes.prompt,
    }  # fmt: skip


def make_again(session: StudioSession, kind: object, fields: object, index: object) -> str:
    """Ask for one image of a step again; the id of the run. BadInput says what is missing."""
    step = again.only(kind, fields, index)
    with session.acting() as studio:
        lacking = again.missing(studio, step)
        if lacking:
            raise BadInput(" ".join(lacking))
        return studio.submit(step)[0]


def made_again(session: StudioSession, run_id: str, image: str) -> dict[str, Any]:
    """How far that is, and when it is done which image came, and whether it is the very same."""
    run = session.studio.catalog.runs.get(run_id)
    made = session.studio.catalog.images.made_by(run_id, limit=1) if run.state == "done" else []
    digest = made[0]["digest"] if made else ""
    return {"state": run.state, "error": run.error or "", "digest": digest, "same": bool(digest) and digest == image}


def _lacking(session: StudioSession, notes: Notes) -> list[str]:
    try:
        return again.missing(session.studio, again.step_of(notes), look=False)
    except BadInput as error:
        return [str(error)]


def _rows(notes: Notes) -> list[tuple[str, str]]:
    """What was read, as a person reads it; numbers as text, since a browser would round a seed."""
    size = f"{notes.width} × {notes.height}" if notes.width and notes.height else None
    known = {
        "Prompt": notes.prompt, "Negative prompt": notes.negative_prompt, "Seed": notes.seed,
        "Guidance": notes.guidance_scale, "Steps": notes.inference_steps,
        "Solver": notes.said_sampler, "t0": notes.strength, "Size": size,
        "Model": " ".join(filter(None, (notes.model, notes.model_digest[:12]))),
        "Adapter": notes.adapter_name or ", ".join(one[:60] for one in notes.adapters),
    }  # fmt: skip
    return [(name, f"{value:g}" if isinstance(value, float) else str(value)) for name, value in known.items()
            if value not in (None, "")]  # fmt: skip


def _form(session: StudioSession, notes: Notes) -> tuple[dict[str, Any], list[str]]:
    """Values for the form's controls from another tool's settings, and sentences about the rest."""
    said = []
    prompt, found = _with_hole(notes.prompt, choices.labels(session))
    if found:
        said.append(f"“{found}” in its prompt became {{label}}, as it is a class here.")
    elif prompt:
        said.append("Its prompt names no class of this project: write {label} where the class name goes.")
    if notes.said_sampler and notes.sampler is None:
        said.append(f"The solver “{notes.said_sampler}” is not known here.")
    if notes.model:
        said.append(f"It was made with “{notes.model}”; choose a backbone yourself.")
    if notes.seed is not None:
        said.append("The same seed draws other noise here.")
    if notes.adapters:
        said.append("Its LoRAs are not taken over.")
    values = {
        "prompt": prompt, "negative_prompt": notes.negative_prompt, "guidance_scale": notes.guidance_scale,
        "inference_steps": notes.inference_steps, "sampler": notes.sampler,
        "seed": notes.seed if notes.seed is not None and notes.seed < 2**53 else None, "strength": notes.strength,
    }  # fmt: skip
    return {name: value for name, value in values.items() if value not in (None, "")}, said


def _with_hole(prompt: str, labels: list[str]) -> tuple[str, str]:
    """The prompt with {label} in the place of the longest class name that it names, and that name."""
    for label in sorted(labels, key=len, reverse=True):
        found = re.search(rf"(?<!\w){re.escape(label)}(?!\w)", prompt, re.IGNORECASE)
        if found:
            return f"{prompt[: found.start()]}{{label}}{prompt[found.end() :]}", label
    return prompt, ""


def step_of(kind: object, fields: object) -> tuple[Step, list[str]]:
    """A step of the Sample tab from what a stranger says it is, and the names of fields that it does not have."""
    if not isinstance(kind, str) or kind not in _KINDS:
        raise BadInput("This image was not sampled from a prompt or from shots, so its settings fit no form here.")
    given: Mapping[Any, Any] = fields if isinstance(fields, dict) else {}
    known = {name: value for name, value in given.items() if name in _KINDS[kind].model_fields}
    try:
        step = build(kind, known)
    except BadInput as error:
        raise BadInput(f"The settings in this image cannot be used: {error}") from error
    return step, sorted(str(name)[:40] for name in given if name not in known)


def _unknown(names: list[str]) -> list[str]:
    shown = ", ".join(names[:_SHOWN])
    return [f"Settings that are not known here were passed over: {shown}."] if names else []


def _missing(session: StudioSession, step: Step, called: str | None) -> list[str]:
    """What the project does not have, so that the form keeps what it had."""
    found, fields = [], step.fields
    if fields["adapter"] and fields["adapter"] not in [one for _, one in choices.adapters(session)]:
        name = f"“{called}”" if called else f"{fields['adapter'][:16]}…"
        found.append(f"The adapter {name} is not in this project: without it the images will differ. Choose one.")
    backbone = str(fields["backbone"]).partition("@")[0]
    if not fields["adapter"] and backbone not in MODELS:
        found.append(f"The {words_of('backbone').lower()} “{backbone}” is not known here by name. Choose one.")
    if fields.get("sources") and fields["sources"] not in [one for _, one in choices.shots(session)]:
        found.append("The shots it was made from are not in this project. Choose others.")
    return found
