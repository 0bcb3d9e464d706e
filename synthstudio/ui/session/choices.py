"""What a form can choose from: shots of splits, adapters, and how to name a model."""

import time
from collections.abc import Sequence
from typing import Any

from synthstudio.catalog.runs import Run
from synthstudio.intake.sources import DIGITS
from synthstudio.jobs.knowing.shots import IMPORT, SPLIT, place_of, span
from synthstudio.jobs.knowing.stock import stock, title_of
from synthstudio.models import MODELS, reference
from synthstudio.quantities import many
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.session.tools import refused
from synthstudio.ui.words import adapter_words

_LISTED = 300  # so many of the newest can be chosen
PLAIN = "plain"  # the choice of no adapter


def backbones() -> list[tuple[str, str]]:
    """The backbones known by name."""
    return [(f"{model.name}: {model.about}", model.name) for model in MODELS.values() if model.purpose == "backbone"]


def shots(session: StudioSession) -> list[tuple[str, str]]:
    """(title, set id) of the shots of every split, the newest first."""
    found: dict[str, str] = {}
    places = _places(session)
    for run, fields, outputs in _done(session, SPLIT):
        count = many(len(session.studio.workspace.image_set(outputs["shots"])), "shot")
        each = span(session.studio.workspace, outputs["shots"]).words()
        fold = f", fold {fields['fold'] + 1}" if fields.get("fold") else ""
        title = f"{count} of {_data(session, places.get(str(fields['images'])))} ({each} per class{fold}), {_when(run)}"
        found.setdefault(outputs["shots"], title)
    return [(title, set_id) for set_id, title in found.items()]


def validation(session: StudioSession) -> list[tuple[str, str]]:
    """(title, set id) of the photos of every split that settings may be chosen by, the newest first."""
    found: dict[str, str] = {}
    places = _places(session)
    for run, fields, outputs in _done(session, SPLIT):
        if outputs.get("validation"):
            count = many(len(session.studio.workspace.image_set(outputs["validation"])), "photo")
            title = f"{count} of {_data(session, places.get(str(fields['images'])))}, {_when(run)}"
            found.setdefault(outputs["validation"], title)
    return [(title, set_id) for set_id, title in found.items()]


def adapters(session: StudioSession) -> list[tuple[str, str]]:
    """(title, adapter id), the newest first; the last choice is none, `PLAIN`: the backbone as it is.

    While there is no adapter that is an empty text, so that the first one to come is not passed over.
    """
    found: dict[str, str] = {}
    for run, fields, outputs in _done(session, "adapt."):
        name = str(fields["backbone"]).partition("@")[0]
        steps = f"{run.total} steps" if run.total else "trained"
        title = f"{name}, {adapter_words(fields)}, {steps}, {_when(run)}"
        found.setdefault(outputs["adapter"], title)
    if not found:
        return [("None yet: the model as it is", "")]
    return [*((title, adapter) for adapter, title in found.items()), ("None: the model as it is", PLAIN)]


def adapter_of(session: StudioSession, chosen: object) -> str | None:
    """The adapter that a form means; None: the model as it is. BadInput where nothing was chosen of some."""
    if chosen == PLAIN:
        return None
    if not chosen and adapters(session)[0][1]:
        raise refused("adapter", "Adapter: choose one, or “None: the model as it is”.")
    return str(chosen) if chosen else None


def photos(session: StudioSession) -> list[tuple[str, str]]:
    """(title, place) of the photos of the project, and of the bundled digits."""
    return [(one.title, one.data) for one in stock(session.studio)]


def labels(session: StudioSession) -> list[str]:
    """The classes of the newest split, else of the newest import."""
    for kind in (SPLIT, IMPORT):
        for _, _, outputs in _done(session, kind):
            if outputs.get("labels"):
                return [str(label) for label in outputs["labels"]]
    return []


def backbone_reference(session: StudioSession, name: str, adapter: str = "") -> str:
    """`name@digest` of a backbone; an adapter brings its own."""
    if adapter:
        return str(session.studio.workspace.document(adapter)["backbone"])
    session.check_writable()
    session.check_sources(DIGITS, name or "pico")
    return reference(name or "pico", "backbone", session.studio.workspace)


def encoder_reference(session: StudioSession, name: str) -> str:
    """`name@digest` of an encoder."""
    session.check_writable()
    session.check_sources(DIGITS, name or "pico-clip")
    return reference(name or "pico-clip", "encoder", session.studio.workspace)


def everything(session: StudioSession, roles: Sequence[str]) -> list[tuple[str, str]]:
    """(title, id) of whatever the project holds in these roles, the newest first."""
    return [
        (one.name if one.size is None else f"{one.name} ({many(one.size, 'image')})", one.id)
        for one in session.studio.catalog.names.all(tuple(roles))[:_LISTED]
    ]


def source_of(session: StudioSession, set_id: str) -> str:
    """Where the photos of a set come from, if a split made it of an import; else the set's name."""
    for run in session.studio.catalog.runs.making(set_id):
        if run.kind == SPLIT:
            return _places(session).get(str(session.studio.catalog.runs.fields(run.id)["images"])) or "photos"
    return session.studio.catalog.names.of(set_id)


def _data(session: StudioSession, place: str | None) -> str:
    """What to call the photos of a place."""
    return title_of(session.studio, place) if place else "photos"


def _places(session: StudioSession) -> dict[str, str | None]:
    """By pool the source that it was imported from, as far as anybody knows; of several imports the newest says it."""
    found: dict[str, str | None] = {}
    for _, fields, outputs in _done(session, IMPORT):
        found.setdefault(str(outputs.get("images")), place_of(session.studio, str(fields["source"])))
    return found


def _done(session: StudioSession, kind: str) -> list[tuple[Run, dict[str, Any], dict[str, Any]]]:
    """Finished runs of a kind with their fields and outputs, the newest first: three questions, however many runs, and
    none where nothing was written since they were asked.
    """
    runs = session.studio.catalog.runs

    def found() -> list[tuple[Run, dict[str, Any], dict[str, Any]]]:
        done = runs.of_kind(kind)
        ids = [run.id for run in done]
        fields, outputs = runs.fields_of(ids), runs.outputs_of(ids)
        return [(run, fields[run.id], outputs[run.id]) for run in done]

    return session.studio.catalog.database.since_commit(("done", kind), found)


def _when(run: Run) -> str:
    return time.strftime("%d %b %H:%M", time.localtime(run.finished or run.created))
