"""Below the Sample form: the same image under many settings, to choose them by."""

from collections.abc import Callable, Mapping
from typing import Any, get_args

import gradio as gr

from synthstudio.complaints import label as words_of
from synthstudio.models import reference
from synthstudio.step import Step
from synthstudio.step import build as build_step
from synthstudio.steps.sample.grid import Axis, Grid
from synthstudio.steps.sample.variation import Variation
from synthstudio.steps.select.eye import ChooseEye
from synthstudio.ui import scripts
from synthstudio.ui.session import choices
from synthstudio.ui.session.lists import following
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.session.tools import Form, refused

_LADDER = "0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9"
_VALUES = {"x_values": "Values across", "y_values": "Values down"}
_APART = "Separated by commas; texts by |."
_NONE = ("Nothing: one row", "")


def build(
    session: StudioSession, tab: gr.Tab, asked: Mapping[str, Any], step_of: Callable[[Mapping[str, Any]], Step]
) -> gr.HTML:
    """The panel below the form of these controls; returns the place of the pictures, which says what to use."""
    with gr.Accordion("Compare settings", open=False, elem_id="ss-grid"):
        gr.Markdown(
            "The same image, the same seed, other settings. The t0 ladder starts from one of your photos and leaves it"
            " step by step; a press on a picture puts its settings into the form above."
        )
        axes = [("t0" if name == "strength" else words_of(name), name) for name in get_args(Axis)]
        with gr.Row():
            wish = {
                "of": gr.Dropdown([], label="Class", allow_custom_value=True, info="The class that is drawn."),
                "x": gr.Dropdown(axes, value="guidance_scale", label="From left to right"),
                "x_values": gr.Textbox("1, 2, 4, 8", label=_VALUES["x_values"], info=_APART),
                "y": gr.Dropdown([_NONE, *axes], value="", label="From top to bottom"),
                "y_values": gr.Textbox("", label=_VALUES["y_values"], info=_APART),
                "photo": gr.Number(1, label="Photo", step=1, info="Which of the shots of the class to start from."),
            }
        following(wish["of"], lambda: [(one, one) for one in choices.labels(session)], typed=lambda _: True)
        form = Form("grid", {**asked, **wish})
        with gr.Row():
            compare = gr.Button("Compare", variant="primary", elem_id="ss-grid-go")
            ladder = gr.Button("t0 ladder", elem_id="ss-grid-ladder")
        place = gr.HTML(
            "", js_on_load=scripts.hears("studio:use_image", "use_image"), apply_default_css=False,
            html_template="<studio-grid></studio-grid>", padding=False,
        )  # fmt: skip

    def begin(values: Mapping[str, Any]) -> None:
        grid = grid_of(session, step_of({**values, "labels": _class(values)}), values)
        with session.acting() as studio:
            studio.submit(grid)

    form.press(compare, lambda *given: begin(form.values(given)), "asked")
    form.press(ladder, lambda *given: begin({**form.values(given), **_rungs(session)}), "asked")
    return place


def grid_of(session: StudioSession, step: Step, values: Mapping[str, Any]) -> Step:
    """The grid around a step of the form. BadInput says which value cannot be."""
    known = Grid.model_fields
    fields = {name: value for name, value in step.fields.items() if name in known}
    fields |= {"images_per_class": 1, "x": values["x"], "x_values": _read("x_values", values["x_values"])}
    if str(values["y_values"] or "").strip() and not values["y"]:
        raise refused("y", "From top to bottom: choose the field that these values are of, or leave them out.")
    if values["y"]:
        fields |= {"y": values["y"], "y_values": _read("y_values", values["y_values"])}
    if isinstance(step, Variation):
        fields["shot"] = _photo(session, step, values["photo"])
        fields["encoder"] = eye(session)
    return build_step(Grid.kind, fields)


def _rungs(session: StudioSession) -> dict[str, Any]:
    """What a ladder changes of the form: it starts from the shots, whatever the form starts from."""
    shots = choices.shots(session)
    return {"start": "My shots", "x": "strength", "x_values": _LADDER, "y": "", "y_values": ""} | (
        {"sources": shots[0][1]} if shots else {}
    )


def eye(session: StudioSession) -> str:
    """The encoder that was chosen for these photos last; the bundled one where none was."""
    for run in session.studio.catalog.runs.of_kind(ChooseEye.kind, limit=1):
        return str(session.studio.catalog.runs.outputs(run.id)["eye"])
    return reference("pico-clip", "encoder", session.studio.workspace)


def _class(values: Mapping[str, Any]) -> list[str]:
    chosen = str(values["of"] or "").strip() or next(iter(values["labels"] or ()), "")
    if not chosen:
        raise refused("of", "Class: name the one to draw, for example “daisy”.")
    return [chosen]


def _photo(session: StudioSession, step: Variation, number: object) -> str:
    (label,) = step.labels
    found = session.studio.workspace.image_set(step.sources).by_label().get(label, ())
    if not found:
        raise refused("of", f"Class: these shots show no {label!r}. Choose another class or other shots.")
    if not isinstance(number, int | float) or not 1 <= number <= len(found):
        raise refused("photo", f"Photo: {label!r} has {len(found)} shots; give a number from 1 to {len(found)}.")
    return found[int(number) - 1].image


def _read(name: str, text: object) -> list[str]:
    """Values as they are typed: numbers by commas, texts by upright lines."""
    said = str(text or "")
    parts = [part.strip() for part in said.split("|" if "|" in said else ",")]
    if not any(parts):
        raise refused(name, f"{_VALUES[name]}: name some, for example 1, 2, 4.")
    return [part for part in parts if part]
