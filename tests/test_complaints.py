"""What pydantic says never reaches a person; our own words do, with the field they are about."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

import synthstudio.steps  # noqa: F401 - fills the table of kinds
from synthstudio.complaints import by_field, concerning, readable, refusal
from synthstudio.errors import BadInput, Missing, StudioError, UnknownName
from synthstudio.step import build
from tests.examples import EXAMPLES


class Wish(BaseModel):
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.1
    batch_size: Annotated[int, Field(ge=1)] = 8
    scope: Literal["dset", "cls"] = "dset"
    labels: Annotated[tuple[str, ...], Field(min_length=1)] = ("cat",)
    name: Annotated[str, Field(max_length=3)] = "ab"


def refused(**fields):
    with pytest.raises(ValidationError) as found:
        Wish(**fields)
    return refusal(found.value).fields


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("learning_rate", 999, "Learning rate must be at most 1."),
        ("learning_rate", 0, "Learning rate must be more than 0."),
        ("learning_rate", "fast", "Learning rate must be a number."),
        ("learning_rate", float("inf"), "Learning rate must be at most 1."),
        ("batch_size", 0, "Batch size must be at least 1."),
        ("batch_size", 1.5, "Batch size must be a whole number."),
        ("batch_size", "abc", "Batch size must be a whole number."),
        ("batch_size", None, "Batch size must be a whole number."),
        ("scope", "all", "Scope must be 'dset' or 'cls'."),
        ("labels", [], "Labels must have at least 1 of them."),
        ("name", "long", "Name must have at most 3 characters."),
    ],
)
def test_a_bad_value_is_refused_in_plain_words_by_its_field(field, value, sentence):
    assert refused(**{field: value}) == {field: sentence}


def test_every_wrong_field_is_named_at_once():
    assert set(refused(learning_rate=2, batch_size=0)) == {"learning_rate", "batch_size"}


def test_our_own_sentence_follows_the_name_of_its_field():
    with pytest.raises(BadInput) as found:
        build("sample.text", {**EXAMPLES["sample.text"], "prompt": "a photo of it"})
    assert found.value.fields["prompt"].startswith("Prompt: a prompt needs {label}")


def test_no_kind_of_complaint_that_a_step_can_raise_is_left_in_the_words_of_pydantic():
    for kind, fields in EXAMPLES.items():
        for name in fields:
            for wrong in (None, "", "abc", -1, 1.5, 10**400, [], [None], {}, True):
                try:
                    build(kind, {**fields, name: wrong})
                except BadInput as error:
                    said = " ".join([str(error), *error.fields.values()])
                    assert "nput should" not in said, (kind, name, wrong)
                    assert "valid " not in said, (kind, name, wrong)
                    assert {name, ""} & set(error.fields)


def test_a_sentence_for_the_command_line_names_field_and_value():
    with pytest.raises(ValidationError) as found:
        Wish(batch_size=0)
    assert readable(found.value) == "batch_size must be at least 1 (given: 0)."
    assert by_field(found.value) == {"batch_size": "Batch size must be at least 1."}


def test_an_error_learns_which_field_it_is_about_and_keeps_its_kind():
    with pytest.raises(UnknownName) as found, concerning("backbone"):
        raise UnknownName.among("backbone", "picco", ["pico"])
    assert found.value.fields == {"backbone": str(found.value)}


def test_a_field_that_is_known_already_stays():
    with pytest.raises(BadInput) as found, concerning("settings"), concerning("seed"):
        raise BadInput("no")
    assert found.value.fields == {"seed": "no"}


def test_what_is_said_of_a_field_the_form_does_not_have_is_about_where_it_was_written():
    wrong = {**EXAMPLES["train.classifier"], "batch_size": 0}
    with pytest.raises(BadInput) as found, concerning("settings", known=("rule",)):
        build("train.classifier", wrong)
    assert found.value.fields == {"settings": "Batch size must be at least 1."}


def test_an_error_is_about_no_field_until_somebody_says_so():
    assert dict(StudioError("no").fields) == {}
    assert dict(Missing("gone").fields) == {}
