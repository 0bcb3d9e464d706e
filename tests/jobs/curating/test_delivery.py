"""An export holds what is accepted: rejected images out, moved ones in their class, and who decided what."""

import csv
import json
import shutil
import uuid

import pyarrow.parquet as pq
import pytest

from synthstudio.catalog.decisions import Act, Chosen
from synthstudio.errors import BadInput
from synthstudio.intake.decisions import read
from synthstudio.jobs import Studio
from synthstudio.jobs.curating import accepted, decision_files, delivery, review_helped
from synthstudio.jobs.curating.freeze import freeze_accepted
from synthstudio.jobs.knowing import measured
from synthstudio.measure_terms import MEASURES
from synthstudio.step import build
from tests.jobs.colours import carried_out
from tests.jobs.inline import InlineLauncher


@pytest.fixture
def studio(colours, tmp_path):
    shutil.copytree(colours, tmp_path / "home")
    with Studio(tmp_path / "home", launcher=InlineLauncher()) as opened:
        opened.catalog.review.newest()
        yield opened


def decide(studio, verdict, *images, label="", why=""):
    act = Act(str(uuid.uuid4()), "t", Chosen.images(images), verdict, label, why=why)
    studio.catalog.decisions.decide([act], "somebody")


def kept(studio):
    (one,) = accepted.offered(studio, accepted.pipeline(studio).id)
    return studio.workspace.image_set(one.kept)


def reviewed(studio):
    """Of fifteen images two are rejected, one is moved from green to red, one is accepted as it is."""
    groups = kept(studio).by_label()
    blue, green, red = groups["blue"], groups["green"], groups["red"]
    decide(studio, "reject", blue[0].image, red[0].image, why="blurred")
    decide(studio, "relabel", green[0].image, label="red")
    decide(studio, "keep", blue[1].image)
    return {"rejected": {blue[0].image, red[0].image}, "moved": green[0].image, "accepted": blue[1].image}


def exported(studio, **options):
    """(folder, rows of the training split by image, what the run said) of an export."""
    step = delivery.steps(studio, accepted.pipeline(studio).id, 0, "mine", **options)["dataset"]
    run_id, _ = studio.submit(step)
    assert studio.wait(run_id, 0).state == "done", studio.catalog.runs.get(run_id).error
    outputs = studio.catalog.runs.outputs(run_id)
    folder = studio.workspace.root / outputs["folder"]
    rows = pq.read_table(folder / "train" / "metadata.parquet").to_pylist()
    return folder, {row["id"]: row for row in rows}, outputs


def synthetic(rows):
    return {image for image, row in rows.items() if row["source"] == "synthetic"}


def test_rejected_images_are_left_out_moved_ones_stand_in_their_class_and_every_row_says_who_decided(studio):
    done = reviewed(studio)
    folder, rows, outputs = exported(studio)
    assert synthetic(rows) == {member.image for member in kept(studio)} - done["rejected"]
    assert rows[done["moved"]]["file_name"].startswith("red/")
    assert (folder / "train" / rows[done["moved"]]["file_name"]).is_file()
    assert len(list((folder / "train").rglob("*.png"))) == len(rows) == 13 + 9
    said = {image: (row["review_status"], row["reviewed_by"]) for image, row in rows.items()}
    assert said[done["moved"]] == ("relabelled", "somebody") and said[done["accepted"]] == ("accepted", "somebody")
    undecided = set(said) - {done["moved"], done["accepted"]}
    assert {said[image] for image in undecided} == {("unreviewed", None)}
    assert rows[done["moved"]]["reviewed_utc"].endswith("+00:00")
    assert outputs["counts"] == {
        "before": {"blue": 5, "green": 5, "red": 5},
        "after": {"blue": 4, "green": 4, "red": 5},
    }


