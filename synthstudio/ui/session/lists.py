"""What there is to choose from, in every open page, as it is now.

A control that offers things of the project is marked with `following`. `wire` adds one event for all of them: the
page's script fires it when the version of the lists in the polled state has changed, whatever changed it. What a person
chose stays as long as it is there; where it is not, that is said and nothing else is chosen in its place.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from synthstudio.errors import BadInput
from synthstudio.jobs.asking.recipes import recipe_names
from synthstudio.jobs.knowing.stock import ABOUT, folder
from synthstudio.ui import scripts
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.session.tools import QUIET, for_strangers
from synthstudio.ui.words import safe

Choices = Sequence[tuple[str, str]]
_MARK = "follows"
_RUN = "run:"
# 'changed' stands here in quotes so that gradio offers it as an event; the page's script says when, and what to choose.
_LISTEN = """
addEventListener('studio:lists', (event) => trigger('changed', { asked: JSON.stringify(event.detail) }));
document.documentElement.classList.add('ss-listening');
"""
_LONGEST = 4000


@dataclass(frozen=True)
class Asked:
    """What the page's script says: what to choose, by the ids of controls (a value, or `run:` and the run that made
    it), in which controls something was not there any more and nothing was chosen since, and which controls of several
    choices held some before: where these are empty, somebody has emptied them.
    """

    choose: Mapping[str, str]
    gone: Sequence[str] = ()
    held: Sequence[str] = ()


@dataclass(frozen=True)
class _Follows:
    """What a control offers. `typed` says of a value that is not offered whether somebody typed it."""

    offered: Callable[[], Choices]
    typed: Callable[[str], bool]
    fill: bool  # where nothing is chosen, choose the first, or all where several may be


def following(
    control: Any, offered: Callable[[], Choices], typed: Callable[[str], bool] = lambda _: False, fill: bool = True
) -> Any:
    """Let a dropdown offer what there is now; returns it. See `_Follows` for the rest."""
    vars(control)[_MARK] = _Follows(offered, typed, fill)
    return control


def version(session: StudioSession) -> str:
    """Changes with whatever there is to choose from: what ended runs made, names that people gave, photos, recipes."""
    photos = sorted((str(one), one.stat().st_mtime_ns) for one in folder(session.studio).glob(f"*/{ABOUT}"))
    found = [session.studio.catalog.version(), photos, recipe_names(session.recipe_home)]
    return hashlib.sha256(json.dumps(found, default=str).encode()).hexdigest()[:16]


def wire(session: StudioSession, page: gr.Blocks) -> None:
    """Add the event to a page that has all its controls."""
    controls = [one for one in page.blocks.values() if _MARK in vars(one)]
    with page:
        said = gr.HTML("", elem_id="ss-lists-said", visible=False, apply_default_css=False)
        listener: Any = gr.HTML(
            "", js_on_load=_LISTEN, elem_id="ss-lists", elem_classes="ss-plainblock", apply_default_css=False
        )

        @for_strangers
        def refresh(event: gr.EventData, *values: Any) -> list[Any]:
            return refreshed(session, controls, values, asked_of(event._data))

        event = listener.changed(refresh, controls, [*controls, said], trigger_mode="multiple", **QUIET)
        event.success(None, said, None, js=scripts.call("listed"), **QUIET)


def refreshed(session: StudioSession, controls: Sequence[Any], values: Sequence[Any], asked: Asked) -> list[Any]:
    """New choices for every control, a new value only where one is needed, and last what has to be said of it."""
    updates: list[Any] = []
    lines: list[str] = []
    for control, value in zip(controls, values, strict=True):
        update, problem = _new(session, control, value, asked)
        updates.append(update)
        if control.multiselect and (value or update.get("value")):
            lines.append(f'<p data-held="{safe(control.elem_id)}"></p>')
        if problem:
            lines.append(f'<p data-field="{safe(control.elem_id)}">{safe(control.label)}: {safe(problem)}</p>')
    return [*updates, "".join(lines)]


_GONE = "what was chosen is not there any more. Choose again."


def _new(session: StudioSession, control: Any, value: Any, asked: Asked) -> tuple[Any, str]:
    """(the update of one control, what to say of it)."""
    follows: _Follows = vars(control)[_MARK]
    offered = list(follows.offered())
    known = [one for _, one in offered]
    wanted = asked.choose.get(control.elem_id)
    if wanted is not None:
        found = next((one for one in _meant(session, wanted) if one in known), None)
        if found is not None:
            return gr.update(choices=offered, value=[found] if control.multiselect else found), ""
        return gr.update(choices=offered), "what you asked for is not there any more. Choose another."
    if control.multiselect:
        return _several(follows, offered, known, value, emptied=control.elem_id in asked.held)
    if value in known or (isinstance(value, str) and value and follows.typed(value)):
        return gr.update(choices=offered), ""
    if value not in (None, "", []) or control.elem_id in asked.gone:
        return gr.update(choices=offered, value=None), _GONE
    if follows.fill and known:
        return gr.update(choices=offered, value=known[0]), ""
    return gr.update(choices=offered), ""


def _several(follows: _Follows, offered: Choices, known: list[str], value: Any, *, emptied: bool) -> tuple[Any, str]:
    chosen = value if isinstance(value, list) else []
    kept = [one for one in chosen if one in known or (isinstance(one, str) and follows.typed(one))]
    if kept != chosen:
        return gr.update(choices=offered, value=kept), _GONE
    if not chosen and follows.fill and not emptied:
        return gr.update(choices=offered, value=known), ""
    return gr.update(choices=offered), ""


def _meant(session: StudioSession, wanted: str) -> list[str]:
    """The values that may be meant: the text itself, or whatever a run made."""
    if not wanted.startswith(_RUN):
        return [wanted]
    run_id, runs = wanted.removeprefix(_RUN), session.studio.catalog.runs
    return [str(value) for value in runs.outputs(run_id).values()]


def asked_of(data: object) -> Asked:
    """What an event brings; anybody may send anything. BadInput for what the page does not send."""
    text = data.get("asked") if isinstance(data, dict) else None
    try:
        found = json.loads(text) if isinstance(text, str) and len(text) <= _LONGEST else None
    except (ValueError, RecursionError):
        found = None
    match found:
        case {"choose": dict(choose), "gone": list(gone), "held": list(held)} if all(
            isinstance(one, str) for one in [*choose.values(), *gone, *held]
        ):
            return Asked(choose, gone, held)
    raise BadInput("What to choose was not said as the page says it. Reload the page.")
