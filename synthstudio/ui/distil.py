"""Distil: a few images per class that still teach. Essentials first, the rest under More."""

from typing import Any

import gradio as gr

from synthstudio.errors import StudioError
from synthstudio.intake.sources import DIGITS
from synthstudio.jobs.recipes import load_recipe
from synthstudio.ui import asking, choices, distil_plan, distil_recipes
from synthstudio.ui.controls import ranged
from synthstudio.ui.session import StudioSession
from synthstudio.ui.stock import stock
from synthstudio.ui.tools import QUIET, empty, filled, remembered, spoken
from synthstudio.ui.words import safe

_NOTHING = (
    "No small set yet. Choose photos, a method and how many images per class above, then press Distil. "
    "Here you will see the set as it forms, and how it does against every simple way to choose as many images."
)
_NO_CURVE = (
    "How few images would do? Once photos were split or a set was distilled, draw here how accuracy falls "
    "with fewer images per class."
)
_POKE = "() => { studio.newDistillation(); studio.poke(); }"


def build(session: StudioSession, page: gr.Blocks) -> None:
    """Everything of the Distil tab."""
    with gr.Row(elem_classes="ss-twocolumns"):
        with gr.Column(min_width=300):
            form = _form(session)
        with gr.Column(min_width=300):
            plan = gr.HTML(elem_id="ss-distil-plan", apply_default_css=False)
            go = gr.Button("Distil", variant="primary", elem_id="ss-distil-go")
    for name, nothing in (("studio-distil", _NOTHING), ("studio-shrink", _NO_CURVE)):
        gr.HTML(f"<{name}>{empty(nothing)}</{name}>", elem_classes="ss-plainblock", apply_default_css=False)
    _wire(session, page, form, plan, go)


def _form(session: StudioSession) -> dict[str, Any]:
    methods = [(distil_recipes.title(name), name) for name in distil_recipes.names()]
    presets = list(load_recipe(distil_recipes.FIRST).presets)
    size = distil_recipes.preset_size(distil_recipes.FIRST, presets[0]) or 10
    form: dict[str, Any] = {
        "data": gr.Dropdown(_data(session), value=DIGITS, label="Photos", elem_id="ss-distil-data",
                            allow_custom_value=True,
                            info="The real photos the set is made from. Half of each class is held out for the test."),
        "recipe": gr.Dropdown(methods, value=distil_recipes.FIRST, label="Method", filterable=False,
                              elem_id="ss-distil-recipe",
                              info="The first ones optimise images; mosaic and prototypes choose or draw them."),
        "per_class": ranged(1, 50, value=size, step=1, label="Images per class", elem_id="ss-distil-per-class",
                               info="The size of the small set."),
        "preset": gr.Radio(presets, value=presets[0], label="Preset", elem_id="ss-distil-preset",
                           info="quick: minutes, to see how it goes. standard: to believe. paper: as published."),
    }  # fmt: skip
    with gr.Accordion("More", open=False, elem_id="ss-distil-more"):
        form |= {
            "every": gr.Checkbox(True, label="Learn from every photo that is not held out", elem_id="ss-distil-every",
                                 info="Off: only from so many shots per class."),
            "shots": ranged(1, 200, value=16, step=1, label="Shots per class", visible=False),
            "folds": ranged(1, 10, value=1, step=1, label="Folds", elem_id="ss-distil-folds",
                               info="Repeat with other shots. Three or more give an interval over shots."),
            "backbone": gr.Dropdown(choices.backbones(), value="pico", label="Backbone", allow_custom_value=True,
                                    elem_id="ss-distil-backbone",
                                    info="Its latents say which images are alike; GLaD and prototypes draw with it."),
            "encoder": gr.Textbox("", label="Encoder", placeholder="fits the backbone", elem_id="ss-distil-encoder",
                                  info="For the judge’s linear probe: a name, a folder or a Hub repository."),
            "seed": gr.Number(0, precision=0, minimum=0, label="Seed", elem_id="ss-distil-seed",
                              info="Equal seeds give equal images."),
            "settings": gr.Textbox("", lines=3, label="Settings", placeholder="small.iterations=1000",
                                   elem_id="ss-distil-settings",
                                   info="One step.field=value per line; they override all above."),
            "device": gr.Textbox("auto", label="Device", elem_id="ss-distil-device",
                                 info="auto, cpu, cuda, cuda:1 or mps."),
        }  # fmt: skip
    return form


def _wire(session: StudioSession, page: gr.Blocks, form: dict[str, Any], plan: gr.HTML, go: gr.Button) -> None:
    fields = list(form.values())

    def show(*values: Any) -> str:
        try:
            return distil_plan.preview(session, *distil_recipes.asked_of(dict(zip(form, values, strict=True))))
        except StudioError as error:
            return f'<div class="ss-badline" role="alert">{safe(error)}</div>'

    @spoken
    def begin(*values: Any) -> None:
        asking.start(session, *distil_recipes.asked_of(dict(zip(form, values, strict=True))))

    back = remembered(page, "distil", fields).then(lambda: gr.Dropdown(_data(session)), None, form["data"], **QUIET)
    filled(back.then(show, fields, plan, **QUIET), "distil")
    gr.on([form["recipe"].input, form["preset"].input], _of_preset, [form["recipe"], form["preset"]],
          [form["preset"], form["per_class"]], **QUIET)  # fmt: skip
    form["every"].change(lambda every: gr.Slider(visible=not every), form["every"], form["shots"], **QUIET)
    gr.on([one.change for one in fields], show, fields, plan, trigger_mode="always_last", **QUIET)
    go.click(begin, fields, None, trigger_mode="once", **QUIET).success(None, js=_POKE, **QUIET)


def _of_preset(name: str, preset: str) -> tuple[Any, Any]:
    """The presets of a recipe, and the size that the chosen one makes."""
    known = list(load_recipe(name).presets)
    chosen = preset if preset in known else known[0]
    return gr.Radio(known, value=chosen), distil_recipes.preset_size(name, chosen) or gr.skip()


def _data(session: StudioSession) -> list[tuple[str, str]]:
    return [(one.title, one.data) for one in stock(session)]