def test_the_decisions_lie_beside_the_images_and_can_be_read_in_again(studio):
    done = reviewed(studio)
    folder, *_ = exported(studio)
    with (folder / "decisions.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    assert {image for image, row in rows.items() if row["decision"] == "reject"} == done["rejected"]
    assert (rows[done["moved"]]["made_as"], rows[done["moved"]]["label"]) == ("green", "red")
    assert {row["why"] for row in rows.values()} == {"", "blurred"}
    assert {row["image"] for row in json.loads((folder / "decisions.json").read_text())} == set(rows)
    assert decision_files.take_in(studio, read(folder / "decisions.csv"), "me").changed == 0


def test_the_card_says_what_was_chosen_and_that_its_numbers_are_older(studio):
    reviewed(studio)
    card = (exported(studio)[0] / "README.md").read_text()
    assert "13 of what were 15 images that the filter kept: 2 left out, 1 moved to another class by hand." in card
    assert "were measured before the review" in card and "## Does it help?" in card


def test_the_card_says_what_was_measured_of_the_very_images_in_it(studio):
    (one,) = accepted.offered(studio, accepted.pipeline(studio).id)
    split = next(studio.catalog.runs.outputs(run.id) for run in studio.catalog.runs.of_kind("collect.split"))
    encoder = next(studio.catalog.runs.fields(run.id) for run in studio.catalog.runs.of_kind("train.linear_probe"))
    about = {"images": one.kept, "references": split["validation"], "encoder": encoder["encoder"]}
    run, _ = studio.submit(build("measure.images", about))
    assert studio.wait(run, 0).state == "done"
    (found,), _ = measured.every(studio, [one.kept])
    card = (exported(studio)[0] / "README.md").read_text()
    assert "15 synthetic images beside" in card
    for measure in (one for one in MEASURES if one.name in found.found):
        said = measure.said(found.found)
        assert f"| {measure.title} | {said['value']}" in card and f"| {said['interval']} |" in card
    decide(studio, "reject", studio.workspace.image_set(one.kept).members[0].image)
    assert "## Beside real photos" not in (exported(studio)[0] / "README.md").read_text()


def test_without_a_decision_the_filters_choice_is_exported_unreviewed_with_its_tags(studio):
    folder, rows, _ = exported(studio)
    assert synthetic(rows) == {member.image for member in kept(studio)}
    assert {row["review_status"] for row in rows.values()} == {"unreviewed"}
    assert not (folder / "decisions.csv").exists() and "## Review" not in (folder / "README.md").read_text()
    first, second = sorted(member.image for member in kept(studio))[:2]
    act = Act(str(uuid.uuid4()), "t", Chosen.images([first]), tags=("to keep", "<b>"))
    studio.catalog.decisions.decide([act], "somebody")
    folder, rows, _ = exported(studio)
    assert (rows[first]["tags"], rows[second]["tags"]) == ("<b>, to keep", None)
    assert rows[first]["review_status"] == "unreviewed" and not (folder / "decisions.csv").exists()


def test_once_somebody_decided_the_columns_of_the_review_are_filled(studio):
    done = reviewed(studio)
    decide(studio, "keep", done["accepted"], why="sharp")
    _, rows, _ = exported(studio)
    row = rows[done["accepted"]]
    assert (row["review_reason"], row["reviewed_by"]) == ("sharp", "somebody") and row["reviewed_utc"]


def test_a_rejected_photo_is_left_out_too_and_test_photos_stay_as_they_are(studio):
    (one,) = accepted.offered(studio, accepted.pipeline(studio).id)
    _, rows, _ = exported(studio)
    photo = next(image for image, row in rows.items() if row["source"] == "real")
    decide(studio, "reject", photo)
    folder, rows, _ = exported(studio)
    assert photo not in rows and len(rows) == len(kept(studio)) + 8 and one.kept
    tested = pq.read_table(folder / "test" / "metadata.parquet").to_pylist()
    assert len(tested) == 18 and {row["review_status"] for row in tested} == {None}


def test_a_frozen_set_is_exported_as_it_was_whatever_was_decided_since(studio):
    done = reviewed(studio)
    frozen = freeze_accepted(studio, "mine")
    studio.wait(frozen.run_id, 0)
    decide(studio, "reject", done["moved"])
    _, now, _ = exported(studio)
    _, then, _ = exported(studio, selection=frozen.image_set)
    assert done["moved"] not in now
    assert synthetic(then) == {m.image for m in studio.workspace.image_set(frozen.image_set)}
    assert then[done["moved"]]["review_status"] == "relabelled"


def test_a_selection_that_was_judged_takes_its_own_numbers_and_its_own_classifier(studio):
    reviewed(studio)
    frozen = freeze_accepted(studio, "mine")
    pipeline_id = review_helped.start(studio, "mine")
    assert carried_out(studio, pipeline_id) == "done"
    found = review_helped.summary(studio, pipeline_id)
    steps = delivery.steps(studio, pipeline_id, 0, "judged")
    assert steps["dataset"].fields["synthetic"] == frozen.image_set
    (trained,) = [n for n in studio.catalog.pipelines.nodes(pipeline_id) if n.name == "with_selection"]
    assert steps["classifier"].fields["classifier"] == studio.catalog.runs.outputs(trained.run_id)["classifier"]
    card = (exported(studio)[0] / "README.md").read_text()
    assert "real images and a random selection of the same size" in card and "before the review" not in card
    assert found["sentence"].split(":")[0] in card


def test_a_classifier_of_a_selection_nobody_trained_on_is_refused(studio):
    reviewed(studio)
    with pytest.raises(BadInput, match="review-helped NAME"):
        delivery.steps(studio, accepted.pipeline(studio).id, 0, "mine", "selection")


def test_everything_rejected_is_nothing_to_export(studio):
    decide(studio, "reject", *(member.image for member in kept(studio)))
    with pytest.raises(BadInput, match="Nothing is accepted"):
        delivery.steps(studio, accepted.pipeline(studio).id, 0, "mine")


def test_the_export_of_a_review_loads_where_people_load_datasets(studio, tmp_path, monkeypatch):
    import datasets

    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    datasets.disable_progress_bars()
    reviewed(studio)
    folder, rows, _ = exported(studio)
    found = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert set(found["train"]["id"]) == set(rows)
    names = found["train"].features["label"].names
    moved = [row for row in found["train"] if row["review_status"] == "relabelled"]
    assert [names[row["label"]] for row in moved] == ["red"]


def test_what_was_chosen_from_decisions_says_so_in_plain_words(studio):
    reviewed(studio)
    frozen = freeze_accepted(studio, "mine")
    assert frozen.sentence.endswith(", after 4 decisions.")


def test_a_fold_that_is_not_there_is_named_as_people_count(studio):
    with pytest.raises(BadInput, match="There is no fold 3: this recipe ran 1. Folds are counted from 1"):
        delivery.steps(studio, accepted.pipeline(studio).id, 2, "mine")
