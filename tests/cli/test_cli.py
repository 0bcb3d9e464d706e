"""The command line: sentences instead of tracebacks, exit codes, JSON for machines."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from synthstudio.cli import app, main, tables
from synthstudio.cli.progress import Rate
from synthstudio.errors import BadInput
from synthstudio.jobs import Studio

ROOT = Path(__file__).resolve().parents[2]


def call(*arguments, code=0, **options):
    ended = subprocess.run(
        [sys.executable, "-m", "synthstudio", *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=ROOT, **options,
    )  # fmt: skip
    assert ended.returncode == code, ended.stderr
    return ended


def test_recipes_are_listed_with_their_presets():
    said = CliRunner().invoke(app, ["recipes"]).output
    assert "datadream" in said
    assert "quick, standard, paper" in said


def test_recipes_of_ones_own_are_listed_and_those_that_cannot_be_used_say_why(tmp_path):
    (own := tmp_path / "recipes").mkdir()
    (example,) = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (own / "drawings.toml").write_text(example)
    (own / "torn.toml").write_text("title = ")
    told = CliRunner().invoke(app, ["recipes", "--home", str(tmp_path)])
    assert "Drawings too" in told.stdout and "torn" not in told.stdout
    assert "torn.toml is not offered. torn.toml is not a recipe" in told.stderr


def test_prompts_are_previewed_and_nothing_is_made(tmp_path):
    options = [
        "--backbone", "pico", "--labels", "cat, dog", "--prompt", "a {domain} of a {label} by a {word}",
        "--domains", "photo, sketch", "--vocabulary", "tree, lamp", "--guidance-per-label", "cat = 3",
    ]  # fmt: skip
    written = tmp_path / "preview.json"
    asked = ["step", "sample.text", *options, "--home", str(tmp_path / "home"), "--preview", "--json", str(written)]
    told = CliRunner().invoke(app, asked)
    assert told.exit_code == 0, told.output
    found = json.loads(written.read_text())
    assert (found["images"], found["distinct"]) == (200, 8) and "a sketch of a dog by a lamp" in found["prompts"]
    assert not list((tmp_path / "home").glob("projects/*/runs/*"))


def test_captions_come_from_a_table(tmp_path):
    table = tmp_path / "captions.csv"
    table.write_text('image,caption\ncat/1.jpg,"asleep, on a sofa"\nmine/dog/2.jpg,running\ncat,awake\n')
    written = tmp_path / "preview.json"
    options = [
        "--backbone",
        "pico",
        "--labels",
        "cat, dog",
        "--prompt",
        "a {label} {caption}",
        "--captions",
        f"@{table}",
    ]
    asked = ["step", "sample.text", *options, "--home", str(tmp_path / "home"), "--preview", "--json", str(written)]
    told = CliRunner().invoke(app, asked)
    assert told.exit_code == 0, told.output
    found = json.loads(written.read_text())["prompts"]
    assert set(found) == {"a cat asleep, on a sofa", "a cat awake", "a dog running"}
    assert tables.in_setting(f"sample.captions=@{table}").startswith('sample.captions={"cat": ["asleep')
    assert tables.in_setting("sample.prompt=@home {label}") == "sample.prompt=@home {label}"


@pytest.mark.parametrize(("rows", "said"), [
    ("image,caption\n", "holds no rows"),
    ("cat/1.jpg,a cat\ncat/2.jpg,\n", "Row 2 of table.csv needs two columns"),
    ("cat,one,two\n", "Row 1 of table.csv needs two columns"),
    ("\ufffe", None),
])  # fmt: skip
def test_a_table_that_is_none_says_which_row(tmp_path, rows, said):
    (tmp_path / "table.csv").write_bytes(rows.encode() if said else b"\xff\xfe\x00")
    with pytest.raises(BadInput, match=said or "Save it as CSV in UTF-8"):
        tables.read(tmp_path / "table.csv")
    with pytest.raises(BadInput, match="cannot be read"):
        tables.read(tmp_path / "nothing.csv")


def test_a_step_without_prompts_has_no_preview(tmp_path):
    asked = ["step", "score.sharpness", "--images", "set:" + "a" * 64, "--home", str(tmp_path), "--preview"]
    told = CliRunner().invoke(app, asked)
    assert "has no prompts to preview" in str(told.exception)


def test_steps_say_range_default_and_help_as_json():
    (found,) = json.loads(CliRunner().invoke(app, ["steps", "sample.text", "--json"]).output)
    field = next(f for f in found["fields"] if f["name"] == "guidance_scale")
    assert (field["minimum"], field["maximum"], field["default"]) == (1, 50, 2.0)
    assert "guidance" in field["help"].lower()


def test_the_help_of_a_step_lists_its_own_options_beside_those_of_every_step():
    said = CliRunner().invoke(app, ["step", "score.sharpness", "--help"]).output
    assert "--size" in said and "from 16 to 4096; default 256" in said
    assert "--device" in said and "--rank" not in said
    assert "score.sharpness: " not in CliRunner().invoke(app, ["step", "--help"]).output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "datadreem", "--data", "digits"], "Did you mean datadream"),
        (["run", "datadream", "--data", "/no/such/folder"], "/no/such/folder"),
        (["run", "datadream", "--data", "digits", "--preset", "quik"], "quick"),
        (["run", "datadream", "--data", "digits", "--set", "adapter.rnk=3"], "rank"),
        (["run", "datadream", "--data", "digits", "--set", "sample.guidance_scale=0"], "guidance_scale"),
        (["run", "datadream", "--data", "digits", "--backbone", "picoo"], "pico"),
        (["run", "datadream", "--data", "digits", "--device", "gpu"], "Use auto, cpu, cuda"),
        (["step", "score.sharpnes", "--images", "x"], "score.sharpness"),
        (["step", "score.sharpness", "--images", "test:" + "0" * 64], "images"),
        (["run", "datadream", "--data", "digits", "--log", "tensorbord"], "Did you mean tensorboard"),
        (["step", "score.sharpness", "--images", "x", "--log", "csvs"], "Did you mean csv"),
        (["resume", "nothing"], "no run called"),
        (["export", "out"], "Run one first"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_a_mistake_is_one_sentence_and_exit_code_two(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["synthstudio", *arguments, "--home", str(tmp_path / "home")])
    with pytest.raises(SystemExit) as ended:
        main()
    complaint = capsys.readouterr().err
    assert ended.value.code == 2
    assert said in complaint
    assert "Traceback" not in complaint


def test_a_step_runs_from_the_command_line_and_is_reused(tmp_path):
    arguments = ("step", "collect.import_images", "--source", "digits", "--home", tmp_path)
    first = json.loads(call(*arguments).stdout)
    assert first["state"] == "done"
    assert first["outputs"]["images"].startswith("pool:")
    second = json.loads(call(*arguments).stdout)
    assert (second["run"], second["reused"]) == (first["run"], True)
    brought = json.loads(call("import", "digits", "--json", "--home", tmp_path).stdout)  # the same Step
    assert (brought["run"], brought["reused"], brought["classes"]["0"]) == (first["run"], True, 178)
    assert first["names"]["images"] == brought["name"]
    listed = json.loads(call("runs", "--json", "--home", tmp_path).stdout)
    assert [row["state"] for row in listed] == ["done"]


def test_a_home_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    said = call("runs", "--home", tmp_path / "file", code=2).stderr
    assert "Choose another folder" in said


def test_the_doctor_finds_a_damaged_blob_and_repairs_it(tmp_path):
    made = json.loads(call("step", "collect.import_images", "--source", "digits", "--home", tmp_path).stdout)
    digest = made["outputs"]["images"].partition(":")[2]
    blob = next(tmp_path.rglob(f"blobs/*/{digest}"))
    whole = blob.read_bytes()
    blob.write_bytes(b"rubbish")
    found = json.loads(call("doctor", "--json", "--home", tmp_path, code=1).stdout)
    (files,) = [check for check in found if check["name"] == "files"]
    assert files["state"] == "bad" and "doctor --repair" in files["advice"]
    (blob_check,) = [check for check in found if check["name"] == "blob"]
    assert digest in blob_check["finding"]
    repaired = json.loads(call("doctor", "--repair", "--json", "--home", tmp_path).stdout)
    assert next(check for check in repaired if check["name"] == "files")["state"] == "ok"
    assert blob.read_bytes() == whole


def test_the_rate_rests_on_the_last_half_minute():
    rate = Rate(window_seconds=30)
    assert rate.per_second(0, at=0.0) is None
    rate.per_second(1, at=10.0)
    rate.per_second(100, at=100.0)
    assert rate.per_second(200, at=110.0) == 10.0


STEP_OUTSIDE = '''
from collections.abc import Iterator
from typing import ClassVar

from synthstudio.events import Event, Note
from synthstudio.step import Step


class Greet(Step):
    """Say a word."""

    kind: ClassVar[str] = "test.greet"

    word: str = "hello"

    def run(self, work: object) -> Iterator[Event]:
        """Say it."""
        yield Note(text=f"{self.word}, world")
'''


def test_a_step_outside_the_package_is_listed_and_asked_for_like_any_other(tmp_path):
    (tmp_path / "greetings.py").write_text(STEP_OUTSIDE)
    environment = {**os.environ, "SYNTHSTUDIO_STEPS": "greetings", "PYTHONPATH": str(tmp_path)}
    assert "test.greet" in call("steps", env=environment).stdout
    asked = call("step", "test.greet", "--wrd", "hi", "--home", tmp_path / "home", env=environment, code=2)
    assert "Did you mean word?" in asked.stderr  # its own fields are known, so nothing has to run to see it


def test_a_module_of_steps_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTHSTUDIO_STEPS", "no_such_steps")
    with pytest.raises(BadInput, match="no module no_such_steps"):
        Studio(tmp_path)
