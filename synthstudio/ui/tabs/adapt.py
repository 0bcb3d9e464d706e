"""Adapt: fit an adapter to the shots. Essentials first, the rest under More."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from synthstudio.complaints import concerning
from synthstudio.jobs.asking.recipes import load_recipe
from synthstudio.step import build as build_step
from synthstudio.step import from_json
from synthstudio.steps.adapt.lora import Lora
from synthstudio.ui.session import choices
from synthstudio.ui.session.lists import following
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.session.tools import QUIET, Form, empty, filled, for_strangers, refused, remembered
from synthstudio.ui.tabs import controls

_FIRST = ("method", "scope", "prompt", "training_steps", "rank", "learning_rate", "batch_size")
_MORE = (
    "alpha", "epochs", "warmup_steps", "weight_decay", "targets", "train_text_encoder", "crop", "resolution",
    "prompt_dropout", "min_snr_gamma", "representativeness", "diversity", "seed",
)  # fmt: skip
_PRESETS = "datadream"


def build(session: StudioSession, page: gr.Blocks) -> None:
    """Everything of the Adapt tab."""
    with gr.Row(elem_classes="ss-twocolumns"):
        with gr.Column(min_width=320):
            images = gr.Dropdown(
                [],
                label="Shots",
                elem_id="ss-adapt-images",
                info="Real photos to learn from. A recipe’s split makes them; test photos are never here.",
            )
            backbone = gr.Dropdown(choices.backbones(), value="pico", label="Backbone", allow_custom_value=True)
            preset = gr.Radio(
                _presets(), value=_presets()[0], label="Preset", info="Fills the settings below; change what you like."
            )
            form = _controls(_FIRST)
            with gr.Accordion("More", open=False, elem_id="ss-adapt-more"):
                form |= _controls(_MORE)
            asked = Form("adapt", {"images": images, "backbone": backbone, **form})
            go = gr.Button("Adapt", variant="primary", elem_id="ss-adapt-go")
        with gr.Column(min_width=320):
            gr.HTML(
                f'<studio-latest kind="adapt.">{empty(_NOTHING)}</studio-latest>',
                elem_classes="ss-plainblock",
                apply_default_css=False,
            )
    following(images, lambda: choices.shots(session))
    fields = list(form.values())

    def begin(*given: Any) -> None:
        values = asked.values(given)
        if not values["images"]:
            raise refused(
                "images", "Shots: there are none to choose yet. Run a recipe on your photos; its split makes some."
            )
        chosen = controls.read(Lora, {name: values[name] for name in form})
        with concerning("backbone"):
            model = choices.backbone_reference(session, values["backbone"])
        step = build_step(Lora.kind, {"images": values["images"], "backbone": model, **chosen})
        with session.acting() as studio:
            studio.submit(step)

    @for_strangers
    def fill(request: gr.Request) -> list[Any]:
        named = request.query_params
        return _from_run(session, str(named.get("from", "")), list(form), str(named.get("images", "")))

    # An earlier run named in the address comes after what the browser remembers.
    filled(remembered(page, "adapt", [backbone, *fields]).then(fill, None, [images, *fields], **QUIET), "adapt")
    preset.input(lambda chosen: _of_preset(chosen, list(form)), preset, fields, **QUIET)
    asked.press(go, begin, "asked")


_NOTHING = "No adapter yet. Import photos, run a recipe or split them, then choose the shots here."


def _controls(names: Sequence[str]) -> dict[str, Any]:
    """The controls of these fields, with the values of the first preset."""
    values = _of_preset(_presets()[0], list(names))
    return {name: controls.control(Lora, name, value=value) for name, value in zip(names, values, strict=True)}


def _presets() -> list[str]:
    return list(load_recipe(_PRESETS).presets)


def _of_preset(name: str, names: list[str]) -> list[Any]:
    return controls.show(Lora, load_recipe(_PRESETS).presets[name].get("adapter", {}), names)


def _from_run(session: StudioSession, run_id: str, names: list[str], images: str = "") -> list[Any]:
    """Values of an earlier run, or a set, if the address names one."""
    shots = choices.shots(session)
    if session.studio.catalog.images.knows_set(images) and images.startswith("set:"):
        found = [one for one in shots if one[1] == images] or [(session.studio.catalog.names.of(images), images)]
        shots = [*found, *(one for one in shots if one[1] != images)]
    first = shots[0][1] if shots else None
    unchanged = [gr.Dropdown(shots, value=first), *(gr.skip() for _ in names)]
    if not run_id:
        return unchanged
    run = session.studio.catalog.runs.get(run_id)
    if run.kind != Lora.kind:
        return unchanged
    fields = from_json(session.studio.catalog.runs.step_body(run.step_id)).fields
    return [gr.Dropdown(shots, value=fields["images"]), *controls.show(Lora, fields, names)]
