"""From Python: tables of a project, a Step and a recipe asked for, and reading beside the page."""

import contextlib
import io
import re
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pandas as pd
import pytest

import synthstudio
from synthstudio.catalog.decisions import Act, Chosen
from synthstudio.catalog.review import Query
from synthstudio.errors import BadInput, RunFailed, UnknownName
from synthstudio.jobs import Studio
from synthstudio.step import build
from tests.browser.conftest import SMALL
from tests.steps.kit import LABELS, coloured

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def home(colours, tmp_path, monkeypatch):
    """A home with a finished recipe, in a folder where the README's example finds it."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(colours, tmp_path / "synthstudio-home"))


@pytest.fixture
def project(home):
    with synthstudio.open(home, progress=False) as opened:
        yield opened


def test_the_example_of_the_readme_runs(home, capsys):
    (example,) = re.findall(r"```python\n(import synthstudio\n.*?)```", README, re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102 - our own words
    assert "real_and_synthetic" in capsys.readouterr().out


def test_images_are_one_row_each_with_what_was_decided_and_how_they_were_made(project):
    before = project.images()
    assert before["image"].is_unique
    assert set(before["origin"]) == {"real", "synthetic"}
    assert set(before.loc[before["origin"] == "synthetic", "made.seed"]) == {0, 1, 2, 3, 4}
    assert str(before["made.seed"].dtype) == "Int64"  # as a float a seed of 63 bits would be another
    assert str(before["created"].dt.tz) == "UTC"
    assert before.loc[before["held_out"], "origin"].eq("real").all()
    first, second = before.loc[before["origin"] == "synthetic", "image"][:2]
    catalog = project.catalog
    catalog.review.settle(Query())
    for verdict, image, label in (("reject", first, ""), ("relabel", second, "blue")):
        catalog.decisions.decide([Act(str(uuid.uuid4()), "t", Chosen.images([image]), verdict, label)], "Ada")
    after = project.images().set_index("image")
    assert (after.loc[first, "review"], after.loc[second, "label"]) == ("rejected", "blue")
    said = project.decisions()
    assert list(said["image"]) == [first, second]
    assert (set(said["who"]), str(said["decided_at"].dt.tz)) == ({"Ada"}, "UTC")


def test_runs_come_with_their_fields_and_times_and_sets_with_their_members(project):
    runs = project.runs()
    probes = runs[runs["step"] == "train.linear_probe"]
    assert (set(probes["state"]), set(probes["fields.penalty"])) == ({"done"}, {0.001})
    assert (runs["finished"] >= runs["created"]).all()
    assert runs["created"].is_monotonic_decreasing
    sets = project.sets()
    kept = sets[sets["role"] == "set"].iloc[0]
    assert len(project.members(kept["name"])) == kept["size"] > 0
    with pytest.raises(UnknownName, match="no set"):
        project.members("nothing")


def test_a_report_has_the_numbers_that_the_command_line_prints(project):
    report = project.report().set_index("arm")
    metrics = project.metrics()
    said = metrics[(metrics["name"] == "accuracy") & (metrics["split"] == "test") & metrics["label"].eq("")]
    for arm, row in report.iterrows():
        assert 0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1
        assert row["n"] == report["n"].iloc[0] > 0
        assert row["accuracy"] in set(said.loc[said["arm"] == arm, "value"])
    gain = report.loc["real_and_synthetic", "accuracy"] - report.loc["real_only", "accuracy"]
    assert report["difference"].nunique() == 1
    assert report["difference"].iloc[0] == pytest.approx(gain)


def test_an_empty_project_has_empty_tables_with_their_columns(tmp_path):
    with synthstudio.open(tmp_path / "home", "new") as empty:
        for table, column in (
            (empty.images(), "image"), (empty.scores(), "scorer"), (empty.runs(), "state"), (empty.sets(), "name"),
            (empty.metrics(), "value"), (empty.decisions(), "verdict"), (empty.report(), "accuracy"),
        ):  # fmt: skip
            assert isinstance(table, pd.DataFrame)
            assert (len(table), column in table) == (0, True)


def test_while_another_process_has_the_project_it_is_read_and_not_written(home):
    script = (
        "import sys; from pathlib import Path; from synthstudio.jobs import Studio\n"
        f"with Studio(Path({str(home)!r})): print('open', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline().strip() == b"open"
        with synthstudio.open(home) as project:
            assert project.read_only
            assert len(project.report()) > 0
            assert len(project.images()) > 0
            with pytest.raises(BadInput, match="only be read here. Close the page"):
                project.submit(build("select.share", {"images": project.sets()["set"][0], "count": 1}))
    finally:
        holder.communicate(b"")
    with synthstudio.open(home) as project:
        assert not project.read_only


def test_a_step_is_carried_out_once_with_a_bar(home, capsys):
    with synthstudio.open(home) as project:
        kept = project.sets()["set"][0]
        encoder = project.runs()["fields.encoder"].dropna().iloc[0]
        wanted = build("score.nearest_real", {"images": kept, "references": kept, "encoder": encoder})
        run = project.submit(wanted)
        assert "score.nearest_real" in capsys.readouterr().err
        assert project.submit(wanted) == run
        assert set(project.scores()["scorer"]) >= {"nearest_real"}
        share = project.submit(build("select.share", {"images": kept, "count": 4}))
        assert len(project.members(project.outputs(share)["images"])) == 4


def test_a_step_that_fails_says_why(project):
    share = build("select.share", {"images": f"set:{'0' * 64}", "count": 4})
    with pytest.raises(RunFailed, match="select.share is failed. "):
        project.submit(share)


def test_a_recipe_runs_to_its_answer(tmp_path, colours_clip):
    for label in LABELS:
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(8):
            (tmp_path / "photos" / label / f"{number}.png").write_bytes(coloured(label, number))
    with synthstudio.open(tmp_path / "home", progress=False) as project:
        settings = [*SMALL.splitlines(), "adapter.training_steps=4", "sample.images_per_class=1"]
        photos = str(tmp_path / "photos")
        found = project.run("datadream", data=photos, shots=2, encoder=str(colours_clip), settings=settings)
        assert set(project.report()["arm"]) == set(found["interval95"]) >= {"real_only", "real_and_synthetic"}
        with pytest.raises(BadInput, match="no field of adapt.lora"), contextlib.redirect_stderr(io.StringIO()):
            project.run("datadream", data="digits", settings=["adapter.nothing=1"])


def test_a_project_can_be_opened_while_a_run_of_it_writes(home):
    with Studio(home) as studio, synthstudio.open(home) as project:
        assert studio.catalog.runs.all(1)[0].id == project.runs()["run"][0]
