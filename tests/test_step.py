"""A Step is a value: equal content, equal id; unknown and bad fields are refused with a sentence."""

import json

import pytest

import synthstudio.steps  # noqa: F401
from synthstudio.errors import BadInput, UnknownName
from synthstudio.step import STEPS, build, describe, from_json
from tests.examples import EXAMPLES


def test_every_step_has_an_example():
    shipped = {kind for kind in STEPS if not kind.startswith("test.")}
    assert shipped == set(EXAMPLES)


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_a_step_survives_json(kind):
    step = build(kind, EXAMPLES[kind])
    again = from_json(step.to_json())
    assert again == step
    assert again.id == step.id


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_every_field_has_help(kind):
    assert [field.name for field in describe(STEPS[kind]) if not field.help] == []


GOLDEN = {
    "adapt.lora": "step:fcdb7bf0d03b568472d26f4381b4f819",
    "sample.text": "step:0924bf2bb8be33d2b0c8b4a27ffe47c3",
    "sample.variation": "step:626042bfede486e6e9d8307987708f9d",
    "distil.prototypes": "step:4139132c4bc0963a753169adc0123622",
}


@pytest.mark.parametrize(("kind", "stored"), GOLDEN.items())
def test_a_step_keeps_the_id_that_projects_know_it_by(kind, stored):
    assert build(kind, EXAMPLES[kind]).id == stored


@pytest.mark.parametrize("kind", [kind for kind, cls in STEPS.items() if cls.later])
def test_a_field_that_came_later_has_a_default_which_is_not_written_down(kind):
    step, cls = build(kind, EXAMPLES[kind]), STEPS[kind]
    assert cls.later <= set(cls.model_fields) and not any(cls.model_fields[name].is_required() for name in cls.later)
    assert not cls.later & set(json.loads(step.to_json())["fields"])


def test_a_changed_field_is_another_step():
    fields = EXAMPLES["sample.text"]
    assert build("sample.text", {**fields, "seed": 2}).id != build("sample.text", fields).id


def test_a_default_written_out_is_the_same_step():
    fields = EXAMPLES["sample.text"]
    assert build("sample.text", {**fields, "guidance_scale": 2}).id == build("sample.text", fields).id


def test_an_unknown_kind_offers_near_names():
    with pytest.raises(UnknownName, match="adapt.lora"):
        build("adapt.lore", {})


def test_an_unknown_field_offers_near_names():
    with pytest.raises(UnknownName, match="guidance_scale"):
        build("sample.text", {**EXAMPLES["sample.text"], "guidance": 2.0})


def test_a_value_out_of_range_is_named_with_its_field():
    with pytest.raises(BadInput, match="guidance_scale.*at least 1"):
        build("sample.text", {**EXAMPLES["sample.text"], "guidance_scale": 0.5})


def test_only_evaluation_split_and_export_can_name_a_test_set():
    accepting = {
        kind for kind, cls in STEPS.items()
        if not kind.startswith("test.") and "test:" in json.dumps(cls.model_json_schema())
    }  # fmt: skip
    evaluating = {"evaluate.compare", "evaluate.classifiers", "evaluate.review", "evaluate.small_set"}
    assert accepting == {*evaluating, "export.image_folder"}


def test_a_test_set_cannot_be_a_source():
    leaked = "test:" + "0" * 64
    with pytest.raises(BadInput, match="images"):
        build("adapt.lora", {**EXAMPLES["adapt.lora"], "images": leaked})
