"""What a public copy says and switches off: the banner, the sign-in button, buttons that cannot do anything here."""

from typing import Any

import gradio as gr

from synthstudio.ui import visitors
from synthstudio.ui.place import Place
from synthstudio.ui.session import StudioSession
from synthstudio.ui.space import SpaceSession, sign_in_sentence
from synthstudio.ui.tools import QUIET
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
    if where.public or where.forgets:
        gr.HTML(banner(where, None), elem_id="ss-notice", elem_classes="ss-plainblock", apply_default_css=False)


def banner(where: Place, name: str | None) -> str:
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
    lines = "".join(f"<p>{safe(text)}</p>" for text in said)
    return f'<div class="ss-warnline" role="status">{lines}</div>'


def wire(session: StudioSession, page: gr.Blocks) -> None:
    """For every visitor anew: who they are, and which buttons can do something for them."""
    if not isinstance(session, SpaceSession):
        return
    where = session.where
    notice = [one for one in page.blocks.values() if getattr(one, "elem_id", None) == "ss-notice"]
    buttons = [one for one in page.blocks.values() if getattr(one, "elem_id", None) in _ACTS]

    def greet() -> list[Any]:
        name = visitors.visitor()
        usable = [allowed(where, name, str(one.elem_id)) for one in buttons]
        return [banner(where, name), *(gr.Button(interactive=one) for one in usable)]

    with page:
        page.load(greet, None, [*notice, *buttons], **QUIET)


def allowed(where: Place, name: str | None, button: str) -> bool:
    """Whether a button can do anything for this visitor at this place."""
    return name is not None and not (where.no_training and button in _TRAINS)
