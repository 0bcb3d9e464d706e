"""`image again`: an image that was taken out of one home is made in another, byte for byte."""

import json

import pytest
from typer.testing import CliRunner

from synthstudio.cli import app
from synthstudio.errors import BadInput
from synthstudio.jobs import Studio
from synthstudio.jobs import studio as studio_module
from synthstudio.jobs.curating import single
from synthstudio.models import reference
from synthstudio.step import build
from tests.intake.nasty import good
from tests.jobs.inline import InlineLauncher


def test_an_image_is_made_again_elsewhere_with_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(studio_module, "default_launcher", InlineLauncher)
    with Studio(tmp_path / "one", launcher=InlineLauncher()) as studio:
        fields = {"backbone": reference("pico", "backbone", studio.workspace), "labels": ["cat", "dog"], "seed": 3,
                  "images_per_class": 3, "inference_steps": 2}  # fmt: skip
        run, _ = studio.submit(build("sample.text", fields))
        assert studio.wait(run).state == "done"
        digest = studio.catalog.images.made_by(run)[4]["digest"]
        (tmp_path / "a.png").write_bytes(single.file_of(studio, digest))
    asked = ["image", "again", str(tmp_path / "a.png"), "--home", str(tmp_path / "two"), "--json", str(tmp_path / "j")]
    told = CliRunner().invoke(app, asked)
    assert told.exit_code == 0, told.output
    said = json.loads((tmp_path / "j").read_text())
    assert said["same_bytes"] and said["image"] == digest
    assert (tmp_path / "a-again.png").exists()
    with Studio(tmp_path / "two", launcher=InlineLauncher()) as studio:
        assert studio.catalog.images.total() == 1
        assert studio.workspace.has(digest)


def test_what_a_file_says_is_printed_and_a_file_that_says_nothing_is_refused(tmp_path):
    (tmp_path / "plain.png").write_bytes(good())
    told = CliRunner().invoke(app, ["image", "read", str(tmp_path / "plain.png")])
    assert isinstance(told.exception, BadInput) and "says nothing of its making" in str(told.exception)
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        CliRunner().invoke(app, ["image", "read", str(tmp_path / "no.png")], catch_exceptions=False)
