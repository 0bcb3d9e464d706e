"""Recipes: holes, presets, settings and folds."""

import pytest

from synthstudio.catalog.pipelines import Pipeline
from synthstudio.errors import BadInput, UnknownName
from synthstudio.jobs.asking import saved_recipes
from synthstudio.jobs.asking.pipeline import fill
from synthstudio.jobs.asking.recipes import expand, load_recipe, parse_setting, read_recipe, recipe_names, unusable
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


@pytest.mark.parametrize(("shots", "strength"), [(16, 0.15), (10, 0.2), (4, 0.35), (1, 0.5), (None, 0.15)])
def test_real_guidance_as_published_noises_more_where_there_are_fewer_shots(shots, strength):
    nodes = expand(load_recipe("real-guidance"), "paper", [], {**REQUEST, "shots": shots}, folds=1)
    (sample,) = [node for node in nodes if node.name == "sample"]
    assert sample.template["strength"] == strength


@pytest.mark.parametrize("name", ["datadream", "datadream-cls"])
def test_datadream_as_published_filters_nothing_and_says_what_is_not_as_published(name):
    recipe = load_recipe(name)
    (keep,) = [node for node in expand(recipe, "paper", [], REQUEST, folds=1) if node.name == "keep"]
    assert keep.template["filters"] == [] and keep.template["minimum_per_class"] == 0
    assert any("RandAugment" in line for line in recipe.differs)


@pytest.mark.parametrize("vae", ["pico", "stable diffusion"])
@pytest.mark.parametrize("name", [name for name in recipe_names() if name.startswith("glad")])
@pytest.mark.parametrize("preset", ["quick", "standard", "paper"])
def test_the_level_of_every_preset_is_in_the_decoder(name, preset, vae):
    from diffusers import AutoencoderKL

    from synthstudio.engine.distil.forms.latents import Latents

    blocks = 4
    shaped = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * blocks, up_block_types=["UpDecoderBlock2D"] * blocks,
        block_out_channels=[8] * blocks, norm_num_groups=4,
    ) if vae != "pico" else AutoencoderKL.from_pretrained("assets/pico/vae")  # fmt: skip
    (small,) = [node for node in expand(load_recipe(name), preset, [], REQUEST, folds=1) if node.name == "small"]
    level = small.template.get("level", 0)
    assert Latents(shaped, level=level, made=64, size=64).level == level


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


@pytest.mark.parametrize("name", SMALL)
def test_a_small_set_may_be_made_from_a_frozen_set_and_is_judged_against_the_shots(name):
    mine = VALID["images"]
    request = {**REQUEST, "preset": "quick", "settings": [], "folds": 1, "pool": mine}
    nodes = load_recipe(name).nodes(request)
    assert {n.template["images"] for n in nodes if n.kind.startswith("distil.")} == {mine}
    judge = nodes[-1]
    assert (judge.template["real"], judge.template["test"]) == ("$split.shots", "$split.test")
    assert load_recipe(name).nodes({**request, "pool": None}) == load_recipe(name).nodes({**request, "pool": ""})


def test_a_recipe_without_a_small_set_takes_no_pool():
    with pytest.raises(BadInput, match="datadream makes no small set"):
        load_recipe("datadream").nodes(
            {**REQUEST, "preset": "quick", "settings": [], "folds": 1, "pool": VALID["images"]}
        )


@pytest.mark.parametrize("preset", ["quick", "standard", "paper"])
def test_deliberate_practice_draws_other_images_in_its_second_round_and_looks_at_both(preset):
    nodes = {node.name: node for node in expand(load_recipe("deliberate-practice"), preset, [], REQUEST, folds=1)}
    first, second = nodes["sample"].template, nodes["practice"].template
    alike = ("images_per_class", "inference_steps", "guidance_scale", "sampler")
    assert [first.get(name) for name in alike] == [second.get(name) for name in alike]
    assert second["lack"] == "$first" and second["lack_strength"] > 0 and first["seed"] != second["seed"]
    assert nodes["together"].template["sets"] == ["$sample", "$practice"]
    assert nodes["keep"].template["images"] == nodes["agreement"].template["images"] == "$together"


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
    [("adaptr.rank=4", "adapter"), ("adapter.rnk=4", "rank"), ("adapter.rank=0", "at least 1")],
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


def based(folder, text, name="own"):
    file = folder / f"{name}.toml"
    file.write_text(f'title = "Own"\nsummary = "Own."\n{text}')
    return read_recipe(file)


def test_a_recipe_based_on_another_states_only_what_is_different(tmp_path):
    base = load_recipe("datadream")
    own = based(tmp_path, 'base = "datadream"\n[[step]]\nas = "sample"\nlabels = ["cat"]\n'
                          "[presets.quick.sample]\nimages_per_class = 7\n")  # fmt: skip
    assert (own.title, own.paper, own.differs) == ("Own", base.paper, base.differs)
    assert [step.name for step in own.steps] == [step.name for step in base.steps]
    assert own.step("sample").fields == {**base.step("sample").fields, "labels": ["cat"]}
    assert own.presets["quick"] == {**base.presets["quick"], "sample": {"images_per_class": 7}}
    assert own.presets["standard"] == base.presets["standard"]


