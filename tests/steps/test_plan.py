import pytest

import synthstudio.steps  # noqa: F401, I001  fills the table of kinds
from synthstudio import step as steps
from synthstudio.errors import BadInput
from synthstudio.steps.sample.plan import chunks, fill, plan
from tests.examples import BACKBONE, SET


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
