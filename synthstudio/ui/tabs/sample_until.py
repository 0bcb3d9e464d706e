"""Below the Sample form: draw what the form says until enough images of every class pass filters."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import gradio as gr
from pydantic import BaseModel, ValidationError

from synthstudio.complaints import concerning
from synthstudio.complaints import label as words_of
from synthstudio.filters import AboveChance, AtLeast, AtMost
from synthstudio.step import Step, step_class
from synthstudio.step import build as build_step
from synthstudio.steps.sample.until import Until
from synthstudio.ui.session import choices
from synthstudio.ui.session.lists import following
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.session.tools import Form, refused
from synthstudio.ui.tabs import controls
from synthstudio.ui.tabs.sample_grid import eye
from synthstudio.ui.tabs.step_form import scorers

_RULES: dict[str, tuple[type[BaseModel], str, str]] = {  # by name: the filter, its number, how a box is called
    "at_least": (AtLeast, "value", "at least"),
    "at_most": (AtMost, "value", "at most"),
    "above_chance": (AboveChance, "factor", "times chance"),
}
_FIRST = {"label_agreement_above_chance": "1", "nearest_real_at_most": "0.995"}  # what the recipes filter by


class _Bound(NamedTuple):
    """A box of the form: a filter of one scorer."""

    scorer: str
    rule: str

    @property
    def key(self) -> str:
        return f"{self.scorer}_{self.rule}"

    @property
    def words(self) -> str:
        return f"{words_of(self.scorer)}, {_RULES[self.rule][2]}"


def _bounds() -> Iterator[_Bound]:
    """Every rule that a scorer has words for, so that one that is added is here by itself."""
    for kind in scorers():
        for rule in step_class(kind).passing:
            if rule in _RULES:
                yield _Bound(kind.partition(".")[2], rule)


def build(session: StudioSession, asked: Mapping[str, Any], step_of: Callable[[Mapping[str, Any]], Step]) -> None:
    """The panel below the form of these controls."""
    with gr.Accordion("Until enough are accepted", open=False, elem_id="ss-until"):
        gr.Markdown(
            "Draws what the form above says, scores every round and goes on with the classes that have too few: until"
            " each has enough that pass, or its budget is used up."
        )
        with gr.Row():
            wish: dict[str, Any] = {
                "accepted": controls.control(Until, "accepted", "Accepted per class"),
                "budget": controls.control(Until, "images_per_class", "Budget per class"),
            }
        with gr.Row():
            for one in _bounds():
                wish[one.key] = gr.Textbox(_FIRST.get(one.key, ""), label=one.words, min_width=120)
        wish["references"] = following(
            gr.Dropdown([], label="Compare with", info="The photos that the scores compare with."),
            lambda: choices.shots(session),
        )
        form = Form("until", {**asked, **wish})
        go = gr.Button("Make until accepted", variant="primary", elem_id="ss-until-go")
        gr.HTML("<studio-until></studio-until>", elem_classes="ss-plainblock", apply_default_css=False)

    def begin(*given: Any) -> None:
        values = form.values(given)
        step = until_of(session, step_of(values), values)
        with session.acting() as studio:
            studio.submit(step)

    form.press(go, begin, "asked")


def until_of(session: StudioSession, step: Step, values: Mapping[str, Any]) -> Step:
    """The step of the form, drawn until enough are accepted. BadInput says which value cannot be."""
    fields = {name: value for name, value in step.fields.items() if name in Until.model_fields}
    fields |= controls.read(Until, {"accepted": values["accepted"], "images_per_class": values["budget"]})
    fields |= {"filters": _filters(values), "references": values["references"] or None, "encoder": eye(session)}
    with concerning("budget", {"", "accepted"}):  # of one field it is either; what is about several stands by itself
        return build_step(Until.kind, fields)


def _filters(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = [_filter(one, str(values[one.key]).strip()) for one in _bounds() if str(values[one.key] or "").strip()]
    if not found:
        first = next(_bounds())
        raise refused(first.key, f"{first.words}: give a bound here or for another score, else every image passes.")
    return found


def _filter(one: _Bound, text: str) -> dict[str, Any]:
    model, number, _ = _RULES[one.rule]
    try:
        return model.model_validate({"scorer": one.scorer, number: text.replace(",", ".")}).model_dump(mode="json")
    except ValidationError as error:
        raise refused(one.key, f"{one.words}: give a number such as 0.5, or leave it empty.") from error
