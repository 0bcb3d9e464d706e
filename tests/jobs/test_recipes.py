"""Recipes: holes, presets, settings and folds."""

import pytest

from synthstudio.errors import BadInput, UnknownName
from synthstudio.jobs.pipeline import fill
from synthstudio.jobs.recipes import expand, load_recipe, parse_setting, read_recipe, recipe_names
from synthstudio.step import build

SMALL = sorted({"dm", "dc", "mtt", "glad-dm", "glad-dc", "mosaic", "prototypes"} & set(recipe_names()))
VALID = {
    "images": "set:" + "a" * 64, "real": "set:" + "b" * 64, "test": "test:" + "c" * 64, "backbone": "pico@" + "a" * 64,
}  # fmt: skip
REQUEST = {
    "source": "source:digits", "shots": 4, "seed": 7,
    "backbone": "pico@" + "a" * 64, "encoder": "pico-clip@" + "b" * 64,
}  # fmt: skip


@pytest.mark.parametrize("name", recipe_names())
@pytest.mark.parametrize("preset", ["quick", "standard", "paper"])
def test_every_recipe_expands_with_every_preset(name, preset):
    nodes = expand(load_recipe(name), preset, [], REQUEST, folds=2)
    kinds = {node.kind for node in nodes}
    assert {"collect.import_images", "collect.split"} <= kinds
    assert nodes[0].name == "data"
    if name in SMALL:
        assert nodes[-1].kind == "evaluate.small_set"
    else:
        assert "select.filter" in kinds and nodes[-1].kind == "evaluate.compare"


@pytest.mark.parametrize("name", SMALL)
def test_a_recipe_of_a_small_set_ends_with_the_same_judge_and_may_see_all_images(name):
    recipe = load_recipe(name)
    judge = recipe.step("judge")
    assert judge == load_recipe(SMALL[0]).step("judge") == recipe.steps[-1]
    assert recipe.shots is None and load_recipe("datadream").shots == 16
    for preset in recipe.presets.values():
        build(judge.kind, {**VALID, **preset["judge"]})


@pytest.mark.parametrize("name", SMALL)
def test_the_synthetic_baseline_is_as_large_as_the_small_set_is_asked_to_be(name):
    for settings, wanted in (([], 10), ([parse_setting("small.images_per_class=3")], 3)):
        nodes = expand(load_recipe(name), "quick", settings, REQUEST, folds=1)
        (drawn,) = [node for node in nodes if node.kind == "sample.text"]
        assert drawn.template["images_per_class"] == wanted


def test_a_setting_that_looks_like_a_pointer_is_text():
    nodes = expand(load_recipe("dm"), "quick", [parse_setting("synthetic.prompt==a {label}")], REQUEST, folds=1)
    (drawn,) = [node for node in nodes if node.kind == "sample.text"]
    assert drawn.template["prompt"] == "=a {label}"


def test_there_are_the_baseline_and_the_methods():
    assert {"datadream", "datadream-cls", "prompts-only", "real-guidance"} <= set(recipe_names())


def test_a_step_is_repeated_per_fold_and_shared_steps_are_not():
    nodes = expand(load_recipe("datadream"), "quick", [], REQUEST, folds=3)
    assert [n.fold for n in nodes if n.kind == "adapt.lora"] == [0, 1, 2]
    assert [n.fold for n in nodes if n.kind == "collect.import_images"] == [None]


def test_a_setting_reaches_its_step_by_name_or_kind():
    recipe = load_recipe("datadream")
    for setting in ("adapter.rank=4", "adapt.lora.rank=4"):
        nodes = expand(recipe, "quick", [parse_setting(setting)], REQUEST, folds=1)
        assert next(n for n in nodes if n.kind == "adapt.lora").template["rank"] == 4


@pytest.mark.parametrize(
    ("setting", "offered"),
    [("adaptr.rank=4", "adapter"), ("adapter.rnk=4", "rank"), ("adapter.rank=0", "greater than or equal to 1")],
)
def test_a_bad_setting_is_refused_before_anything_runs(setting, offered):
    with pytest.raises(BadInput, match=offered):
        expand(load_recipe("datadream"), "quick", [parse_setting(setting)], REQUEST, folds=1)


@pytest.mark.parametrize("text", ["rank=4", "adapter.rank", "=", ""])
def test_a_setting_without_step_or_value_says_how_to_write_one(text):
    with pytest.raises(BadInput, match="step.field=value"):
        parse_setting(text)


def test_an_unknown_recipe_offers_the_nearest():
    with pytest.raises(UnknownName, match="datadream"):
        load_recipe("datadreem")


def test_an_unknown_preset_offers_the_nearest():
    with pytest.raises(UnknownName, match="quick"):
        expand(load_recipe("datadream"), "quik", [], REQUEST, folds=1)


def test_a_recipe_that_names_an_unknown_step_is_refused(tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text('title = "x"\nsummary = "y"\n[[step]]\nas = "s"\nkind = "score.sharpness"\nimages = "$nothing"\n')
    with pytest.raises(UnknownName, match="nothing"):
        read_recipe(file)


def test_a_shared_step_sees_the_outputs_of_all_folds_in_order():
    nodes = expand(load_recipe("datadream"), "quick", [], REQUEST, folds=2)
    split = [n for n in nodes if n.name == "split"]
    report = nodes[-1]
    done = {n.position: {"shots": f"shots{n.fold}", "test": f"test{n.fold}"} for n in split}
    assert fill("$split.test", report, nodes, done) == ["test0", "test1"]
    adapter = next(n for n in nodes if n.name == "adapter" and n.fold == 1)
    assert fill("$split", adapter, nodes, done) == "shots1"
