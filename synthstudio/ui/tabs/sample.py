"""Sample: make images from words, or from the shots with t0. What every prompt becomes is shown before."""

import json
import random
from collections.abc import Mapping
from typing import Any

import gradio as gr

from synthstudio.complaints import concerning
from synthstudio.errors import BadInput, UnknownName
from synthstudio.jobs.asking.recipes import json_or_text
from synthstudio.quantities import many
from synthstudio.step import FieldInfo, Step, describe, from_json, roles_of
from synthstudio.step import build as build_step
from synthstudio.steps.sample.plan import expand, plan
from synthstudio.steps.sample.text import Text
from synthstudio.steps.sample.until import Until
from synthstudio.steps.sample.variation import Variation
from synthstudio.terms import MAX_LABEL
from synthstudio.ui import scripts
from synthstudio.ui.api import image_settings
from synthstudio.ui.session import choices
from synthstudio.ui.session.lists import following
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.session.tools import QUIET, Form, empty, filled, for_strangers, refused, remembered
from synthstudio.ui.tabs import controls, sample_grid, sample_sweep, sample_until
from synthstudio.ui.words import safe

_FIRST = ("prompt", "domains", "guidance_scale", "images_per_class", "seed")
_MORE = ("inference_steps", "sampler", "negative_prompt", "adapter_scale", "resolution")
_PLAIN = {*_FIRST, *_MORE, "strength"}  # controls whose values are plain
_WORDS, _SHOTS = "Words alone", "My shots"
_PLACEHOLDER = "pico@" + "0" * 64
_NO_SHOTS = "set:" + "0" * 64
_PREVIEWED = 12
_NOTHING = "No images yet. Choose what to start from and press Make images; they appear here while they are made."


class _Wish:
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
        self.strength = controls.control(Variation, "strength", "t0 (strength)", visible=False)
        self.adapter = gr.Dropdown(
            [],
            label="Adapter",
            info="Adapter: a small add-on trained on your photos. Without one, the model draws what it knows.",
            elem_id="ss-sample-adapter",
        )
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
        self.plain = {name: controls.control(Text, name) for name in _FIRST}
        with gr.Accordion("More", open=False, elem_id="ss-sample-more"):
            self.plain |= {name: controls.control(Text, name) for name in _MORE}
            self.settings = gr.Textbox(
                "", lines=3, label="Settings", placeholder="guidance_to=4", elem_id="ss-sample-settings",
                info="What has no control here, one field=value per line, lists in JSON: "
                f"{', '.join(_elsewhere(Variation))}.",
            )  # fmt: skip
        following(self.sources, lambda: choices.shots(session))
        following(self.adapter, lambda: choices.adapters(session))
        following(self.labels, lambda: [(one, one) for one in choices.labels(session)], typed=lambda _: True)

    @property
    def all(self) -> dict[str, Any]:
        """Every control by name."""
        return {
            "start": self.start, "sources": self.sources, "strength": self.strength, "adapter": self.adapter,
            "backbone": self.backbone, "labels": self.labels, **self.plain, "settings": self.settings,
        }  # fmt: skip

    def step(self, values: Mapping[str, Any], preview: bool = False) -> Step:
        """The Step the form asks for; a preview names no model, so that it needs none."""
        fields = controls.read(Text, {name: values[name] for name in self.plain})
        fields["labels"] = list(values["labels"] or ())
        if not fields["labels"]:
            raise refused("labels", "Classes: name at least one, for example “daisy”.")
        if preview:
            fields["backbone"] = _PLACEHOLDER
        else:
            fields["adapter"] = choices.adapter_of(self._session, values["adapter"])
            with concerning("backbone"):
                fields["backbone"] = choices.backbone_reference(
                    self._session, str(values["backbone"]), fields["adapter"] or ""
                )
        kind = Text if values["start"] == _WORDS else Variation
        if kind is Variation:
            fields |= self._shots(values, preview)
        with concerning("settings", self.all):
            return build_step(kind.kind, fields | _found(self._session, kind, str(values["settings"] or "")))

    def _shots(self, values: Mapping[str, Any], preview: bool) -> dict[str, Any]:
        if not values["sources"]:
            raise refused(
                "sources", "Shots: there are none to choose yet. Run a recipe on your photos; its split makes some."
            )
        return {"sources": _NO_SHOTS if preview else values["sources"], "strength": values["strength"]}


def _elsewhere(cls: type[Step]) -> dict[str, FieldInfo]:
    """The fields of a Step that have no control of their own."""
    own = {"backbone", "adapter", "labels", "sources", "strength", "only", *_FIRST, *_MORE}
    return {field.name: field for field in describe(cls) if field.name not in own}


