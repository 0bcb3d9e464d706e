"""How a picture that was exported here was made, read back from its file, so that more can be made in the same way.

What the file says is a stranger's: it is parsed as JSON, its kind must be one that the Sample tab makes, its fields go
through the Step that they claim to be of. Nothing is looked up by a path, and nothing is run.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synthstudio.complaints import label as words_of
from synthstudio.errors import BadInput
from synthstudio.intake import png_text
from synthstudio.models import MODELS
from synthstudio.step import Step, build
from synthstudio.steps.export.marks import KEYWORD
from synthstudio.steps.sample.text import Text
from synthstudio.steps.sample.variation import Variation
from synthstudio.ui.session import choices
from synthstudio.ui.session.state import StudioSession

MOST_BYTES = 64 << 20
_NONE = "This image carries no settings. Images carry them when they were exported here, unless marks were left out."
_KINDS: dict[str, type[Step]] = {Text.kind: Text, Variation.kind: Variation}
_SHOWN = 10


class _Request(BaseModel):
    """The Step that made a picture, as its file says."""

    model_config = ConfigDict(extra="ignore")

    kind: str = Field(max_length=80)
    fields: dict[str, Any] = Field(max_length=100)


class _Note(BaseModel):
    """What of a note is read; everything else in it is for people and other tools."""

    model_config = ConfigDict(extra="ignore")

    request: _Request
    adapter_name: str | None = Field(None, max_length=200)


class Found(NamedTuple):
    """The step to fill a form with, and sentences about what cannot be filled."""

    step: Step
    said: list[str]


def of_file(session: StudioSession, data: bytes) -> Found:
    """The settings in a PNG. BadInput, in one sentence, where there are none or none that can be used."""
    text = png_text.note(data, KEYWORD)
    if text is None:
        raise BadInput(_NONE)
    try:
        note = _Note.model_validate(json.loads(text))
    except ValidationError as error:
        raise BadInput(_NONE) from error
    except (ValueError, RecursionError) as error:
        raise BadInput("The settings in this image cannot be read. Export it again, or choose another.") from error
    step, unknown = step_of(note.request.kind, note.request.fields)
    return Found(step, [*_unknown(unknown), *_missing(session, step, note.adapter_name)])


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
