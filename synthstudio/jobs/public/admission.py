"""Which models a public copy runs. Whatever asks (form, setting, slider, program), every Step is looked at here."""

from collections.abc import Iterable, Mapping
from typing import Any

from synthstudio.errors import BadInput, Missing
from synthstudio.models import MODELS, known_as
from synthstudio.step import Step, fields_naming, step_class
from synthstudio.workspace import Workspace


def refuse_model(name: str, accelerated: bool) -> None:
    """BadInput unless a model of this name runs here: those at hand do, those of the Hub where there is a GPU."""
    usable = [one.name for one in MODELS.values() if one.at_hand or accelerated]
    if name not in usable:
        raise BadInput(f"The model {name[:80]} does not run on this Space. Here you can use: {', '.join(usable)}.")


def refuse_download(step: Step, allowed: bool) -> None:
    """BadInput for a Step that reaches the Hub, unless visitors may and the model is one of those known by name."""
    if not step.connects:
        return
    if not allowed:
        raise BadInput("Models are downloaded here by who runs this Space. Choose one of those that are here.")
    if known_as(str(step.fields.get("repository"))) is None:
        raise BadInput("Only the models known by name can be downloaded here. Run SynthStudio at home for others.")


def refuse_models(steps: Iterable[tuple[str, Mapping[str, Any]]], workspace: Workspace, accelerated: bool) -> None:
    """BadInput for Steps, as (kind, fields), that name a model which does not run here.

    A name is only a name, so the digest must be one that this project knows of a model: on a public copy nothing but
    the models known by name is ever written down as one. Holes of a recipe (`$name`) are looked at when filled.
    """
    for kind, fields in steps:
        for field in fields_naming(step_class(kind), "model"):
            for ref in _texts(fields.get(field)):
                if not ref.startswith("$"):
                    _refuse(ref, workspace, accelerated)


def _refuse(ref: str, workspace: Workspace, accelerated: bool) -> None:
    name, _, digest = ref.partition("@")
    refuse_model(name, accelerated)
    try:
        workspace.location("models", digest)
    except Missing as error:
        raise BadInput(f"{name} has another digest on this Space. Name it in the form, without a digest.") from error


def _texts(value: Any) -> list[str]:
    """The texts of a field: its own, or those of a list."""
    if isinstance(value, list | tuple):
        return [text for one in value for text in _texts(one)]
    return [value] if isinstance(value, str) else []
