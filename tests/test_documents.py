"""README and ARCHITECTURE name what exists, and everything that must be named."""

import json
import re
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import synthstudio.steps  # noqa: F401
from synthstudio.jobs.asking.recipes import recipe_names
from synthstudio.packages import LITE0
from synthstudio.step import STEPS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "synthstudio" / "ARCHITECTURE.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", recipe_names())
def test_the_readme_names_every_recipe(name):
    assert f"`{name}`" in README


@pytest.mark.parametrize("kind", sorted(kind for kind in STEPS if not kind.startswith("test.")))
def test_the_readme_names_every_step(kind):
    assert f"`{kind}`" in README


NAMED = sorted(set(re.findall(r"`((?:tests|assets|synthstudio)/[\w./-]+)`", README + ARCHITECTURE + CONTRIBUTING)))


@pytest.mark.parametrize("path", NAMED)
def test_every_path_that_is_named_exists(path):
    assert (ROOT / path).exists()


def test_every_module_at_the_top_is_on_the_map():
    modules = {p.stem if p.suffix else p.name for p in (ROOT / "synthstudio").iterdir() if not p.name.startswith("_")}
    assert [name for name in sorted(modules - {"ARCHITECTURE"}) if name not in ARCHITECTURE] == []


def test_ci_runs_the_command_of_the_readme():
    assert len(re.findall(r"^    .*-m pytest.*$", README, re.MULTILINE)) == 1


COMMANDS = re.findall(r"^    (.*)$", README, re.MULTILINE)


def test_the_first_command_opens_the_page_on_a_fresh_machine():
    assert COMMANDS[0].startswith("python3 -m venv .venv && .venv/bin/pip install -q -r requirements.txt && ")
    assert COMMANDS[0].endswith(".venv/bin/python app.py")
    assert COMMANDS[1].startswith(".venv/bin/python -m synthstudio run ")


def test_the_readme_names_the_browser_that_the_tests_ask_for():
    from tests.browser.conftest import NO_BROWSER

    (install,) = re.findall(r"apt-get install [\w -]+", NO_BROWSER)
    assert install.strip() in README and install.split("recommends ")[1] in (ROOT / ".ci" / "run").read_text()


def test_what_the_readme_says_of_every_recipe_is_what_was_measured():
    from tests.benchmarks.does_it_help import overview

    measured = json.loads((ROOT / "tests" / "benchmarks" / "results" / "does_it_help_eye.json").read_text())["cells"]
    assert overview(measured) in README
    assert f"{len(measured)} cells of 60 are measured" in README


def test_the_pictures_of_the_readme_are_here_small_and_all_that_can_be_made():
    from tests.browser import screenshots

    shown = {ROOT / path for path in re.findall(r"assets/screenshots/[\w.-]+", README)}
    files = set((ROOT / "assets" / "screenshots").iterdir())
    assert shown <= files
    assert {path.name for path in files} == set(screenshots.NAMES)
    assert all(path.stat().st_size <= screenshots.most_bytes(path.name) for path in files)
    assert sum(path.stat().st_size for path in files) <= screenshots.MOST_BYTES_TOGETHER


IMPORTED = {
    name
    for part in ("synthstudio", "tests")
    for file in (ROOT / part).rglob("*.py")
    if "benchmarks" not in file.parts
    for name in re.findall(r"^\s*(?:import|from) (\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
}


def test_the_engine_says_which_libraries_it_holds():
    text = (ROOT / "synthstudio" / "engine" / "__init__.py").read_text(encoding="utf-8")
    said = re.findall(r"\w+", text.partition(" live here")[0].replace(" and ", " "))
    held = {
        name
        for file in (ROOT / "synthstudio" / "engine").rglob("*.py")
        for name in re.findall(r"^\s*(?:import|from) (\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert set(said) == held & {"torch", "diffusers", "peft", "accelerate", "open_clip", "timm"}


def _same(name: str) -> str:
    return name.lower().replace("_", "-")


REQUIRED = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()[1:]


@pytest.mark.parametrize("line", REQUIRED, ids=[re.split(r"[>=<\[]", line)[0] for line in REQUIRED])
def test_what_is_required_and_not_imported_is_said_to_be_for_a_library_that_is(line):
    name, comment = re.split(r"[>=<\[]", line)[0], line.partition("#")[2]
    own = [module for module, of in packages_distributions().items() if _same(name) in map(_same, of)]
    named_in_code = {LITE0.module} | IMPORTED
    assert own and (set(own) & named_in_code or set(re.findall(r"\w+", comment)) & (IMPORTED - {"and", "the"}))
