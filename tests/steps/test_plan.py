import pytest

import synthstudio.steps  # noqa: F401, I001  fills the table of kinds
from synthstudio import step as steps
from synthstudio.engine.encoders import sentence
from synthstudio.errors import BadInput
from synthstudio.steps.sample.plan import chunks, plan
from synthstudio.terms import fill
from tests.examples import BACKBONE, EXAMPLES, SET


def text(**fields):
    return steps.build("sample.text", {"backbone": BACKBONE, "labels": ["cat", "dog"], "images_per_class": 4, **fields})


def variation(**fields):
    given = {"backbone": BACKBONE, "sources": SET, "labels": ["cat"], "images_per_class": 6}
    return steps.build("sample.variation", {**given, **fields})


def test_a_plan_is_a_function_of_the_step():
    assert plan(text()) == plan(text())
    assert [row.index for row in plan(text())] == list(range(8))


def test_every_image_has_a_seed_of_its_own():
    assert len({row.seed for row in plan(text())}) == 8
    assert not {row.seed for row in plan(text())} & {row.seed for row in plan(text(seed=1))}


def test_adding_a_class_moves_no_image():
    few = {(row.label, row.seed) for row in plan(text())}
    assert few < {(row.label, row.seed) for row in plan(text(labels=["ant", "cat", "dog"]))}


def test_more_images_keep_the_first_ones():
    few = [row.seed for row in plan(text(labels=["cat"]))]
    assert [row.seed for row in plan(text(labels=["cat"], images_per_class=9))][:4] == few


def test_domains_are_shared_evenly():
    rows = plan(text(prompt="a {domain} of a {label}", domains=["photo", "sketch"]))
    assert [row.prompt for row in rows[:4]] == ["a photo of a cat", "a sketch of a cat"] * 2


def test_domains_and_prompt_must_fit():
    with pytest.raises(BadInput, match="no {domain}"):
        text(domains=["photo"])
    with pytest.raises(BadInput, match="no domains"):
        text(prompt="a {domain} of a {label}")


def test_a_class_named_twice_is_refused():
    with pytest.raises(BadInput, match="named twice"):
        text(labels=["cat", "cat"])


def test_sources_take_turns_and_meet_every_domain():
    step = variation(prompt="a {domain} of a {label}", domains=["photo", "sketch"])
    rows = plan(step, sources={"cat": ["aa", "bb"]}, strength=0.3)
    assert [row.parent for row in rows] == ["aa", "bb"] * 3
    assert len({(row.parent, row.prompt) for row in rows}) == 4
    assert {row.strength for row in rows} == {0.3}


def test_a_class_without_sources_is_named():
    with pytest.raises(BadInput, match="no source image of 'cat'"):
        plan(variation(), sources={"dog": ["aa"]})


def test_every_label_gets_its_own_weights():
    rows = plan(text(), weights={"cat": "w1", "dog": "w2"})
    assert {(row.label, row.weights) for row in rows} == {("cat", "w1"), ("dog", "w2")}
    assert {row.weights for row in plan(text(), weights={"*": "w0"})} == {"w0"}


def test_a_label_without_weights_is_refused():
    with pytest.raises(BadInput, match="no weights for 'dog'"):
        plan(text(), weights={"cat": "w1"})


def test_batches_never_mix_weights():
    batches = chunks(plan(text(), weights={"cat": "w1", "dog": "w2"}), 3)
    assert [[row.index for row in batch] for batch in batches] == [[0, 1, 2], [3], [4, 5, 6], [7]]


def test_braces_in_a_class_name_stay_text():
    assert fill("a {domain} of a {label}", "{domain} {0}", "photo") == "a photo of a {domain} {0}"


def test_a_plan_of_millions_costs_nothing_until_a_row_is_asked_for(monkeypatch):
    seeds = []
    monkeypatch.setattr("synthstudio.steps.sample.plan.derived_seed", lambda *given: seeds.append(given) or 7)
    rows = plan(text(images_per_class=1_000_000))
    assert (len(rows), rows[1_999_999].label, rows[-1].index) == (2_000_000, "dog", 1_999_999)
    assert len(seeds) == 2


@pytest.mark.parametrize(("images", "used"), [(1, ["ink"]), (2, ["ink", "oil"]), (9, ["ink", "oil", "lead"])])
def test_a_plan_knows_its_prompts_without_walking_its_rows(images, used):
    step = text(prompt="{domain} {label}", domains=["ink", "oil", "lead"], images_per_class=images)
    assert list(plan(step).prompts()) == list(dict.fromkeys(row.prompt for row in plan(step)))
    assert plan(step).domains_used() == used


@pytest.mark.parametrize("prompt", [
    "a {label:>3000000000}", "a {label!r}", "a {label.__class__}", "a {label[0]}", "{label} {}", "{label} {0}",
    "{label} {domain:{label}}", "{label} {{x}}", "{label} {", "{label} }", "{label:}", "{ label }",
])  # fmt: skip
@pytest.mark.parametrize("kind", ["sample.text", "train.classifier", "adapt.lora"])
def test_only_the_two_plain_holes_may_stand_in_a_prompt(kind, prompt):
    with pytest.raises(BadInput, match=r"\{label\}"):
        steps.build(kind, {**EXAMPLES[kind], "prompt": prompt})


def test_a_stored_prompt_of_an_older_version_is_read_and_never_evaluated():
    stored = text().to_json().replace("a photo of a {label}", "{{a}} {label:>3000000000} {label}")
    assert plan(steps.from_json(stored))[0].prompt == "{{a}} {label:>3000000000} cat"


def test_a_prompt_for_a_classifier_is_filled_as_one_for_sampling_is():
    assert sentence("a {domain} of a {label}", "{0}") == "a photo of a {0}"
