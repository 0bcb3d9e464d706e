"""What a form can choose from: shots of splits, adapters, and how to name a model."""

import time
from typing import Any

from synthstudio.catalog.runs import Run
from synthstudio.intake.sources import DIGITS
from synthstudio.models import MODELS, reference
from synthstudio.step import from_json
from synthstudio.ui.session import StudioSession


def backbones() -> list[tuple[str, str]]:
    """The backbones known by name."""
    return [(f"{model.name}: {model.about}", model.name) for model in MODELS.values() if model.purpose == "backbone"]


def shots(session: StudioSession) -> list[tuple[str, str]]:
    """(title, set id) of the shots of every split, the newest first."""
    found: dict[str, str] = {}
    for run in _done(session, "collect.split"):
        outputs = session.studio.catalog.runs.outputs(run.id)
        fields = _fields(session, run)
        count = len(session.studio.workspace.image_set(outputs["shots"]))
        each = f"{fields['shots']} per class" if fields.get("shots") else "all"
        title = f"{count} shots ({each}), fold {fields.get('fold', 0) + 1}, {_when(run)}"
        found.setdefault(outputs["shots"], title)
    return [(title, set_id) for set_id, title in found.items()]


def adapters(session: StudioSession) -> list[tuple[str, str]]:
    """(title, adapter id), the newest first; the first choice is none: the backbone as it is."""
    found: dict[str, str] = {}
    for run in _done(session, "adapt.lora"):
        fields = _fields(session, run)
        name = str(fields["backbone"]).partition("@")[0]
        steps = f"{run.total} steps" if run.total else "trained"
        title = f"{name}, rank {fields['rank']}, {steps}, {_when(run)}"
        found.setdefault(session.studio.catalog.runs.outputs(run.id)["adapter"], title)
    return [("none: the backbone as it is", ""), *((title, adapter) for adapter, title in found.items())]


def labels(session: StudioSession) -> list[str]:
    """The classes of the newest split, else of the newest import."""
    for kind in ("collect.split", "collect.import_images"):
        for run in _done(session, kind):
            found = session.studio.catalog.runs.outputs(run.id).get("labels")
            if found:
                return [str(label) for label in found]
    return []


def backbone_reference(session: StudioSession, name: str, adapter: str = "") -> str:
    """`name@digest` of a backbone; an adapter brings its own."""
    if adapter:
        return str(session.studio.workspace.document(adapter)["backbone"])
    session.check_writable()
    session.check_sources(DIGITS, name or "pico")
    return reference(name or "pico", "backbone", session.studio.workspace)


def _done(session: StudioSession, kind: str) -> list[Run]:
    return [run for run in session.studio.catalog.runs.all(limit=1000) if run.kind == kind and run.state == "done"]


def _fields(session: StudioSession, run: Run) -> dict[str, Any]:
    return from_json(session.studio.catalog.runs.step_body(run.step_id)).fields


def _when(run: Run) -> str:
    return time.strftime("%d %b %H:%M", time.localtime(run.finished or run.created))
