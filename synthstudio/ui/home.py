"""The first screen: three ways to begin, one click to run a recipe, and the live panel."""

import json
from typing import Any

import gradio as gr

from synthstudio.errors import StudioError
from synthstudio.intake.sources import DIGITS
from synthstudio.jobs.recipes import load_recipe, recipe_names
from synthstudio.jobs.requests import Asked
from synthstudio.models import MODELS
from synthstudio.resources import Resources
from synthstudio.ui import asking
from synthstudio.ui.controls import ranged
from synthstudio.ui.session import StudioSession
from synthstudio.ui.stock import stock
from synthstudio.ui.tools import QUIET, filled, remembered, spoken
from synthstudio.ui.words import safe

_FIRST = "datadream"
_DIGITS = [_FIRST, "quick", DIGITS, 16, 1, "pico", "", 0, "", "auto"]  # the form as a newcomer needs it
_POKE = "() => { studio.leaveRun(); studio.poke(); }"


def build(session: StudioSession, page: gr.Blocks) -> None:
    """Everything of the Start tab."""
    gr.HTML("<studio-live></studio-live>", elem_classes="ss-plainblock", apply_default_css=False)
    with gr.Row(elem_classes="ss-cards"):
        digits = gr.Button("Try it on handwritten digits\nNo photos needed. Minutes on a laptop.", elem_id="ss-digits")
        photos = gr.Button("Start from my photos\nDrop folders, a zip or loose files.", elem_id="ss-photos")
        project = gr.Button("Open a project\nGo on where you were, or start a new one.", elem_id="ss-open")
    with gr.Group(visible=False, elem_id="ss-projects") as chooser:
        _projects(session, page)
    with gr.Row(elem_classes="ss-twocolumns"):
        with gr.Column(min_width=320):
            form = _form(session)
        with gr.Column(min_width=320):
            plan = gr.HTML(elem_id="ss-plan", apply_default_css=False)
            run = gr.Button("Run", variant="primary", elem_id="ss-run")
    _wire(session, page, form, plan, run)
    fields = list(form.values())
    # Without the server: what is typed next must not be overtaken by an answer.
    digits.click(None, None, fields, js=f"() => {{ studio.flash('#ss-run'); return {json.dumps(_DIGITS)}; }}", **QUIET)
    photos.click(None, js="() => studio.go('data')", **QUIET)
    project.click(lambda: gr.Group(visible=True), None, chooser, **QUIET)


def _form(session: StudioSession) -> dict[str, Any]:
    """The essentials; the rest under More."""
    recipes = [(load_recipe(name).title, name) for name in recipe_names()]
    backbones = [(f"{m.name}: {m.about}", m.name) for m in MODELS.values() if m.purpose == "backbone"]
    form: dict[str, Any] = {
        "recipe": gr.Dropdown(recipes, value=_FIRST, label="Recipe", filterable=False, elem_id="ss-recipe"),
        "preset": gr.Radio(list(load_recipe(_FIRST).presets), value="quick", label="Preset", elem_id="ss-preset",
                           info="quick: minutes, to see how it goes. standard: to believe. paper: as published."),
        "data": gr.Dropdown(_data(session), value=DIGITS, label="Photos", elem_id="ss-data", allow_custom_value=True,
                            info="What you brought in under Data, or the path of a folder, zip or parquet file here."),
        "shots": ranged(1, 50, value=16, step=1, label="Shots per class",
                           info="Real photos per class the method may see. The others test it."),
        "folds": ranged(1, 10, value=1, step=1, label="Folds",
                           info="Repeat with other shots. Three or more give an interval you can trust."),
    }  # fmt: skip
    with gr.Accordion("More", open=False):
        form |= {
            "backbone": gr.Dropdown(backbones, value="pico", label="Backbone", allow_custom_value=True,
                                    info="The text-to-image model: a name, a folder or a Hub repository."),
            "encoder": gr.Textbox("", label="Encoder", placeholder="fits the backbone",
                                  info="CLIP for scores and classifiers: a name, a folder or a Hub repository."),
            "seed": gr.Number(0, precision=0, label="Seed", elem_id="ss-seed",
                              info="Equal seeds give equal images."),
            "settings": gr.Textbox("", lines=3, label="Settings", placeholder="adapter.training_steps=300",
                                   info="One step.field=value per line; they override the preset."),
            "device": gr.Textbox("auto", label="Device", info="auto, cpu, cuda, cuda:1 or mps."),
        }  # fmt: skip
    return form


def _wire(session: StudioSession, page: gr.Blocks, form: dict[str, Any], plan: gr.HTML, run: gr.Button) -> None:
    fields = list(form.values())

    def read(*values: Any) -> tuple[str, Asked]:
        return read_form(dict(zip(form, values, strict=True)))

    def show(*values: Any) -> str:
        try:
            return asking.preview(session, *read(*values))
        except StudioError as error:
            return f'<div class="ss-badline" role="alert">{safe(error)}</div>'

    @spoken
    def begin(*values: Any) -> None:
        asking.start(session, *read(*values))

    def presets(name: str, preset: str) -> Any:
        known = list(load_recipe(name).presets)
        return gr.Radio(known, value=preset if preset in known else known[0])

    def photos(request: gr.Request) -> Any:
        found = _data(session)
        return gr.Dropdown(found, value=found[0][1]) if "new" in request.query_params else gr.Dropdown(found)

    back = remembered(page, "recipe", fields).then(photos, None, form["data"], **QUIET)
    filled(back.then(show, fields, plan, **QUIET), "recipe")
    form["recipe"].input(presets, [form["recipe"], form["preset"]], form["preset"], **QUIET)
    gr.on([one.change for one in fields], show, fields, plan, trigger_mode="always_last", **QUIET)
    run.click(begin, fields, None, trigger_mode="once", **QUIET).success(None, js=_POKE, **QUIET)


def read_form(values: dict[str, Any]) -> tuple[str, Asked]:
    """(recipe, request) from the values of the form."""
    settings = [line.strip() for line in str(values["settings"] or "").splitlines() if line.strip()]
    asked = Asked(
        data=str(values["data"] or DIGITS), shots=int(values["shots"]), folds=int(values["folds"]),
        preset=str(values["preset"]), backbone=str(values["backbone"] or "pico"),
        encoder=str(values["encoder"] or "").strip() or None, settings=settings,
        seed=int(values["seed"] or 0), resources=Resources(device=str(values["device"] or "auto").strip()),
    )  # fmt: skip
    return str(values["recipe"]), asked


def _data(session: StudioSession) -> list[tuple[str, str]]:
    return [(one.title, one.data) for one in stock(session)]


def _projects(session: StudioSession, page: gr.Blocks) -> None:
    """Choose another project, or name a new one. All tabs follow."""
    with gr.Row():
        name = gr.Dropdown(
            session.projects(), value=session.project, label="Project", allow_custom_value=True, elem_id="ss-project",
            info="Choose one, or type a new name. Each project has its own photos, images and runs.",
        )  # fmt: skip
        go = gr.Button("Open", variant="primary", elem_id="ss-project-open")
    page.load(lambda: gr.Dropdown(session.projects(), value=session.project), None, name, **QUIET)
    go.click(spoken(session.open), name, None, **QUIET).success(None, js="() => location.assign('/')", **QUIET)
