"""Curating from the command line: every step by name, decisions as files, freezing, what the review was worth."""

import csv
import json
import shlex
import shutil
from pathlib import Path

import pytest

from synthstudio.catalog.review import Query
from synthstudio.jobs import Studio
from synthstudio.jobs.asking.asked import step_from_text
from synthstudio.workspace import Workspace
from tests.catalog.projects import opened
from tests.cli.calling import caller
from tests.jobs.inline import InlineLauncher
from tests.jobs.reviewed import decide, sampled, words
from tests.steps.kit import LABELS, coloured


@pytest.fixture
def synthstudio(tmp_path, monkeypatch, capsys):
    """Run a command in this process, on one home; returns what it printed."""
    monkeypatch.setattr("synthstudio.jobs.studio.default_launcher", InlineLauncher)

    call = caller(monkeypatch, capsys)
    return lambda *arguments, code=0: call(*arguments, "--home", tmp_path / "home", code=code)


@pytest.fixture
def reviewed(synthstudio, colours, tmp_path):
    """The recipe with two images rejected and one moved, by a file of decisions."""
    shutil.copytree(colours, tmp_path / "home")
    with Studio(tmp_path / "home", launcher=InlineLauncher()) as studio:
        run = next(run for run in studio.catalog.runs.all() if run.kind == "test.draw")
        images = [row["digest"] for row in studio.catalog.images.made_by(run.id)]
    file = tmp_path / "decisions.csv"
    rows = [(images[0], "reject", ""), (images[1], "reject", ""), (images[5], "relabel", "red")]
    file.write_text("image,decision,label\n" + "".join(f"{','.join(row)}\n" for row in rows))
    assert "3 of 3 decisions in decisions.csv changed something" in synthstudio("decisions", "--in", file)
    return rows


def test_decisions_go_out_and_in_and_back(synthstudio, reviewed, tmp_path):
    out = tmp_path / "out.csv"
    assert "3 decisions" in synthstudio("decisions", "--out", out)
    with out.open(newline="") as file:
        assert [tuple(row.values()) for row in csv.DictReader(file)] == reviewed
    assert "Nothing changed" in synthstudio("decisions", "--in", out)
    out.write_text(f"image,decision,label\n{reviewed[0][0]},keep,\n{reviewed[1][0]},keep,olive\n")
    said = synthstudio("decisions", "--in", out)
    assert "No image had the class 'olive' before." in said
    undo = said.split("decisions --undo ")[1].strip()
    assert "2 images are as they were before" in synthstudio("decisions", "--undo", undo)
    synthstudio("decisions", "--out", out)
    with out.open(newline="") as file:
        assert [tuple(row.values()) for row in csv.DictReader(file)] == reviewed


def test_images_are_found_by_words_with_their_files(synthstudio, reviewed):
    found = json.loads(synthstudio("find", "a  red picture", "--count", 4, "--json"))
    assert (found["words"], found["said"], len(found["images"])) == ("a red picture", "", 4)
    assert [one["likeness"] for one in found["images"]] == sorted(
        (o["likeness"] for o in found["images"]), reverse=True
    )
    lines = synthstudio("find", "a red picture", "--count", 4).splitlines()
    assert [line.split()[-1] for line in lines] == [one["file"] for one in found["images"]]
    assert all(Path(one["file"]).is_file() for one in found["images"])
    assert "at least one word" in synthstudio("find", " ", code=2)


