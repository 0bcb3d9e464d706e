"""What a person decides reaches the set, the classifier and the answer; and chance is asked the same."""

import shutil
import uuid

import pytest

from synthstudio.artifacts import ImageSet
from synthstudio.catalog.decisions import Act, Chosen
from synthstudio.catalog.review import Query
from synthstudio.errors import BadInput, Leak, UnknownName
from synthstudio.jobs import Studio
from synthstudio.jobs.curating import accepted, review_helped
from synthstudio.jobs.curating.freeze import freeze, freeze_accepted
from synthstudio.jobs.knowing import summary
from synthstudio.step import build
from tests.jobs.colours import Draw, carried_out, recipe
from tests.jobs.inline import InlineLauncher


@pytest.fixture(scope="module")
def made(tmp_path_factory, colours_clip):
    """A finished recipe of two folds; every test works on a copy."""
    folder = tmp_path_factory.mktemp("two-folds")
    with Studio(folder / "home", launcher=InlineLauncher()) as studio:
        assert carried_out(studio, recipe(studio, colours_clip, folds=2)) == "done"
    return folder


@pytest.fixture
def studio(made, tmp_path):
    shutil.copytree(made / "home", tmp_path / "home")
    with Studio(tmp_path / "home", launcher=InlineLauncher()) as opened:
        opened.catalog.review.newest()
        yield opened


def decide(studio, verdict, *images, label=""):
    studio.catalog.decisions.decide([Act(str(uuid.uuid4()), "t", Chosen.images(images), verdict, label)], "somebody")


def outputs(studio, pipeline_id, name, fold=None):
    (node,) = [n for n in studio.catalog.pipelines.nodes(pipeline_id) if (n.name, n.fold) == (name, fold)]
    return studio.catalog.runs.outputs(node.run_id)


def base(studio):
    return accepted.pipeline(studio).id


def kept(studio, fold):
    return studio.workspace.image_set(outputs(studio, base(studio), "keep", fold)["images"])


def review(studio):
    """Reject the mislabelled blue image of each fold, and move the mislabelled green one to where it belongs."""
    for fold in (0, 1):
        last = [studio.catalog.images.made_by(run.id)[4 :: 5] for run in studio.catalog.runs.all()
                if run.kind == "test.draw" and run.id == node(studio, "sample", fold).run_id]  # fmt: skip
        blue, green, _ = last[0]
        decide(studio, "reject", blue["digest"])
        decide(studio, "relabel", green["digest"], label="red")


def node(studio, name, fold):
    return next(n for n in studio.catalog.pipelines.nodes(base(studio)) if (n.name, n.fold) == (name, fold))


def answered(studio, name="mine", **options):
    pipeline_id = review_helped.start(studio, name, **options)
    assert carried_out(studio, pipeline_id) == "done"
    return pipeline_id


def test_what_is_accepted_is_the_filters_choice_as_people_changed_it(studio):
    review(studio)
    for part in accepted.of(studio, base(studio)):
        assert (part.before, len(part.members), part.rejected, part.moved, part.added) == (15, 14, 1, 1, 0)
        labels = [label for label, *_ in part.members]
        assert [labels.count(label) for label in ("blue", "green", "red")] == [4, 4, 6]


def test_of_what_nobody_decided_nothing_is_accepted_if_only_decisions_count(studio):
    review(studio)
    frozen = freeze_accepted(studio, "strict", decided_only=True)
    assert (frozen.size, frozen.counts) == (2, {"red": 2})


def test_a_frozen_selection_has_its_name_at_once_and_holds_all_folds(studio):
    review(studio)
    frozen = freeze_accepted(studio, "mine")
    assert studio.catalog.names.find("mine", ("set",)) == frozen.image_set
    assert studio.wait(frozen.run_id, 0).state == "done"
    assert (frozen.size, studio.catalog.names.of(frozen.image_set)) == (28, "mine")


