"""Distil: a few images per class that still teach. Essentials first, the rest under More."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from synthstudio.intake.sources import DIGITS
from synthstudio.jobs.asking import distil_recipes
from synthstudio.jobs.asking.asked import Asked, check_resources
from synthstudio.jobs.asking.recipes import load_recipe
from synthstudio.jobs.knowing.stock import BUNDLED, typed
from synthstudio.ui.session import choices
from synthstudio.ui.session.lists import following
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.session.tools import QUIET, Form, chosen_photos, empty, filled, for_strangers, remembered, whole
from synthstudio.ui.tabs import asking, distil_plan

_NOTHING = (
    "No small set yet. Choose photos, a method and how many images per class above, then press Distil. "
    "Here you will see the set as it forms, and how it does against every simple way to choose as many images."
)
_NO_CURVE = (
    "How few images would do? Once photos were split or a set was distilled, draw here how accuracy falls "
    "with fewer images per class."
)


def build(session: StudioSession, page: gr.Blocks, tab: gr.Tab) -> None:
    """Everything of the Distil tab."""
    with gr.Row(elem_classes="ss-twocolumns"):
        with gr.Column(min_width=300):
            controls = _form(session)
        with gr.Column(min_width=300):
            plan = gr.HTML(elem_id="ss-distil-plan", apply_default_css=False)
            form = Form("distil", controls)
            go = gr.Button("Distil", variant="primary", elem_id="ss-distil-go")
    for name, nothing in (("studio-distil", _NOTHING), ("studio-shrink", _NO_CURVE)):
        gr.HTML(f"<{name}>{empty(nothing)}</{name}>", elem_classes="ss-plainblock", apply_default_css=False)
    _wire(session, page, tab, form, plan, go)


def asked_of(values: Mapping[str, Any]) -> tuple[str, Asked]:
    """(recipe, request) from the values of the form. Lines under Settings come last, so they win."""
    name = str(values["recipe"] or distil_recipes.FIRST)
    lines = [line.strip() for line in str(values["settings"] or "").splitlines() if line.strip()]
    size = [f"{distil_recipes.maker(name)}.images_per_class={whole(values, 'per_class', 'Images per class')}"]
    asked = Asked(
        data=chosen_photos(values),
        shots=None if values["every"] else whole(values, "shots", "Shots per class"),
        folds=whole(values, "folds", "Folds"),
        preset=str(values["preset"]),
        backbone=str(values["backbone"] or "pico"),
        encoder=str(values["encoder"] or "").strip() or None,
        settings=[*size, *lines],
        seed=whole(values, "seed", "Seed", 0),
        resources={"device": str(values["device"] or "auto").strip()},
    )
    check_resources(asked.resources)
    return name, asked


def _form(session: StudioSession) -> dict[str, Any]:
    methods = [(distil_recipes.title(name), name) for name in distil_recipes.names()]
    presets = list(load_recipe(distil_recipes.FIRST).presets)
    size = distil_recipes.preset_size(distil_recipes.FIRST, presets[0]) or 10
    form: dict[str, Any] = {
        "data": gr.Dropdown([BUNDLED], value=DIGITS, label="Photos", elem_id="ss-distil-data",
                            allow_custom_value=True,
                            info="The real photos the set is made from. Half of each class is held out for the test."),
        "recipe": gr.Dropdown(methods, value=distil_recipes.FIRST, label="Method", filterable=False,
                              elem_id="ss-distil-recipe",
                              info="The first ones optimise images; mosaic and prototypes choose or draw them."),
        "per_class": gr.Slider(1, 50, value=size, step=1, label="Images per class", elem_id="ss-distil-per-class",
                               info="The size of the small set."),
        "preset": gr.Radio(presets, value=presets[0], label="Preset", elem_id="ss-distil-preset",
                           info="quick: minutes, to see how it goes. standard: to believe. paper: as published."),
    }  # fmt: skip
    with gr.Accordion("More", open=False, elem_id="ss-distil-more"):
        form |= {
            "every": gr.Checkbox(True, label="Learn from every photo that is not held out", elem_id="ss-distil-every",
                                 info="Off: only from so many shots per class."),
            "shots": gr.Slider(1, 200, value=16, step=1, label="Shots per class", visible=False),
            "folds": gr.Slider(1, 10, value=1, step=1, label="Folds", elem_id="ss-distil-folds",
                               info="Repeat with other shots. Three or more give an interval over shots."),
            "backbone": gr.Dropdown(choices.backbones(), value="pico", label="Backbone", allow_custom_value=True,
                                    elem_id="ss-distil-backbone",
                                    info="Its latents say which images are alike; GLaD and prototypes draw with it."),
            "encoder": gr.Textbox("", label="Encoder", placeholder="auto", elem_id="ss-distil-encoder",
                                  info="For the judge’s linear probe: a name, a folder or a Hub repository."),
            "seed": gr.Number(0, step=1, label="Seed", elem_id="ss-distil-seed",
                              info="Equal seeds give equal images."),
            "settings": gr.Textbox("", lines=3, label="Settings", placeholder="small.iterations=1000",
                                   elem_id="ss-distil-settings",
                                   info="One step.field=value per line; they override all above."),
            "device": gr.Textbox("auto", label="Device", elem_id="ss-distil-device",
                                 info="auto, cpu, cuda, cuda:1 or mps."),
        }  # fmt: skip
    return form


def _wire(session: StudioSession, page: gr.Blocks, tab: gr.Tab, form: Form, plan: gr.HTML, go: gr.Button) -> None:
    one = form.controls

    def begin(*given: Any) -> None:
        asking.start(session, *asked_of(form.values(given)))

    def say(values: dict[str, Any]) -> str:
        return distil_plan.preview(session, *asked_of(values))

    suggested = gr.State(_size(distil_recipes.FIRST))
    photos = for_strangers(lambda: gr.Dropdown(choices.photos(session)))
    following(one["data"], lambda: choices.photos(session), lambda place: typed(session.studio, place), fill=False)
    back = remembered(page, "distil", form.fields).then(photos, None, one["data"], **QUIET)
    back = back.then(_size, [one["recipe"], one["preset"]], suggested, **QUIET)
    filled(form.planned(back, tab, plan, say), "distil")
    gr.on([one["recipe"].input, one["preset"].input], _of_preset,
          [one["recipe"], one["preset"], one["per_class"], suggested],
          [one["preset"], one["per_class"], suggested], **QUIET)  # fmt: skip
    hidden = for_strangers(lambda every: gr.Slider(visible=not every))
    one["every"].change(hidden, one["every"], one["shots"], **QUIET)
    form.press(go, begin, "distilled")


@for_strangers
def _of_preset(name: str, preset: str, size: float | None, suggested: int | None) -> tuple[Any, Any, int | None]:
    """The presets of a recipe, and the size that the chosen one makes unless somebody chose another size."""
    known = list(load_recipe(name).presets)
    chosen = preset if preset in known else known[0]
    makes = _size(name, chosen)
    mine = size != suggested
    return gr.Radio(known, value=chosen), gr.skip() if mine or makes is None else makes, makes or suggested


@for_strangers
def _size(name: str, preset: str | None = None) -> int | None:
    return distil_recipes.preset_size(name, preset or next(iter(load_recipe(name).presets)))