def test_a_selection_is_frozen_judged_and_exported_by_name(synthstudio, reviewed, tmp_path):
    assert "mine: 13 images in 3 classes" in synthstudio("freeze", "mine")
    result = tmp_path / "answer.json"
    said = synthstudio("review-helped", "mine", "--json", result)
    found = json.loads(result.read_text())
    assert {"real_only", "everything", "selection", "random"} <= set(found["mean"])
    assert found["sentence"] in said and "13 of 15 images (2 left out, 1 moved)" in found["sentence"]
    assert "no fold 2: this recipe ran 1" in synthstudio("export", tmp_path / "out", "--fold", 2, code=2)
    said = synthstudio("export", tmp_path / "out", "--set", "mine", "--fold", 1)
    assert "kept by the filter: 15 images; exported: 13" in said and "blue: 5 -> 3" in said
    moved = reviewed[2][0]
    assert (tmp_path / "out" / "train" / "red" / f"{moved[:16]}.png").is_file()
    compared_and_restored(synthstudio, reviewed, tmp_path)
    assert found["sentence"].split(":")[0] in (tmp_path / "out" / "README.md").read_text()


def compared_and_restored(synthstudio, reviewed, tmp_path):
    """`mine` is what is accepted; then one image is taken back in, another is moved, a third goes."""
    assert "From mine (13 images) to now (13 images): nothing has changed." in synthstudio("changes", "mine")
    assert "Nothing changed: mine is what is accepted now." in synthstudio("restore", "mine")
    file = tmp_path / "later.csv"
    file.write_text(f"image,decision,label\n{reviewed[0][0]},clear,\n{reviewed[2][0]},reject,\n")
    synthstudio("decisions", "--in", file)
    synthstudio("freeze", "later")
    said = synthstudio("changes", "mine", "later", "--images", "--json", tmp_path / "changes.json")
    assert (
        "From mine (13 images) to later (13 images): 1 added, 1 removed." in said and f"{reviewed[0][0]}  - -> " in said
    )
    assert said.splitlines()[1:] and len(json.loads((tmp_path / "changes.json").read_text())["changes"]) == 2
    assert "2 images decided as when mine was frozen." in (restored := synthstudio("restore", "mine"))
    assert "nothing has changed" in synthstudio("changes", "mine")
    undo = restored.split("decisions --undo ")[1].strip()
    assert "2 images are as they were before" in synthstudio("decisions", "--undo", undo)
    assert "nothing has changed" in synthstudio("changes", "later")


def test_an_export_that_was_looked_through_comes_back_as_decisions(synthstudio, reviewed, tmp_path):
    assert "format must be 'imagefolder', 'webdataset'" in synthstudio(
        "export", tmp_path / "out", "--format", "zipfolder", code=2
    )
    synthstudio("export", tmp_path / "out", "--format", "csv", "--strip")
    assert "changed something" in synthstudio("decisions", "--in", tmp_path / "out")
    assert "Nothing changed" in synthstudio("decisions", "--in", tmp_path / "out")
    kept = next((tmp_path / "out" / "train" / "blue").glob("*.png"))
    kept.unlink()
    assert "1 of" in synthstudio("decisions", "--in", tmp_path / "out")
    synthstudio("decisions", "--out", tmp_path / "now.csv")
    with (tmp_path / "now.csv").open(newline="") as file:
        now = {row["image"]: (row["decision"], row["label"]) for row in csv.DictReader(file)}
    assert {image: now[image] for image, *_ in reviewed} == {image: (what, label) for image, what, label in reviewed}
    rejected = {image[:16] for image, (what, _) in now.items() if what == "reject"}
    assert rejected == {kept.stem, reviewed[0][0][:16], reviewed[1][0][:16]}