def test_a_step_can_be_left_out_replaced_and_added(tmp_path):
    own = based(tmp_path, 'base = "datadream"\nwithout = ["adapter", "copies"]\n'
                          '[[step]]\nas = "sharp"\nafter = "sample"\nkind = "score.sharpness"\n'
                          'each = "fold"\nimages = "$sample"\n'
                          '[[step]]\nas = "sample"\nkind = "sample.text"\nbackbone = "$backbone"\nlabels = ["cat"]\n'
                          '[[step]]\nas = "keep"\nscores = ["$agreement", "$sharp"]\n')  # fmt: skip
    names = [step.name for step in own.steps]
    assert names[3:7] == ["sample", "sharp", "agreement", "keep"]
    assert not {"adapter", "copies"} & set(names)
    assert own.step("sample").fields == {"backbone": "$backbone", "labels": ["cat"]}
    assert all("adapter" not in tables for tables in own.presets.values())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('base = "datadreem"\n', "Did you mean datadream"),
        ('base = "datadream"\nwithout = ["adaptor"]\n', "adapter"),
        ('base = "datadream"\n[[step]]\nas = "more"\nkind = "score.sharpness"\nafter = "sampel"\n', "sample"),
    ],
)
def test_a_base_or_a_step_that_is_not_there_is_said_with_those_that_are(tmp_path, text, said):
    with pytest.raises(UnknownName, match=said):
        based(tmp_path, text)


def test_a_recipe_is_never_based_on_itself(tmp_path):
    with pytest.raises(UnknownName):
        based(tmp_path, 'base = "datadream"\n', name="datadream")


@pytest.fixture
def home(tmp_path):
    """A home with a recipe that can be used and three that cannot."""
    own = tmp_path / "recipes"
    own.mkdir()
    (own / "mine.toml").write_text('base = "datadream"\ntitle = "Mine"\nsummary = "More."\n')
    (own / "further.toml").write_text('base = "mine"\ntitle = "Further"\nsummary = "Even more."\n')
    (own / "datadream.toml").write_text('title = "Another"\nsummary = "x"\n')
    (own / "torn.toml").write_text("title = ")
    (own / "bare.toml").write_text('title = "No steps"\nsummary = "x"\n')
    return tmp_path


def test_recipes_of_ones_own_are_beside_those_that_ship_and_may_build_on_each_other(home):
    assert set(recipe_names(home)) == {*recipe_names(), "mine", "further", "torn", "bare"}
    assert load_recipe("further", home).steps == load_recipe("datadream").steps
    assert load_recipe("datadream", home).title == load_recipe("datadream").title
    with pytest.raises(UnknownName):
        load_recipe("mine")


def test_recipes_that_cannot_be_used_say_why(home):
    why = unusable(home)
    assert set(why) == {"datadream.toml", "torn.toml", "bare.toml"}
    assert "Call the file otherwise" in why["datadream.toml"]
    assert "'step' is missing" in why["bare.toml"]
    assert "is not a recipe" in why["torn.toml"]
    assert unusable(home / "nowhere") == {}


def ran(recipe, settings):
    asked = {**REQUEST, "shots": 16, "folds": 1, "preset": "quick", "settings": settings}
    return Pipeline("p1", recipe, "done", asked, 0.0, 1.0)


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        ("datadream", ["adapter.rank=8", "sample.guidance_scale=3.5", 'sample.prompt="a \\"{label}\\" é"']),
        ("datadream", ['keep.filters=[{"rule": "at_least", "scorer": "sharpness", "value": 0.1}]']),
        ("real-guidance", ["sample.variation.strength=0.3", "real_only.flip=true"]),
        ("dm", []),
    ],
)
def test_a_run_that_is_kept_as_a_recipe_asks_for_the_same_again(recipe, settings, tmp_path):
    run = ran(recipe, settings)
    saved_recipes.save(run, "mine", tmp_path, "My own")
    kept = load_recipe("mine", tmp_path)
    assert kept.nodes({**run.request, "settings": []}) == load_recipe(recipe).nodes(run.request)
    assert (kept.title, kept.shots) == ("My own", 16)
    assert unusable(tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("../mine", [], "cannot name a recipe"),
        ("datadream", [], "already"),
        ("mine", ["adapter.training_steps=null"], "cannot say “none”"),
    ],
)
def test_a_recipe_that_cannot_be_kept_says_why_and_leaves_nothing(name, settings, said, tmp_path):
    with pytest.raises(BadInput, match=said):
        saved_recipes.save(ran("datadream", settings), name, tmp_path)
    assert not list(tmp_path.rglob("*.*"))
