"""Sample: make images from words, or from the shots with t0. What every prompt becomes is shown before."""

import random
from typing import Any

import gradio as gr

from synthstudio.errors import StudioError
from synthstudio.step import Step, from_json
from synthstudio.step import build as build_step
from synthstudio.steps.sample.plan import plan
from synthstudio.steps.sample.text import Text
from synthstudio.steps.sample.variation import Variation
from synthstudio.ui import choices, controls
from synthstudio.ui.session import StudioSession
from synthstudio.ui.tools import QUIET, empty, filled, remembered, spoken
from synthstudio.ui.words import safe

_FIRST = ("prompt", "domains", "guidance_scale", "images_per_class", "seed")
_MORE = ("inference_steps", "sampler", "negative_prompt", "adapter_scale", "resolution")
_WORDS, _SHOTS = "Words alone", "My shots"
_PLACEHOLDER = "pico@" + "0" * 64
_NO_SHOTS = "set:" + "0" * 64
_PREVIEWED = 12
_NOTHING = "No images yet. Choose what to start from and press Make images; they appear here while they are made."
_HELP = {
    "guidance_scale": "How hard images are pulled to the prompt. 1: varied, loose; 2: for training data; 7: alike.",
    "strength": "t0: how much of the photo is noised away. 0.3: close to it; 0.7: its layout only; 1: forgets it.",
}


class _Form:
    """The controls of the tab, and what they say."""

    def __init__(self, session: StudioSession) -> None:
        self._session = session
        self.start = gr.Radio(
            [_WORDS, _SHOTS],
            value=_WORDS,
            label="Start from",
            elem_id="ss-sample-start",
            info="Words alone, or each shot noised by t0 and denoised with its class’s prompt.",
        )
        self.sources = gr.Dropdown([], label="Shots", visible=False, info="The photos to start from.")
        self.strength = controls.control(Variation, "strength", "t0 (strength)", info=_HELP["strength"], visible=False)
        self.adapter = gr.Dropdown([], label="Adapter", info="A trained LoRA, or none.")
        self.backbone = gr.Dropdown(
            choices.backbones(),
            value="pico",
            label="Backbone",
            allow_custom_value=True,
            info="Used when there is no adapter; an adapter brings its own.",
        )
        self.labels = gr.Dropdown(
            [],
            label="Classes",
            multiselect=True,
            allow_custom_value=True,
            elem_id="ss-sample-labels",
            info="Which classes to make images of. Type to add one.",
        )
        self.plain = {name: controls.control(Text, name, **_info(name)) for name in _FIRST}
        with gr.Accordion("More", open=False):
            self.plain |= {name: controls.control(Text, name) for name in _MORE}

    @property
    def all(self) -> list[Any]:
        """Every control, in the order `step` takes their values."""
        return [self.start, self.sources, self.strength, self.adapter, self.backbone, self.labels, *self.plain.values()]

    def step(self, preview: bool, *values: Any) -> Step:
        """The Step the form asks for; a preview names no model, so that it needs none."""
        start, sources, strength, adapter, backbone, labels = values[:6]
        fields = controls.read(Text, dict(zip(self.plain, values[6:], strict=True)))
        fields["labels"] = list(labels or ())
        if preview:
            fields["backbone"] = _PLACEHOLDER
        else:
            fields["backbone"] = choices.backbone_reference(self._session, str(backbone), str(adapter or ""))
            fields["adapter"] = adapter or None
        if start == _WORDS:
            return build_step(Text.kind, fields)
        shots = _NO_SHOTS if preview else sources
        return build_step(Variation.kind, {**fields, "sources": shots, "strength": strength})


def build(session: StudioSession, page: gr.Blocks) -> list[Any]:
    """Everything of the Sample tab; returns its controls, which "Use these settings" fills."""
    with gr.Row(elem_classes="ss-twocolumns"):
        with gr.Column(min_width=320):
            form = _Form(session)
        with gr.Column(min_width=320):
            preview = gr.HTML(elem_id="ss-sample-preview", apply_default_css=False)
            with gr.Row():
                go = gr.Button("Make images", variant="primary", elem_id="ss-sample-go")
                again = gr.Button("Same settings, new seed", elem_id="ss-sample-again")
            gr.HTML(
                f'<studio-latest kind="sample.">{empty(_NOTHING)}</studio-latest>',
                elem_classes="ss-plainblock",
                apply_default_css=False,
            )
    _wire(session, page, form, preview, go, again)
    return form.all


