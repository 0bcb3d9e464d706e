"""The first screen: three ways to begin, one click to run a recipe, and the live panel."""

from typing import Any

import gradio as gr

from synthstudio.complaints import concerning
from synthstudio.intake.sources import DIGITS
from synthstudio.jobs.asking.asked import Asked, check_resources
from synthstudio.jobs.asking.recipes import load_recipe
from synthstudio.jobs.knowing.stock import BUNDLED, typed
from synthstudio.models import MODELS
from synthstudio.ui import scripts
from synthstudio.ui.session import choices
from synthstudio.ui.session.lists import following
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.session.tools import QUIET, Form, chosen_photos, filled, for_strangers, remembered, whole
from synthstudio.ui.tabs import asking

_FIRST = "datadream"
_DIGITS = [_FIRST, "quick", DIGITS, 16, 1, "pico", "", 0, "", "auto"]  # the form as a newcomer needs it
_DIGITS_WORDS = "Try it on handwritten digits\nFills the form in; then press Run. Minutes on a laptop."


def build(session: StudioSession, page: gr.Blocks, tab: gr.Tab) -> None:
    """Everything of the Start tab."""
    asking.warn_of_unusable(session)
    gr.HTML("<studio-live></studio-live>", elem_classes="ss-plainblock", apply_default_css=False)
    with gr.Row(elem_classes="ss-cards"):
        digits = gr.Button(_DIGITS_WORDS, elem_id="ss-digits")
        photos = gr.Button("Start from my photos\nDrop folders, a zip or loose files.", elem_id="ss-photos")
        project = gr.Button("Open a project\nGo on where you were, or start a new one.", elem_id="ss-open")
    with gr.Column(visible=False, elem_id="ss-projects") as chooser:
        _projects(session, page)
    with gr.Row(elem_classes="ss-twocolumns"):
        with gr.Column(min_width=320):
            controls = _form(session)
        with gr.Column(min_width=320):
            plan = gr.HTML(elem_id="ss-plan", apply_default_css=False)
            form = Form("recipe", controls)
            run = gr.Button("Run", variant="primary", elem_id="ss-run")
    _wire(session, page, tab, form, plan, run)
    fields = form.fields
    # Without the server: what is typed next must not be overtaken by an answer.
    digits.click(None, None, fields, js=scripts.call("begin", _DIGITS), **QUIET)
    photos.click(None, js=scripts.call("go", "data"), **QUIET)
    project.click(for_strangers(lambda: gr.Column(visible=True)), None, chooser, **QUIET)


def _form(session: StudioSession) -> dict[str, Any]:
    """The essentials; the rest under More."""
    recipes = asking.recipes(session)
    backbones = [(f"{m.name}: {m.about}", m.name) for m in MODELS.values() if m.purpose == "backbone"]
    form: dict[str, Any] = {
        "recipe": gr.Dropdown(recipes, value=_FIRST, label="Recipe", filterable=False, elem_id="ss-recipe"),
        "preset": gr.Radio(list(load_recipe(_FIRST).presets), value="quick", label="Preset", elem_id="ss-preset",
                           info="quick: minutes, to see how it goes. standard: to believe. paper: as published."),
        "data": gr.Dropdown([BUNDLED], value=DIGITS, label="Photos", elem_id="ss-data", allow_custom_value=True,
                            info="What you brought in under Data, or the path of a folder, zip or parquet file here."),
        "shots": gr.Slider(1, 50, value=16, step=1, label="Shots per class",
                           info="Real photos per class the method may see. The others test it."),
        "folds": gr.Slider(1, 10, value=1, step=1, label="Folds",
                           info="Repeat with other shots. Three or more give an interval you can trust."),
    }  # fmt: skip
    with gr.Accordion("More", open=False, elem_id="ss-recipe-more"):
        form |= {
            "backbone": gr.Dropdown(backbones, value="pico", label="Backbone", allow_custom_value=True,
                                    info="The text-to-image model: a name, a folder or a Hub repository."),
            "encoder": gr.Textbox("", label="Encoder", placeholder="auto",
                                  info="What looks at pictures; auto: your photos choose. Or a name or folder."),
            "seed": gr.Number(0, precision=0, label="Seed", elem_id="ss-seed",
                              info="Equal seeds give equal images."),
            "settings": gr.Textbox("", lines=3, label="Settings", placeholder="adapter.training_steps=300",
                                   info="One step.field=value per line; they override the preset."),
            "device": gr.Textbox("auto", label="Device", info="auto, cpu, cuda, cuda:1 or mps."),
        }  # fmt: skip
    return form


def _wire(session: StudioSession, page: gr.Blocks, tab: gr.Tab, form: Form, plan: gr.HTML, run: gr.Button) -> None:
    recipe, preset = form.controls["recipe"], form.controls["preset"]

    def begin(*given: Any) -> None:
        asking.start(session, *read_form(form.values(given)))

    def presets(name: str, chosen: str) -> Any:
        known = list(load_recipe(name, session.recipe_home).presets)
        return gr.Radio(known, value=chosen if chosen in known else known[0])

    offered = for_strangers(lambda: (gr.Dropdown(asking.recipes(session)), gr.Dropdown(choices.photos(session))))
    data = form.controls["data"]
    following(recipe, lambda: asking.recipes(session), fill=False)
    following(data, lambda: choices.photos(session), lambda place: typed(session.studio, place), fill=False)
    back = remembered(page, "recipe", form.fields).then(offered, None, [recipe, data], **QUIET)
    filled(form.planned(back, tab, plan, lambda values: asking.preview(session, *read_form(values))), "recipe")
    recipe.input(presets, [recipe, preset], preset, **QUIET)
    form.press(run, begin, "recipe")


def read_form(values: dict[str, Any]) -> tuple[str, Asked]:
    """(recipe, request) from the values of the form."""
    settings = [line.strip() for line in str(values["settings"] or "").splitlines() if line.strip()]
    asked = Asked(
        data=chosen_photos(values),
        shots=whole(values, "shots", "Shots per class"),
        folds=whole(values, "folds", "Folds"),
        preset=str(values["preset"]),
        backbone=str(values["backbone"] or "pico"),
        encoder=str(values["encoder"] or "").strip() or None,
        settings=settings,
        seed=whole(values, "seed", "Seed", 0),
        resources={"device": str(values["device"] or "auto").strip()},
    )
    check_resources(asked.resources)
    return str(values["recipe"]), asked


def _projects(session: StudioSession, page: gr.Blocks) -> None:
    """Choose another project, or name a new one: this tab goes there, others stay where they are."""
    with gr.Row():
        name = gr.Dropdown(
            [], label="Project", allow_custom_value=True, elem_id="ss-project",
            info="Choose one, or type a new name. Each project has its own photos, images and runs.",
        )  # fmt: skip
        go = gr.Button("Open", variant="primary", elem_id="ss-project-open")
    form = Form("project", {"name": name})

    def begin(wanted: str | None) -> None:
        with concerning("name"):
            session.open(str(wanted or ""))

    names = for_strangers(lambda: gr.Dropdown(list(session.projects().values()), value=session.project))
    page.load(names, None, name, **QUIET)
    form.press(go, begin, "opened")
