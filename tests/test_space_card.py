"""The lines above the README's title are what a Hugging Face Space is configured by."""

import re
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
HARDWARE = {"cpu-basic", "cpu-upgrade", "zero-a10g", "t4-small", "t4-medium", "l4x1", "a10g-small", "a10g-large"}
# Every documented key with the type of its value.
KEYS = {
    "title": str, "emoji": str, "colorFrom": str, "colorTo": str, "sdk": str, "python_version": str,
    "sdk_version": str, "suggested_hardware": str, "app_file": str, "app_build_command": str, "app_port": int,
    "base_path": str, "fullWidth": bool, "header": str, "short_description": str, "models": list, "datasets": list,
    "tags": list, "thumbnail": str, "pinned": bool, "license": str, "hf_oauth": bool, "hf_oauth_scopes": list,
    "hf_oauth_expiration_minutes": int, "hf_oauth_authorized_org": (str, list), "disable_embedding": bool,
    "startup_duration_timeout": str, "custom_headers": dict, "preload_from_hub": list,
}  # fmt: skip


def card():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    assert found, "the README does not begin with front matter"
    return yaml.safe_load(found.group(1))


def test_every_key_is_documented_and_has_a_value_of_its_type():
    for key, value in card().items():
        assert key in KEYS, f"{key} is no key of a Space"
        assert isinstance(value, KEYS[key]), f"{key} is {value!r}"


def test_the_values_are_ones_that_a_space_knows():
    found = card()
    assert found["sdk"] == "gradio"
    assert {found["colorFrom"], found["colorTo"]} <= COLOURS
    assert found["header"] in ("mini", "default")
    assert found["suggested_hardware"] in HARDWARE
    assert len(found["short_description"]) <= 60
    assert (ROOT / found["app_file"]).is_file()
    assert 0 < found["hf_oauth_expiration_minutes"] <= 43_200
    assert found["license"] == "apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()


def test_the_space_runs_the_gradio_and_the_python_that_the_project_asks_for():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    (gradio,) = [Requirement(line.partition("#")[0]) for line in lines if line.startswith("gradio")]
    version = card()["sdk_version"]
    assert gradio.specifier.contains(version)
    lowest = next(one.version for one in gradio.specifier if one.operator == ">=")
    assert Version(version).release[:2] == Version(lowest).release[:2]
    asked = re.search(r'requires-python = ">=(.+)"', (ROOT / "pyproject.toml").read_text())
    assert asked is not None
    assert Version(card()["python_version"]) >= Version(asked.group(1))


def test_the_program_that_a_space_runs_stays_short():
    assert len((ROOT / "app.py").read_text().splitlines()) < 40