def _read_settings(cls: type[Step], text: str) -> dict[str, Any]:
    """Fields from lines of field=value; one text where a list is asked for is a list of one."""
    known, found = _elsewhere(cls), {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, equals, given = (part.strip() for part in line.partition("="))
        if not equals:
            raise BadInput(f"Settings: {line[:80]!r} is no setting. Write field=value, for example guidance_to=4.")
        if name not in known:
            if name in cls.model_fields:
                raise BadInput(f"Settings: {name} has a control of its own in this form. Set it there.")
            raise UnknownName.among("setting here", name, known)
        value = json_or_text(given)
        found[name] = [value] if known[name].type == "array" and not isinstance(value, list) else value
    return found


def _found(session: StudioSession, cls: type[Step], text: str) -> dict[str, Any]:
    """The settings; a classifier or learned words may be called as people call them."""
    names = session.studio.catalog.names
    return {
        name: names.find(value, roles) if (roles := roles_of(cls, name)[0]) and isinstance(value, str) else value
        for name, value in _read_settings(cls, text).items()
    }


def _written(step: Step) -> str:
    """What a step says that has no control here, as `_read_settings` reads it."""
    fields = step.fields
    return "\n".join(
        f"{name}={json.dumps(fields[name], ensure_ascii=False)}"
        for name, info in _elsewhere(type(step)).items()
        if fields[name] != (list(info.default) if isinstance(info.default, tuple) else info.default)
    )


def build(session: StudioSession, page: gr.Blocks, tab: gr.Tab) -> list[Any]:
    """Everything of the Sample tab; returns its controls, which "Use these settings" fills."""
    with gr.Row(elem_classes="ss-twocolumns"):
        with gr.Column(min_width=320):
            image = gr.HTML(
                "", js_on_load=scripts.hears("studio:use_image", "use_image"), apply_default_css=False,
                html_template='<studio-image-settings class="ss-fromimage"></studio-image-settings>',
                padding=False,
            )  # fmt: skip
            wish = _Wish(session)
        with gr.Column(min_width=320):
            preview = gr.HTML(elem_id="ss-sample-preview", apply_default_css=False)
            form = Form("sample", wish.all)
            with gr.Row():
                go = gr.Button("Make images", variant="primary", elem_id="ss-sample-go")
                again = gr.Button("Make with a new seed", elem_id="ss-sample-again")
            gr.HTML(
                f'<studio-latest kind="sample." without="sample.grid">{empty(_NOTHING)}</studio-latest>',
                elem_classes="ss-plainblock",
                apply_default_css=False,
            )
    _wire(session, page, tab, wish, form, preview)
    sample_until.build(session, wish.all, wish.step)
    grid = sample_grid.build(session, tab, wish.all, wish.step)
    swept = sample_sweep.build(session, wish.all, wish.step)

    def begin(*given: Any) -> None:
        step = wish.step(form.values(given))
        with session.acting() as studio:
            studio.submit(step)

    def use_image(event: gr.EventData) -> list[Any]:
        found = event._data if isinstance(event._data, dict) else {}
        return used(session, list(wish.all), found)

    for place in (image, grid, swept):
        place.use_image(use_image, None, form.fields, **QUIET)
    form.press(go, begin, "asked")
    seeded = again.click(lambda: random.randrange(2**31), None, form.controls["seed"], trigger_mode="once", **QUIET)
    form.then(seeded, begin, "asked")
    return form.fields


def _wire(session: StudioSession, page: gr.Blocks, tab: gr.Tab, wish: _Wish, form: Form, preview: gr.HTML) -> None:
    @for_strangers
    def fill(request: gr.Request) -> list[Any]:
        named = request.query_params
        return values_of(session, str(named.get("from", "")), str(named.get("adapter", "")))

    kept = [wish.start, wish.strength, wish.backbone, *wish.plain.values(), wish.settings]
    back = remembered(page, "sample", kept).then(fill, None, form.fields, **QUIET)
    filled(form.planned(back, tab, preview, lambda values: prompts(wish.step(values, preview=True))), "sample")
    wish.start.change(_sources, wish.start, [wish.sources, wish.strength], **QUIET)


def prompts(step: Step) -> str:
    """The first prompts as they will be sent to the model, and how many images that makes."""
    assert isinstance(step, Text | Variation)
    rows = plan(step, sources={label: ("source",) for label in step.labels} if isinstance(step, Variation) else None)
    _, prompts, different, _ = expand(rows, _PREVIEWED)
    lines = "".join(f"<li>{safe(text)}</li>" for text in prompts)
    rest = f"<p class='ss-muted'>and {different - _PREVIEWED} more</p>" if different > _PREVIEWED else ""
    return (
        f"<div class='ss-plan'><h2>{many(len(rows), 'image')} from {many(different, 'prompt')}</h2>"
        f"<ol class='ss-prompts'>{lines}</ol>{rest}</div>"
    )


def values_of(session: StudioSession, run_id: str, adapter: str = "") -> list[Any]:
    """Choices as they are now; and, if a run is named, its settings. An adapter that is named is chosen."""
    names = [*_FIRST, *_MORE]
    shots, adapters, labels = choices.shots(session), choices.adapters(session), choices.labels(session)
    shot, newest = shots[0][1] if shots else None, adapters[0][1]
    if adapter in [known for _, known in adapters]:
        newest = adapter
    lists = [gr.Dropdown(shots, value=shot), gr.skip(), gr.Dropdown(adapters, value=newest), gr.skip()]
    lists.append(gr.Dropdown(labels, value=labels))
    run = session.studio.catalog.runs.get(run_id) if run_id else None
    if run is None or run.kind not in (Text.kind, Variation.kind, Until.kind):
        return [gr.skip(), *lists, *(gr.skip() for _ in names), gr.skip()]
    return shown(session, from_json(session.studio.catalog.runs.step_body(run.step_id)))


def wanted(session: StudioSession, asked: object) -> list[Any]:
    """Values for the form from what Review asks: the settings of a `run`, a Step in the place of what it made (`kind`,
    `fields`), or a class (`label`) that lacks images.
    """
    found = asked if isinstance(asked, dict) else {}
    if found.get("kind"):
        step, _ = image_settings.step_of(found["kind"], found.get("fields"))
        return shown(session, step)
    label = str(found.get("label", ""))[:MAX_LABEL]
    return _of_class(session, label) if label else values_of(session, str(found.get("run", "")))


def _of_class(session: StudioSession, label: str) -> list[Any]:
    """One class, from the newest shots where there are some: photos to validate with are no beginning of images."""
    shots, labels = choices.shots(session), choices.labels(session)
    sources = gr.update(choices=shots, value=shots[0][1] if shots else None)
    chosen = gr.update(choices=sorted({*labels, label}), value=[label])
    rest = [gr.skip() for _ in (*_FIRST, *_MORE, "settings")]
    return [_SHOTS if shots else _WORDS, sources, gr.skip(), gr.skip(), gr.skip(), chosen, *rest]


def used(session: StudioSession, names: list[str], found: Mapping[str, Any]) -> list[Any]:
    """Values for the form from what the panel read in an image: all of it, or the controls that `only` names.

    Of an image of ours they are those of its step, so that the same is asked for; of another tool's those it has.
    """
    if found.get("kind"):
        step, _ = image_settings.step_of(found["kind"], found.get("fields"))
        values = dict(zip(names, shown(session, step), strict=True))
    else:
        form = found.get("form")
        values = {name: value for name, value in (form if isinstance(form, dict) else {}).items() if name in _PLAIN}
    # What has no control of its own stands among the settings.
    wanted = {name if name in values else "settings" for name in found.get("only") or names}
    return [values[name] if name in values and name in wanted else gr.skip() for name in names]


def shown(session: StudioSession, step: Step) -> list[Any]:
    """The settings of a step for the form; what this project does not have is left at what there is."""
    step = step.plain if isinstance(step, Until) else step
    fields = step.fields
    shots, adapters, labels = choices.shots(session), choices.adapters(session), choices.labels(session)
    known, plain = [one for _, one in adapters], adapters[-1][1]
    source = fields.get("sources")
    if source not in [one for _, one in shots]:
        source = shots[0][1] if shots else None
    return [
        _SHOTS if isinstance(step, Variation) else _WORDS,
        gr.update(choices=shots, value=source),
        fields.get("strength", 0.5),
        gr.update(choices=adapters, value=fields["adapter"] if fields["adapter"] in known else plain),
        str(fields["backbone"]).partition("@")[0],
        gr.update(choices=sorted({*labels, *fields["labels"]}), value=list(fields["labels"])),
        *controls.show(Text, fields, [*_FIRST, *_MORE]),
        _written(step),
    ]


@for_strangers
def _sources(start: str) -> tuple[Any, Any]:
    return gr.Dropdown(visible=start == _SHOTS), gr.Slider(visible=start == _SHOTS)
