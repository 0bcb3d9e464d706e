"""Below the Sample form: many settings, tried one after another, and chosen by what their images teach."""

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from synthstudio.complaints import concerning
from synthstudio.complaints import label as words_of
from synthstudio.jobs.curating import sweep
from synthstudio.step import Step
from synthstudio.steps.sweep.best import BestSettings
from synthstudio.steps.sweep.ranges import TUNED, Range
from synthstudio.ui import scripts
from synthstudio.ui.session import choices
from synthstudio.ui.session.lists import following
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.session.tools import Form, refused
from synthstudio.ui.tabs import controls
from synthstudio.ui.tabs.sample_grid import eye

_FIRST = {"guidance_scale": "1:6", "inference_steps": "10, 20, 50"}
_PLAIN = ("trials", "images_per_class")


def build(session: StudioSession, asked: Mapping[str, Any], step_of: Callable[[Mapping[str, Any]], Step]) -> gr.HTML:
    """The panel below the form of these controls; returns the place of the trials, which says what to use."""
    with gr.Accordion("Sweep settings", open=False, elem_id="ss-sweep"):
        gr.Markdown(
            "Tries settings of the form above, each with a few images, and asks a linear probe that has learnt from"
            " these alone to name validation photos. The first trial has the form’s own settings; a press on a trial"
            " puts its settings into the form."
        )
        with gr.Row():
            wish: dict[str, Any] = {
                _key(field): gr.Textbox(
                    _FIRST.get(field, ""), label=f"Try {_words(field)}", info="1, 2, 4 or 1:6; empty: as above.",
                    min_width=140,
                )
                for field in TUNED
            }  # fmt: skip
        with gr.Row():
            wish |= {name: controls.control(BestSettings, name) for name in _PLAIN}
        with gr.Row():
            wish["validation"] = following(
                gr.Dropdown([], label="Validation photos", info="What settings are chosen by. Test photos never are."),
                lambda: choices.validation(session),
            )
            wish["guard"] = gr.Textbox(
                "",
                label="Guard",
                info="The largest kernel distance to the photos; empty: not surely larger than at first.",
            )
        form = Form("sweep", {**asked, **{_named(name): one for name, one in wish.items()}})
        go = gr.Button("Sweep", variant="primary", elem_id="ss-sweep-go")
        place = gr.HTML(
            "", js_on_load=scripts.hears("studio:use_image", "use_image"), apply_default_css=False,
            html_template="<studio-sweep></studio-sweep>", padding=False,
        )  # fmt: skip

    def begin(*given: Any) -> None:
        values = form.values(given)
        wished = wish_of(session, step_of(values), values)
        with session.acting() as studio:
            sweep.start(studio, wished)

    form.press(go, begin, "asked")
    return place


def wish_of(session: StudioSession, step: Step, values: Mapping[str, Any]) -> sweep.Wish:
    """The sweep around a step of the form. BadInput says which value cannot be."""
    asked = controls.read(BestSettings, {name: values[_named(name)] for name in _PLAIN})
    asked |= {
        "ranges": _ranges(values), "guard": _guard(values["guard"]), "seed": step.fields["seed"],
        "validation": values["validation"] or None, "encoder": eye(session),
    }  # fmt: skip
    return sweep.wished(session.studio, step, asked)


def _ranges(values: Mapping[str, Any]) -> list[Range]:
    found: list[Range] = []
    for field in TUNED:
        text = str(values[_key(field)] or "").strip()
        if text:
            with concerning(_key(field)):
                found += sweep.ranges([f"{field}={text}"])
    if not found:
        raise refused(_key(TUNED[0]), f"Try {_words(TUNED[0])}: give values here or for another setting.")
    return found


def _guard(text: object) -> float | None:
    said = str(text or "").strip().replace(",", ".")
    try:
        return float(said) if said else None
    except ValueError as error:
        raise refused("guard", "Guard: give a number such as 0.05, or leave it empty.") from error


def _key(field: str) -> str:
    return f"try_{field}"


def _named(name: str) -> str:
    """A control's name in the form, where those of the form above have theirs."""
    return "each" if name == "images_per_class" else name


def _words(field: str) -> str:
    return "t0" if field == "strength" else words_of(field).lower()
