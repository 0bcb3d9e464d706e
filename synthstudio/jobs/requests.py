"""From what a person typed to what is hashed: names of data and models become digests."""

import json
from typing import Any

from pydantic import BaseModel

from synthstudio.errors import BadInput
from synthstudio.intake import sources
from synthstudio.jobs.recipes import parse_setting
from synthstudio.models import reference
from synthstudio.resources import Resources
from synthstudio.step import Step, build, step_class
from synthstudio.workspace import Workspace

_DEFAULT_ENCODER = {"pico": "pico-clip"}
_LARGE_ENCODER = "vit-b-16-laion2b"


class Asked(BaseModel):
    """What a person asks of a recipe, in their words."""

    data: str
    shots: int | None = 16  # none: all that are not held out
    folds: int = 1
    preset: str = "quick"
    backbone: str = "pico"
    encoder: str | None = None
    settings: list[str] = []
    seed: int = 0
    resources: Resources = Resources()


def prepare(workspace: Workspace, asked: Asked) -> dict[str, Any]:
    """A recipe's request: data and models named by digest, and beside them what the person said."""
    check_resources(asked.resources)
    for text in asked.settings:
        parse_setting(text)
    encoder = asked.encoder or _DEFAULT_ENCODER.get(asked.backbone, _LARGE_ENCODER)
    return {
        **asked.model_dump(),
        "source": sources.register(asked.data, workspace),
        "backbone": reference(asked.backbone, "backbone", workspace),
        "encoder": reference(encoder, "encoder", workspace),
    }


def step_from_text(kind: str, options: dict[str, str], workspace: Workspace) -> Step:
    """A Step from command-line words. Data and models may be given by name or path; lists and filters as JSON."""
    cls = step_class(kind)
    fields: dict[str, Any] = {}
    for name, text in options.items():
        if name == "source" and not text.startswith("source:"):
            fields[name] = sources.register(text, workspace)
        elif name in ("backbone", "encoder") and "@" not in text:
            fields[name] = reference(text, "backbone" if name == "backbone" else "encoder", workspace)
        else:
            fields[name] = _value(text, cls, name)
    return build(kind, fields)


def _value(text: str, cls: type[Step], name: str) -> Any:
    """JSON for anything but text fields, where `3` must stay the text 3."""
    info = cls.model_fields.get(name)
    if info is not None and info.annotation is str:
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def check_resources(resources: Resources) -> None:
    """BadInput for a device name that cannot be one."""
    name = resources.device.partition(":")[0]
    if name not in ("auto", "cpu", "cuda", "mps"):
        raise BadInput(f"{resources.device!r} is not a device. Use auto, cpu, cuda, cuda:1 or mps.")
