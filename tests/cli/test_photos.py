"""Before anything is made: what an import would bring, and what a recipe would cost."""

import json
import sys

import pytest
from typer.testing import CliRunner

from synthstudio.cli import app, main
from synthstudio.jobs import Studio
from tests.ui.pictures import png


@pytest.fixture
def photos(tmp_path):
    for label, count in (("cats", 3), ("dogs", 2)):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(count):
            (tmp_path / "photos" / label / f"{number}.png").write_bytes(png(count * 10 + number))
    (tmp_path / "photos" / "dogs" / "torn.png").write_bytes(b"no picture")
    return tmp_path / "photos"


def said(*arguments):
    ended = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def test_a_dry_run_says_what_an_import_would_bring_and_keeps_nothing(photos, tmp_path):
    home = tmp_path / "home"
    found = json.loads(said("import", photos, "--dry-run", "--json", "--home", home))
    assert found["classes"] == {"cats": 3, "dogs": 2}
    assert [one["name"] for one in found["refused"]] == ["dogs/torn.png"]
    assert {one["level"] for one in found["badges"]} == {"ok", "warn"}
    assert not home.exists()


def test_an_estimate_starts_nothing_and_says_where_it_comes_from(tmp_path):
    home, out = tmp_path / "home", tmp_path / "estimate.json"
    text = said("run", "datadream", "--data", "digits", "--estimate", "--home", home, "--json", out)
    found = json.loads(out.read_text())
    assert "nothing was started" in text and "1,797 photos in 10 classes" in text
    assert found["seconds"] > 0 and found["basis"] in text
    with Studio(home) as studio:
        assert studio.catalog.runs.all() == [] and studio.catalog.pipelines.all() == []


def test_a_small_set_is_estimated_by_what_its_networks_are_shown(tmp_path):
    def seconds(iterations):
        out = tmp_path / "estimate.json"
        wish = ("--set", f"small.iterations={iterations}", "--home", tmp_path / "home", "--json", out)
        said("run", "dm", "--data", "digits", "--estimate", *wish)
        return json.loads(out.read_text())["seconds"]

    assert seconds(2000) > 1.5 * seconds(200)


def test_a_model_that_nobody_has_run_here_has_no_time_yet(tmp_path):
    text = said("run", "dm", "--data", "digits", "--backbone", "sd15", "--estimate", "--home", tmp_path / "home")
    assert "Time: unknown" in text


@pytest.mark.parametrize("wish", [["run", "datadream", "--estimate", "--data"], ["import", "--dry-run"]])
def test_photos_that_are_not_there_are_said_before_anything_is_counted(wish, photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        sys, "argv", ["synthstudio", *wish, str(photos.parent / "photo"), "--home", str(tmp_path / "h")]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2 and "Did you mean photos?" in capsys.readouterr().err