def test_what_rejects_share_is_told_rejected_taken_back_and_left_out(synthstudio, tmp_path):
    with opened(tmp_path / "home") as studio:
        rows = sampled(studio.catalog, words(domains=("photo", "it's <b>")))
        bad = [digest for digest, row in rows.items() if row.domain == "it's <b>"]
        decide(studio.catalog, "reject", bad[:30])
    said = synthstudio("causes", "--run", "r1")
    assert "1. 100 % of rejects share domain = it's <b>; 0 % of the rest do." in said and "60 pending images" in said
    (cause,) = json.loads(synthstudio("causes", "--json"))
    assert cause["conditions"] == [{"field": "domain", "text": "it's <b>"}] and cause["rejects"] == [30, 30]
    assert "There is no cause 2" in synthstudio("causes", "--reject", 2, code=2)
    command = shlex.split(synthstudio("causes", "--without", 1).splitlines()[1])
    options = dict(zip((one[2:].replace("-", "_") for one in command[5::2]), command[6::2], strict=True))
    step = step_from_text(command[4], options, Workspace(tmp_path))
    assert (step.domains, step.labels, step.images_per_class) == (("photo",), ("cat",), 30)
    rejected = synthstudio("causes", "--reject", 1)
    assert "60 images with domain = it's <b> rejected." in rejected
    assert "Rejected as a whole: domain = it's <b>, 60 images" in synthstudio("causes")
    undo = rejected.split("decisions --undo ")[1].strip()
    assert "60 images are as they were before" in synthstudio("decisions", "--undo", undo)


def test_saved_views_are_listed_each_with_its_sentence(synthstudio, reviewed, tmp_path):
    assert "No views yet" in synthstudio("views")
    with Studio(tmp_path / "home", launcher=InlineLauncher()) as studio:
        studio.catalog.views.save("red ones", Query(labels=("red",), standings=("rejected",)), "me")
    assert synthstudio("views").split(maxsplit=2)[2] == "Rejected images of the class red; as they came.\n"
    (row,) = json.loads(synthstudio("views", "--json"))
    assert (row["name"], row["query"]["labels"]) == ("red ones", ["red"])


def test_the_catalog_is_asked_in_sql_and_answers_as_a_table_json_or_csv(synthstudio, reviewed):
    question = "select verdict, count(*) as n, max(null::double) as x from review where seq > 0 group by 1 order by 1"
    assert synthstudio("sql", question) == "verdict  n  x\n-------  -  -\nreject   2\nrelabel  1\n"
    assert synthstudio("sql", question, "--csv") == "verdict,n,x\nreject,2,\nrelabel,1,\n"
    assert json.loads(synthstudio("sql", question, "--json"))[1] == {"verdict": "relabel", "n": 1, "x": None}
    assert json.loads(synthstudio("sql", "select 'nan'::double as x", "--json")) == [{"x": None}]
    assert "\x1b" not in synthstudio("sql", "select chr(27) || '[2J' as x")
    assert "only reads" in synthstudio("sql", "delete from decisions", code=2)
    assert "not both" in synthstudio("sql", "select 1", "--csv", "--json", code=2)