def test_a_view_of_the_review_is_frozen_under_a_name_too(studio):
    query = studio.catalog.review.settle(Query(origins=("synthetic",), labels=("red",)))
    frozen = freeze(studio, query, name="reds")
    assert studio.catalog.names.find("reds") == frozen.image_set
    assert set(frozen.counts) == {"red"}


def test_a_name_that_is_taken_freezes_nothing(studio):
    freeze_accepted(studio, "mine")
    review(studio)
    before = len(studio.catalog.runs.all())
    with pytest.raises(BadInput, match="is the name of"):
        freeze_accepted(studio, "mine")
    assert len(studio.catalog.runs.all()) == before


def test_the_very_same_selection_under_a_second_name_is_said_to_be_the_first(studio):
    freeze_accepted(studio, "mine")
    with pytest.raises(BadInput, match="Nothing was decided since 'mine' was frozen"):
        freeze_accepted(studio, "other")


def test_four_arms_answer_on_the_same_test_photos_and_nothing_is_made_again(studio):
    review(studio)
    freeze_accepted(studio, "mine")
    steps_before = {run.step_id for run in studio.catalog.runs.all()}
    pipeline_id = answered(studio)
    found = review_helped.summary(studio, pipeline_id)
    assert set(found["mean"]) == {"zero_shot", "real_only", "everything", "selection", "random"}
    before = summary.of(studio, base(studio), 0)
    assert found["mean"]["real_only"] == before["mean"]["real_only"]
    assert found["mean"]["everything"] == before["mean"]["real_and_synthetic"]
    assert [fold["test_images"] for fold in found["folds"]] == [fold["test_images"] for fold in before["folds"]]
    nodes = studio.catalog.pipelines.nodes(pipeline_id)
    fresh = [n.name for n in nodes if studio.catalog.runs.get(n.run_id).step_id not in steps_before]
    assert fresh == ["selection", "random", "with_selection", "with_random"] * 2 + ["report"]
    assert all(n.reused for n in nodes if n.name not in fresh)
    assert found["state"] == "done" and found["continues"] == base(studio) and found["selection"] == "mine"
    assert found["review"] == {"everything": 30, "selection": 28, "left_out": 2, "moved": 2, "added": 0}
    assert found["sentence"] in summary.text(found)


def test_the_sentence_tells_both_differences_with_their_intervals(studio):
    review(studio)
    freeze_accepted(studio, "mine")
    found = review_helped.summary(studio, answered(studio))
    for against in ("everything", "random"):
        gain = found["differences"][against]
        assert gain["value"] == pytest.approx(found["mean"]["selection"] - found["mean"][against])
        assert f"{100 * gain['value']:+.1f} points (95 % interval {100 * gain['low']:+.1f}" in found["sentence"]
    assert "28 of 30 images (2 left out, 2 moved)" in found["sentence"] and "2 folds" in found["sentence"]


def test_the_random_selection_is_as_large_class_by_class_and_another_seed_draws_another(studio):
    review(studio)
    freeze_accepted(studio, "mine")
    draws = []
    for seed in (0, 1):
        pipeline_id = answered(studio, seed=seed)
        for fold in (0, 1):
            drawn = studio.workspace.image_set(outputs(studio, pipeline_id, "random", fold)["images"])
            chosen = studio.workspace.image_set(outputs(studio, pipeline_id, "selection", fold)["images"])
            asked_for = {member.image: member.label for member in kept(studio, fold)}
            assert len(drawn) == len(chosen) == 14 and set(drawn) <= set(kept(studio, fold))
            assert sorted(m.label for m in drawn) == sorted(asked_for[m.image] for m in chosen)
        draws.append(drawn.id)
    assert draws[0] != draws[1]


def test_images_of_another_fold_stay_in_their_fold(studio):
    freeze_accepted(studio, "mine")
    pipeline_id = answered(studio)
    for fold in (0, 1):
        chosen = studio.workspace.image_set(outputs(studio, pipeline_id, "selection", fold)["images"])
        assert set(chosen) == set(kept(studio, fold))


