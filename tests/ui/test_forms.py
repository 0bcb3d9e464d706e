"""A form answers in its own place, beside its fields, whatever went wrong."""

import re

import gradio as gr
import pytest

from synthstudio.errors import BadInput, StudioError
from synthstudio.step import describe
from synthstudio.steps.adapt.lora import Lora
from synthstudio.ui.session.tools import Form, refused, whole
from synthstudio.ui.tabs import controls, distil

HOSTILE = '<img src=x onerror="alert(1)">'


@pytest.fixture
def form():
    return Form("adapt", {"rank": gr.Slider(2, 64), "images": gr.Dropdown([]), "seed": gr.Number(0)})


def test_a_refusal_carries_the_id_of_the_field_it_is_about(form):
    said = form.refusal(refused("rank", "Rank must be at most 512."))
    assert re.search(r'role="alert".*<p data-field="ss-adapt-rank">Rank must be at most 512.</p>', said)


def test_a_refusal_of_no_field_still_stands_in_the_place_of_the_form(form):
    assert '<p data-field="">The disk is full.</p>' in form.refusal(StudioError("The disk is full."))


def test_what_strangers_wrote_is_text_in_a_refusal(form):
    said = form.refusal(refused("rank", HOSTILE))
    assert "<img" not in said


def test_a_press_that_went_well_clears_the_place(form):
    assert form.answered(lambda *values: "anything")(16, None, 0) == ""


def test_a_mistake_of_the_program_is_said_and_written_to_the_log(form, caplog):
    def act(*values):
        raise ZeroDivisionError

    assert "inside the program" in form.answered(act)(16, None, 0)
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("value", ["gone from the list", None, 1.5, 900])
def test_gradio_refuses_and_rounds_nothing_on_its_own(form, value):
    assert [control.preprocess(value) for control in form.fields] == [value] * 3


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "a whole number"), (1.5, "a whole number"), ("x", "a whole number"), (0, "at least 1"), (11, "at most 10")],
)
def test_a_number_of_a_form_is_refused_by_name(value, words):
    with pytest.raises(BadInput, match=f"Folds must be {words}") as found:
        whole({"folds": value}, "folds", "Folds", most=10)
    assert set(found.value.fields) == {"folds"}


@pytest.mark.parametrize(
    ("field", "step"),
    [("learning_rate", 1e-4), ("weight_decay", 0.01), ("seed", 1), ("alpha", 1), ("diversity", 0.001)],
)
def test_the_arrows_of_a_number_change_it_by_a_unit_of_its_size(field, step):
    assert controls.control(Lora, field).step == pytest.approx(step)


def test_no_number_of_a_form_is_rounded_by_its_box():
    for name in (info.name for info in describe(Lora) if info.type == "integer"):
        assert getattr(controls.control(Lora, name), "precision", None) is None


def test_another_method_suggests_a_size_only_where_nobody_has_typed_one():
    first = distil._of_preset("dm", "quick", 10, 10)
    assert first[2] == distil._size("dm", "quick")
    typed = distil._of_preset("prototypes", "standard", 7, 10)
    assert typed[1] == gr.skip()
    fresh = distil._of_preset("dm", "paper", distil._size("dm", "quick"), distil._size("dm", "quick"))
    assert fresh[1] == distil._size("dm", "paper")
