import pytest

import synthstudio.steps  # noqa: F401, I001  fills the table of kinds
from synthstudio import grammar
from synthstudio import step as steps
from synthstudio.engine.encoders import sentence
from synthstudio.errors import BadInput
from synthstudio.steps.sample.plan import chunks, expand, pair, plan
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


def test_each_image_draws_its_guidance_from_its_own_seed():
    few, many = (plan(text(guidance_to=5, images_per_class=count)) for count in (4, 40))
    scales = [row.guidance_scale for row in many]
    assert [row.guidance_scale for row in few[:4]] == scales[:4]
    assert min(scales) >= 2 and max(scales) <= 5 and len(set(scales)) > 70


def test_single_labels_have_their_own_guidance():
    rows = plan(text(guidance_to=5, guidance_per_label={"dog": 7.5}))
    assert {row.guidance_scale for row in rows if row.label == "dog"} == {7.5}
    assert all(row.guidance_scale <= 5 for row in rows if row.label == "cat")


def test_a_table_and_its_lines_are_the_same_step():
    table, lines = {"dog": 3, "cat": 2.5}, ["dog=3.0", "cat = 2.5"]
    assert text(guidance_per_label=table).id == text(guidance_per_label=lines).id
    assert text(guidance_per_label=table).guidance_per_label == ("cat = 2.5", "dog = 3")


@pytest.mark.parametrize(("fields", "said"), [
    ({"guidance_per_label": ["bird = 3"]}, "'bird', which is not among the labels"),
    ({"guidance_per_label": ["cat"]}, "must be a name, = and a number from 1 to 50"),
    ({"guidance_per_label": ["cat = nan"]}, "must be a name"),
    ({"guidance_per_label": ["cat = 0.5"]}, "from 1 to 50"),
    ({"guidance_per_label": ["cat = 2", "cat = 3"]}, "named twice"),
    ({"guidance_to": 1.5}, "at least guidance_scale"),
    ({"guidance_begin": 0.5, "guidance_end": 0.5}, "begin before it ends"),
    ({"vocabulary": ["tree"]}, "no prompt has {word}"),
    ({"prompt": "{label} {word}"}, "the vocabulary is empty"),
    ({"prefix": "satellite"}, "no prompt has {prefix}"),
    ({"captions": ["cat = asleep"]}, "no prompt has {caption}"),
    ({"prompt": "{caption}", "captions": ["cat = asleep"]}, "captions say nothing of 'dog'; add a line 'dog = …'"),
    ({"prompt": "{caption}", "captions": ["cat ="]}, "must be a class, = and a text"),
    ({"prompt": "{label}, {hypernym}", "hypernyms": ["bird = animal", "* = pet"]}, "'bird', which is not among"),
    ({"prompt": "{label}, {hypernym}", "hypernyms": ["cat = animal", "cat = pet"]}, "'cat' is named twice"),
    ({"prompt": "{hypernym}", "hypernyms": ["* = pet"]}, "needs {label}"),
    ({"prompt": "{domain} {label}", "domains": ["ink"], "domain_shares": ["oil = 2"]}, "not among the domains"),
    ({"prompt": "{domain} {label}", "domains": ["ink"], "domain_shares": ["ink = 1.5"]}, "whole number"),
])  # fmt: skip
def test_fields_that_do_not_fit_each_other_are_refused(fields, said):
    with pytest.raises(BadInput, match=said):
        text(**fields)


def test_templates_words_and_prefix_are_drawn_by_each_image():
    step = text(
        prompt="a {prefix} photo of a {label} and a {word}", templates=["a drawing of a {label}"], prefix="satellite",
        vocabulary=["tree", "lamp"], images_per_class=40,
    )  # fmt: skip
    rows = plan(step)
    cats = {row.prompt for row in rows if row.label == "cat"}
    assert cats == {
        "a satellite photo of a cat and a tree", "a satellite photo of a cat and a lamp", "a drawing of a cat",
    }  # fmt: skip
    assert expand(rows).distinct == 6 and expand(rows).complete and set(expand(rows).prompts) >= cats


def test_captions_are_drawn_from_those_of_the_class():
    step = text(prompt="a photo, {caption}", captions={"cat": ["asleep", "on a sofa"], "*": "in a = b {label}"},
                images_per_class=20)  # fmt: skip
    said = {label: {row.prompt for row in plan(step) if row.label == label} for label in ("cat", "dog")}
    assert said["cat"] == {"a photo, asleep", "a photo, on a sofa"}
    assert said["dog"] == {"a photo, in a = b {label}"}  # what a table says is no template
    assert expand(plan(step)).distinct == 3


def test_a_class_is_explained_by_its_own_line_or_by_that_of_all_others():
    step = text(prompt="{label}, {hypernym}: {definition}", images_per_class=1,
                hypernyms=["* = animal", "cat = pet"], definitions={"*": "it lives"})  # fmt: skip
    assert [row.prompt for row in plan(step)] == ["cat, pet: it lives", "dog, animal: it lives"]


def test_sentences_of_the_grammar_are_about_the_class_many_and_said_to_be_of_the_grammar():
    rows = plan(text(prompt="a photo of {sentence}", images_per_class=60))
    said = [row.prompt for row in rows[:60]]
    assert all(" cat " in one for one in said) and len(set(said)) > 55 and grammar.COUNT > 10_000
    assert said == [row.prompt for row in plan(text(prompt="a photo of {sentence}", images_per_class=60))[:60]]
    assert rows[0].grammar and not plan(text())[0].grammar
    assert not expand(rows).complete or expand(rows).distinct > 110