def _wire(
    session: StudioSession, page: gr.Blocks, form: _Form, preview: gr.HTML, go: gr.Button, again: gr.Button
) -> None:
    @spoken
    def begin(*values: Any) -> None:
        step = form.step(False, *values)
        with session.acting() as studio:
            studio.submit(step)

    def show(*values: Any) -> str:
        try:
            return prompts(form.step(True, *values))
        except StudioError as error:
            return f'<div class="ss-warnline">{safe(error)}</div>'

    def fill(request: gr.Request) -> list[Any]:
        return values_of(session, str(request.query_params.get("from", "")))

    kept = [form.start, form.strength, form.backbone, *form.plain.values()]
    filled(remembered(page, "sample", kept).then(fill, None, form.all, **QUIET), "sample")
    form.start.change(_sources, form.start, [form.sources, form.strength], **QUIET)
    gr.on([one.change for one in form.all], show, form.all, preview, trigger_mode="always_last", **QUIET)
    poke = {"fn": None, "js": "() => studio.poke()", **QUIET}
    go.click(begin, form.all, None, trigger_mode="once", **QUIET).success(**poke)
    again.click(lambda: random.randrange(2**31), None, form.plain["seed"], trigger_mode="once", **QUIET).then(
        begin, form.all, None, **QUIET
    ).success(**poke)


def prompts(step: Step) -> str:
    """The first prompts as they will be sent to the model, and how many images that makes."""
    assert isinstance(step, Text | Variation)
    rows = plan(step, sources={label: ("source",) for label in step.labels} if isinstance(step, Variation) else None)
    different = list(dict.fromkeys(row.prompt for row in rows))
    lines = "".join(f"<li>{safe(text)}</li>" for text in different[:_PREVIEWED])
    rest = f"<p class='ss-muted'>and {len(different) - _PREVIEWED} more</p>" if len(different) > _PREVIEWED else ""
    return (
        f"<div class='ss-plan'><h3>{len(rows)} images from {len(different)} prompts</h3>"
        f"<ol class='ss-prompts'>{lines}</ol>{rest}</div>"
    )


def values_of(session: StudioSession, run_id: str) -> list[Any]:
    """Choices as they are now; and, if a run is named, its settings."""
    names = [*_FIRST, *_MORE]
    shots, adapters, labels = choices.shots(session), choices.adapters(session), choices.labels(session)
    shot, newest = shots[0][1] if shots else None, adapters[min(1, len(adapters) - 1)][1]
    lists = [gr.Dropdown(shots, value=shot), gr.skip(), gr.Dropdown(adapters, value=newest), gr.skip()]
    lists.append(gr.Dropdown(labels, value=labels))
    run = session.studio.catalog.runs.get(run_id) if run_id else None
    if run is None or run.kind not in (Text.kind, Variation.kind):
        return [gr.skip(), *lists, *(gr.skip() for _ in names)]
    fields = from_json(session.studio.catalog.runs.step_body(run.step_id)).fields
    varied = run.kind == Variation.kind
    return [
        _SHOTS if varied else _WORDS,
        gr.Dropdown(shots, value=fields.get("sources", shot)),
        fields.get("strength", 0.5),
        gr.Dropdown(adapters, value=fields["adapter"] or ""),
        str(fields["backbone"]).partition("@")[0],
        gr.Dropdown(sorted({*labels, *fields["labels"]}), value=fields["labels"]),
        *controls.show(Text, fields, names),
    ]


def _sources(start: str) -> tuple[Any, Any]:
    return gr.Dropdown(visible=start == _SHOTS), gr.Slider(visible=start == _SHOTS)


def _info(name: str) -> dict[str, Any]:
    return {"info": _HELP[name]} if name in _HELP else {}