def test_things_have_names_that_can_be_changed(synthstudio, reviewed):
    synthstudio("freeze", "mine")
    assert "mine is now called best of red" in synthstudio("rename", "mine", "best of red")
    rows = json.loads(synthstudio("names", "--role", "set", "--json"))
    assert {row["name"]: row["size"] for row in rows}["best of red"] == 13
    for role, name in (("run", "third try"), ("recipe run", "monday")):  # by id, as the lists of runs say it
        thing = json.loads(synthstudio("names", "--role", role, "--json"))[0]["id"]
        assert f"is now called {name}" in synthstudio("rename", thing, name)
    assert "monday is now called tuesday" in synthstudio("rename", "monday", "tuesday")
    assert "Did you mean best of red" in synthstudio("export", "x", "--set", "best of re", code=2)
    assert "is the name of" in synthstudio("rename", "best of red", "shots-datadream-colours-fold1", code=2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["decisions"], "decisions --out FILE"),
        (["decisions", "--undo", "never"], "There is no act 'never'"),
        (["causes", "--reject", "1"], "There is no cause 1"),
        (["freeze", "mine"], "no finished recipe yet"),
        (["review-helped", "mine"], "no set called 'mine'"),
        (["rename", "a", "b"], "called 'a'"),
        (["run", "dm", "--data", "digits", "--pool", "mine"], "no set called 'mine'"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_a_mistake_in_an_empty_project_says_what_to_do_first(synthstudio, arguments, said):
    assert said in synthstudio(*arguments, code=2)


def test_every_step_of_the_loop_takes_names_and_leads_to_the_next(synthstudio, colours_clip, tmp_path):
    for label in LABELS:
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(8):
            (tmp_path / "photos" / label / f"{number}.png").write_bytes(coloured(label, number))

    def step(kind, **fields):
        options = [part for name, value in fields.items() for part in (f"--{name.replace('_', '-')}", value)]
        return json.loads(synthstudio("step", kind, *options))["names"]

    assert step("collect.import_images", source=tmp_path / "photos") == {"images": "photos"}
    assert "'photos' is a pool; a set is needed. Split it first" in synthstudio(
        "step", "score.sharpness", "--images", "photos", code=2
    )
    split = step("collect.split", images="photos", shots=3)
    assert split == {"shots": "shots", "validation": "validation", "test": "test"}
    assert step("score.sharpness", images="shots") == {"scores": "sharpness"}
    best = '[{"rule": "top_per_label", "scorer": "sharpness", "count": 2}]'
    assert step("select.filter", images="shots", scores="sharpness", filters=best) == {"images": "kept"}
    synthstudio("rename", "kept", "the sharp ones")
    assert step("train.linear_probe", encoder=colours_clip, real="the sharp ones") == {"classifier": "probe"}
    compared = step("evaluate.compare", encoder=colours_clip, tests="test", real_only='["probe"]')
    assert compared == {"report": "report", "answers": "answers"}
    assert "Test images stay untouched" in synthstudio("step", "score.sharpness", "--images", "test", code=2)
    assert "No set was measured yet. Measure a set with" in synthstudio("measures")
    step("measure.images", images="the sharp ones", references="validation", encoder=colours_clip)
    (group,) = json.loads(synthstudio("measures", "the sharp ones", "--json"))["groups"]
    (row,) = group["rows"]
    said = synthstudio("measures")
    assert "Against validation" in said and "the sharp ones" in said
    for one in row["said"].values():
        assert one["value"] in said and one["interval"] in said and one["beside"] in said
    assert "Not measured: shots." in synthstudio("measures", "shots")
    step("export.image_folder", real="the sharp ones", test="test", report="report", name="mine")
    (folder,) = (tmp_path / "home" / "projects" / "default" / "exports").iterdir()
    assert len(list((folder / "train").rglob("*.png"))) == 6


def test_what_takes_room_is_listed_and_thrown_away_by_name_and_made_again(synthstudio):
    made = json.loads(synthstudio("step", "collect.import_images", "--source", "digits"))
    name = made["names"]["images"]
    (row,) = json.loads(synthstudio("names", "--sizes", "--json"))
    assert (row["name"], row["images"], row["state"], row["kind"]) == (name, 1797, "here", "collect.import_images")
    assert f"{name} " in synthstudio("names", "--sizes")
    looked = json.loads(synthstudio("free", name, "--dry-run", "--json"))
    assert json.loads(synthstudio("names", "--sizes", "--json")) == [row]
    done = json.loads(synthstudio("free", name, "--json"))
    assert (done["bytes"], done["files"]) == (looked["bytes"], looked["files"]) == (row["bytes"], 1797)
    assert "thrown away" in synthstudio("names", "--sizes")
    found = {check["name"]: check for check in json.loads(synthstudio("doctor", "--json"))}
    assert found["files"]["state"] == "ok" and "on purpose" in found["files"]["finding"]
    again = json.loads(synthstudio("step", "collect.import_images", "--source", "digits"))
    assert (again["run"], again["outputs"]["images"]) == (made["run"], made["outputs"]["images"])
    assert json.loads(synthstudio("names", "--sizes", "--json"))[0]["state"] == "here"


@pytest.mark.parametrize("name", ["mine", "../../etc", "set:" + "0" * 64, "1127"])
def test_what_is_not_there_cannot_be_thrown_away(synthstudio, name):
    assert "There is no" in synthstudio("free", name, code=2)