def test_a_fold_without_a_selected_image_is_refused_by_name(studio):
    decide(studio, "reject", *(member.image for member in kept(studio, 1)))
    freeze_accepted(studio, "mine")
    with pytest.raises(BadInput, match="'mine' has no image of fold 2 of datadream-colours"):
        review_helped.start(studio, "mine")


def test_a_selection_of_images_made_elsewhere_is_refused(studio):
    shots = outputs(studio, base(studio), "split", 0)["shots"]
    run_id, _ = studio.submit(Draw(images=shots, seed=7))
    studio.wait(run_id, 0)
    studio.catalog.names.give(studio.catalog.runs.outputs(run_id)["images"], "elsewhere")
    with pytest.raises(BadInput, match="15 of the 15 images of 'elsewhere' were not made by datadream-colours"):
        review_helped.start(studio, "elsewhere")


def test_an_unknown_selection_offers_the_sets_there_are(studio):
    freeze_accepted(studio, "mine")
    with pytest.raises(UnknownName, match="Did you mean mine"):
        review_helped.start(studio, "min")


def made_from_test_photos(studio):
    """A set whose maker looked at photos before anybody held them out: those of the first fold's test."""
    test = studio.workspace.image_set(outputs(studio, base(studio), "split", 0)["test"])
    shown = ImageSet("set", test.members)
    seen = studio.workspace.put_set(shown)
    studio.catalog.images.add_set(shown, "early")
    run_id = "early"
    step = Draw(images=seen, seed=8)
    from synthstudio.jobs.running.run_folder import Request
    from synthstudio.resources import Resources

    folder = studio.workspace.run_folder(run_id)
    folder.mkdir()
    Request(run_id=run_id, step=step.to_json(), workspace=studio.workspace.root, resources=Resources()).write(folder)
    studio.catalog.runs.add(run_id, step, Resources())
    assert studio.wait(run_id, 0).state == "done"
    made = studio.catalog.runs.outputs(run_id)["images"]
    studio.catalog.names.give(made, "taught")
    return made


def test_a_selection_whose_maker_saw_a_test_photo_is_refused_everywhere(studio):
    made = made_from_test_photos(studio)
    with pytest.raises(
        Leak, match="A review of 'taught' was given images or weights whose maker looked at 18 test photos"
    ):
        review_helped.start(studio, "taught")
    encoder = node(studio, "real_only", 0).template["encoder"]
    with pytest.raises(Leak, match="maker looked at 18 test photos"):
        studio.submit(build("train.linear_probe", {"encoder": encoder, "synthetic": made}))
    with pytest.raises(Leak, match="maker looked at"):
        studio.submit(build("distil.mosaic", {"images": made}))
    split = outputs(studio, base(studio), "split", 0)
    judged = {"images": made, "real": split["shots"], "test": split["test"], "backbone": f"pico@{'a' * 64}"}
    with pytest.raises(Leak, match="evaluate.small_set was given.*maker looked at"):
        studio.submit(build("evaluate.small_set", judged))
    with pytest.raises(Leak, match="export.image_folder was given.*maker looked at"):
        studio.submit(build("export.image_folder", {"synthetic": made, "test": split["test"]}))


def test_asked_twice_while_it_runs_it_is_one_run(studio):
    freeze_accepted(studio, "mine")
    assert review_helped.start(studio, "mine") == review_helped.start(studio, "mine")


def test_a_summary_before_the_end_says_how_far_it_is(studio):
    freeze_accepted(studio, "mine")
    found = review_helped.summary(studio, review_helped.start(studio, "mine"))
    assert found["state"] == "running" and "sentence" not in found
    with pytest.raises(BadInput, match="a run of the recipe datadream"):
        review_helped.summary(studio, base(studio))