def test_a_prefix_that_is_empty_leaves_no_hole():
    assert plan(text(prompt="a {prefix} photo of a {label}"))[0].prompt == "a photo of a cat"


def test_domains_have_the_turns_their_shares_say_spread_over_the_round():
    step = text(prompt="a {domain} of a {label}", domains=["photo", "ink", "oil"], domain_shares=["photo = 3"],
                images_per_class=10)  # fmt: skip
    domains = [row.domain for row in plan(step)[:10]]
    assert domains[:5] == domains[5:] and sorted(domains[:5]) == ["ink", "oil", "photo", "photo", "photo"]
    assert "photo photo photo" not in " ".join(domains[:5])
    assert expand(plan(step)).distinct == 6


def test_a_preview_shows_twenty_prompts_and_counts_all():
    step = text(prompt="a {domain} of a {label}", domains=[f"d{n}" for n in range(15)], images_per_class=30)
    found = expand(plan(step))
    assert (found.images, len(found.prompts), found.distinct) == (60, 20, 30)


def starts(count=200, shots=("aa", "bb"), **fields):
    step = variation(images_per_class=count, **fields)
    return [row.strength for row in plan(step, sources={"cat": shots}, strength=step.start)]


def test_t0_is_drawn_from_a_set_or_a_range_by_each_image():
    stacked = starts(strengths=[0.25, 0.5, 0.75, 1])
    assert set(stacked) == {0.25, 0.5, 0.75, 1} and min(map(stacked.count, set(stacked))) > 25
    ranged = starts(strength=0.3, strength_to=0.6)
    assert min(ranged) >= 0.3 and max(ranged) <= 0.6 and len(set(ranged)) > 100
    assert ranged[:5] == starts(5, strength=0.3, strength_to=0.6)


@pytest.mark.parametrize(("shots", "t0"), [(1, 0.5), (2, 0.4), (3, 0.4), (4, 0.35), (8, 0.2), (16, 0.15), (50, 0.15)])
def test_t0_follows_the_number_of_shots(shots, t0):
    assert set(starts(3, [f"s{n}" for n in range(shots)], strength_by_shots=True)) == {t0}


@pytest.mark.parametrize(("fields", "said"), [
    ({"strengths": [0.5], "strength_to": 0.9}, "in several ways"),
    ({"strength": 0.8, "strength_to": 0.3}, "at least strength"),
    ({"strengths": [0.0]}, "strengths.*more than 0"),
])  # fmt: skip
def test_a_start_that_is_asked_for_in_two_ways_is_refused(fields, said):
    with pytest.raises(BadInput, match=said):
        variation(**fields)


def test_two_shots_of_a_class_are_mixed_with_the_words_of_two_domains():
    step = variation(mix=0.3, prompt="a {domain} of a {label}", domains=["photo", "sketch"], images_per_class=30)
    rows = plan(step, sources={"cat": ["aa", "bb", "cc"]}, strength=step.start)
    assert all(row.second.parent != row.parent and row.second.share == 0.3 for row in rows)
    assert {row.second.parent for row in rows if row.parent == "aa"} == {"bb", "cc"}
    assert all(row.second.prompt != row.prompt for row in rows)
    with pytest.raises(BadInput, match="two source images of 'cat'"):
        plan(step, sources={"cat": ["aa"]}, strength=step.start)


def test_images_of_every_guidance_and_t0_share_batches():
    step = variation(strengths=[0.25, 1], guidance_to=5)
    rows = plan(step, sources={"cat": ["aa"]}, strength=step.start)
    assert [len(batch) for batch in chunks(rows, 4)] == [4, 2]


def test_every_pair_of_files_comes_up_before_one_comes_again():
    for files in (list("ab"), list("abc"), list("abcd"), list("abcde")):
        count = len(files) * (len(files) - 1) // 2
        pairs = [frozenset(pair(files, number)) for number in range(2 * count)]
        assert len(set(pairs[:count])) == count and pairs[count:] == pairs[:count]
        assert {len(one) for one in pairs} == {2}


def test_in_as_many_images_as_there_are_files_each_comes_twice():
    assert sorted(file for number in range(5) for file in pair("abcde", number)) == sorted("aabbccddee")


def test_a_single_file_has_no_pair():
    assert pair(["a"], 7) == ("a", None) and pair([], 7) == (None, None)


def test_images_of_a_pair_share_batches_and_every_image_is_in_one():
    rows = plan(text(images_per_class=20), {"cat": list("abc"), "dog": ["d"]})
    cut = list(chunks(rows, 4))
    assert sorted(row.index for batch in cut for row in batch) == list(range(40))
    assert all(len({(row.label, row.weights, row.beside) for row in batch}) == 1 for batch in cut)
    assert sum(len(batch) == 4 for batch in cut) == 3 + 5  # of three pairs with six or seven each; of one file with 20


def test_more_images_keep_the_pairs_of_the_first_ones():
    few, many = (plan(text(labels=["cat"], images_per_class=n), {"cat": list("abc")}) for n in (4, 9))
    assert list(few) == many[:4]
