"""What the top of the page says, and what a public copy switches off: banner, sign-in, buttons without effect here."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from synthstudio.ui.access import visitors
from synthstudio.ui.access.space import SpaceSession, sign_in_sentence
from synthstudio.ui.session.place import Place
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.session.tools import QUIET, for_strangers
from synthstudio.ui.words import safe

_FORGETS = (
    "This Space forgets everything when it restarts: export what you want to keep, or attach a storage bucket and set"
    " SYNTHSTUDIO_HOME to a folder on it."
)
# What each button needs: to be signed in, and for some that training works here.
_ACTS = ("ss-run", "ss-adapt-go", "ss-sample-go", "ss-sample-again", "ss-project-open")
_TRAINS = ("ss-run", "ss-adapt-go")


def head(where: Place) -> None:
    """The place of the banner and of the sign-in, at the top of the page being built."""
    if where.public and where.sign_in:
        gr.LoginButton(size="sm", elem_id="ss-sign-in", icon=None)  # its picture would come by path
    gr.HTML(banner(where, None), elem_id="ss-notice", elem_classes="ss-plainblock", apply_default_css=False)


def banner(where: Place, name: str | None, happened: Sequence[str] = ()) -> str:
    """What somebody must know about this copy, as sentences."""
    said = []
    if where.public and name is None:
        said.append(sign_in_sentence(where))
    if where.public and name is not None:
        said.append(f"You are {name}. This is your own project; others do not see it.")
    if where.no_training:
        said.append(where.no_training)
    if where.forgets:
        said.append(_FORGETS)
    said.extend(happened)
    if not said:
        return ""
    lines = "".join(f"<p>{safe(text)}</p>" for text in said)
    return f'<div class="ss-warnline" role="status">{lines}</div>'


def wire(session: StudioSession, page: gr.Blocks) -> None:
    """For every visitor anew: who they are, what happened to their project, which buttons can do something for them."""
    where = session.where
    notice = [one for one in page.blocks.values() if getattr(one, "elem_id", None) == "ss-notice"]
    buttons = [one for one in page.blocks.values() if getattr(one, "elem_id", None) in _ACTS]

    @for_strangers
    def greet() -> list[Any]:
        name = visitors.visitor()
        usable = [allowed(where, name, str(one.elem_id)) for one in buttons]
        return [banner(where, name, session.studio.catalog.said), *(gr.Button(interactive=one) for one in usable)]

    def tell() -> str:
        return banner(where, None, session.studio.catalog.said)

    with page:
        if isinstance(session, SpaceSession):
            page.load(greet, None, [*notice, *buttons], **QUIET)
        else:
            page.load(tell, None, notice, **QUIET)


def allowed(where: Place, name: str | None, button: str) -> bool:
    """Whether a button can do anything for this visitor at this place."""
    return name is not None and not (where.no_training and button in _TRAINS)
