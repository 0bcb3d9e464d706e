"""A Step is a value: equal content, equal id; unknown and bad fields are refused with a sentence."""

import json
import re

import pytest

import synthstudio.steps  # noqa: F401
from synthstudio.effort import Amounts
from synthstudio.errors import BadInput, UnknownName
from synthstudio.step import STEPS, build, describe, from_json, stated
from tests.examples import EXAMPLES, SET
from tests.stored_steps import STORED, key


def test_every_step_has_an_example():
    shipped = {kind for kind in STEPS if not kind.startswith("test.")}
    assert shipped == set(EXAMPLES)


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_a_step_survives_json(kind):
    step = build(kind, EXAMPLES[kind])
    again = from_json(step.to_json())
    assert again == step
    assert again.id == step.id


def test_every_step_has_a_title_and_says_how_much_work_it_is():
    titles = [STEPS[kind].title for kind in EXAMPLES]
    assert all(titles) and len(set(titles)) == len(titles)
    for kind, fields in EXAMPLES.items():
        found = STEPS[kind].effort(stated(kind, fields), Amounts(photos=100, classes=10, shots=40, made=50))
        assert found.units > 0 and found.progress > 0, kind


@pytest.mark.parametrize("kind", [kind for kind in sorted(EXAMPLES) if kind.startswith("score.")])
def test_every_scorer_says_what_its_values_mean(kind):
    scale = STEPS[kind].scale
    way = "Decide on the highest first." if scale.order else f"{scale.better} is better."
    assert scale.says and scale.sentence.endswith((way, way.capitalize()))
    assert scale.span == "" or re.fullmatch("-?1 to 1|0 to 1|from 0", scale.span)


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_every_field_has_help(kind):
    assert [field.name for field in describe(STEPS[kind]) if not field.help] == []


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


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_the_id_of_every_kind_is_that_of_what_projects_hold(kind):
    known = STORED.get(key(kind))
    assert known, f"{kind} is new, or its version rose: python -m tests.stored_steps adds it to what is kept"
    assert build(kind, EXAMPLES[kind]).to_json() == known["step"], f"raise the version of {kind}, and upgrade() it"
    assert build(kind, EXAMPLES[kind]).id == known["id"]


@pytest.mark.parametrize("name", sorted(STORED))
def test_a_step_that_any_version_stored_is_read_today_and_keeps_what_it_said(name):
    stored = json.loads(STORED[name]["step"])
    step = from_json(STORED[name]["step"])
    assert step.kind == stored["kind"]
    assert {field: step.fields[field] for field in stored["fields"]} == stored["fields"]
    assert from_json(step.to_json()) == step


@pytest.mark.parametrize(
    ("name", "field", "then"),
    [
        ("adapt.lora 1", "method", "lora"),
        ("collect.split 1", "eye", None),
        ("distil.match 1", "network_rate", None),
        ("distil.match 1", "rate_of_student_rate", None),
    ],
)
def test_a_field_that_an_older_version_did_not_know_gets_what_was_meant_then(name, field, then):
    assert field not in json.loads(STORED[name]["step"])["fields"]
    assert from_json(STORED[name]["step"]).fields[field] == then


def test_what_a_recipe_leaves_out_is_the_default_of_the_step():
    known = stated("distil.experts", {"images": "$split.shots", "experts": 3})
    assert (known["images"], known["experts"]) == ("$split.shots", 3)
    assert known["epochs"] == STEPS["distil.experts"].model_fields["epochs"].default


@pytest.mark.parametrize(("kind", "field"), [("distil.experts", "epochs"), ("train.classifier", "training_steps")])
def test_an_estimate_counts_the_default_of_the_step(kind, field):
    default = STEPS[kind].model_fields[field].default
    asked = {"images": SET} if kind.startswith("distil.") else {"real": SET}
    said, more = ({**asked, field: value} for value in (default, default + 1))
    assert effort(kind, asked) == effort(kind, said) != effort(kind, more)


def effort(kind, fields):
    return STEPS[kind].effort(stated(kind, fields), Amounts(photos=100, classes=10, shots=40))


def test_an_adapter_per_class_or_per_image_is_as_many_trainings():
    lora = {"backbone": EXAMPLES["adapt.lora"]["backbone"], "images": SET, "training_steps": 30}
    counted = {scope: effort("adapt.lora", {**lora, "scope": scope}).progress for scope in ("dset", "cls", "image")}
    assert counted == {"dset": 30, "cls": 300, "image": 1200}
