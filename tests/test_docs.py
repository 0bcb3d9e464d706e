"""The documentation under `docs/`: its pages, what it quotes of the program, and the code it tells people to write."""

import ast
import importlib
import os
import re
import shlex
import subprocess
import sys
import types
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import yaml
from PIL import Image

from synthstudio.artifacts import ImageSet, Member
from synthstudio.jobs.asking.recipes import read_recipe, recipe_names
from synthstudio.step import STEPS
from tests.steps.kit import outputs, stored, work_in

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md")}
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
MOST_BYTES_OF_PICTURES = 300_000


class Block(NamedTuple):
    language: str
    title: str
    text: str


def blocks(page):
    found = re.findall(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", PAGES[page], re.MULTILINE | re.DOTALL)
    return [Block(*one) for one in found]


EXTENDING = blocks("extending.md")
DIFFS = [one for one in EXTENDING if one.language == "diff"]
FILES = {one.title: one.text for one in EXTENDING if one.language == "python"}


def in_nav(entries):
    for entry in entries:
        (value,) = entry.values()
        yield from in_nav(value) if isinstance(value, list) else [value]


def test_every_page_is_in_the_navigation_once():
    assert sorted(in_nav(SITE["nav"])) == sorted(PAGES)


LINKS = [
    (page, link) for page, text in PAGES.items() for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link
]


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_links_lead_to_pages_and_pictures_that_are_there(page, link):
    assert ((DOCS / page).parent / link.partition("#")[0]).exists()


def test_the_pictures_are_small():
    assert 0 < sum(path.stat().st_size for path in (DOCS / "pictures").iterdir()) < MOST_BYTES_OF_PICTURES


@pytest.fixture(scope="module")
def hooks():
    sys.path.insert(0, str(DOCS))
    try:
        yield importlib.import_module("hooks")
    finally:
        sys.path.remove(str(DOCS))
        sys.modules.pop("hooks", None)


def test_the_pages_hold_every_command_step_and_recipe_of_the_program(hooks):
    pages = {name: hooks.on_page_markdown(text) for name, text in PAGES.items()}
    for name, command in hooks.known_commands():
        assert f"\n## {name}\n" in pages["command-line.md"]
        assert all(option in pages["command-line.md"] for one in command.params for option in one.opts if "-" in option)
    for kind, cls in STEPS.items():
        if cls.__module__.startswith("synthstudio."):
            section = pages["reference/steps.md"].partition(f"\n## {kind}\n")[2].partition("\n## ")[0]
            assert all(f"| `{field}` |" in section for field in cls.model_fields)
            if kind.startswith("score."):
                assert f"| `{kind.removeprefix('score.')}` | {cls.scale.says} |" in pages["methods/filters.md"]
    assert all(f"| `{name}` |" in pages["recipes.md"] for name in recipe_names())
    assert not [name for name, text in pages.items() if re.search(r"<!-- \w+ -->", text)]


COMMANDS = [
    (page, line.strip())
    for page, text in {**PAGES, "README": (ROOT / "README.md").read_text(encoding="utf-8")}.items()
    for line in re.findall(r"^ {4}(?:\S+=\S+ )*\S*python -m (synthstudio .*)$", text, re.MULTILINE)
]


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_commands_that_are_shown_can_be_given(hooks, page, line):
    words = shlex.split(line.partition("#")[0].partition("·")[0])
    known = dict(hooks.known_commands())
    command = known.get(" ".join(words[1:3])) or known[words[1]]
    known = {option for one in command.params for option in one.opts}
    if words[1] in ("step", "sweep"):
        known |= {f"--{field.replace('_', '-')}" for field in STEPS[words[2]].model_fields}
    assert {word.partition("=")[0] for word in words[2:] if word.startswith("--")} <= known


@pytest.mark.parametrize("page", ["python.md"])
def test_python_on_a_page_names_what_exists(page):
    for one in blocks(page):
        for node in ast.walk(ast.parse(one.text)) if one.language == "python" else ():
            if isinstance(node, ast.ImportFrom) and node.module.startswith("synthstudio"):
                module = importlib.import_module(node.module)
                assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.parametrize("page", [page for page in PAGES if any(one.language == "toml" for one in blocks(page))])
def test_recipes_on_a_page_can_be_used(page, tmp_path):
    for one in blocks(page):
        if one.language == "toml":
            (file := tmp_path / "own.toml").write_text(one.text, encoding="utf-8")
            assert read_recipe(file, tmp_path).presets


def changed(diff, text=None):
    """A file with a diff applied; what the diff takes for granted has to stand there, once."""
    text = (ROOT / diff.title).read_text(encoding="utf-8") if text is None else text
    lines = diff.text.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] in " -")
    assert text.count(before) == 1, f"{diff.title} has no longer, or not only once:\n{before}"
    return text.replace(before, "".join(line[1:] for line in lines if line[0] in " +"))


@pytest.mark.parametrize("diff", DIFFS, ids=[f"{n} {one.title}" for n, one in enumerate(DIFFS)])
def test_every_change_of_a_file_fits_the_file_of_today(diff):
    assert ast.parse(changed(diff))


def patched(path):
    """A file with all diffs of the page that are about it."""
    text = None
    for diff in DIFFS:
        if diff.title == path:
            text = changed(diff, text)
    return text


def module_of(name, text):
    module = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)  # the page's own code
    return module


@pytest.fixture
def untold(monkeypatch):
    """What a block declares is gone again after the test."""
    from synthstudio.engine.distil import matching

    monkeypatch.setattr("synthstudio.step.STEPS", known := dict(STEPS))
    monkeypatch.setattr(matching, "METHODS", dict(matching.METHODS))
    return known


def grey(*values):
    data = BytesIO()
    Image.fromarray(np.resize(np.array(values, np.uint8), (16, 16))).save(data, "PNG")
    return data.getvalue()


def test_the_scorer_scores(untold, tmp_path):
    step = module_of("contrast", FILES["contrast.py"]).Contrast
    work = work_in(tmp_path)
    plain, striped = (work.workspace.put(grey(*values)) for values in ((90,), (0, 255)))
    images = work.workspace.put_set(ImageSet.of("set", [Member("a", plain), Member("a", striped)]))
    found, events = outputs(step(images=images), work)
    assert untold["score.contrast"] is step
    assert dict(one for event in events if event.event == "scored" for one in event.values) == {plain: 0, striped: 0.5}
    assert found["scores"].startswith("scores:")


def test_the_scorer_is_there_from_outside_the_repository(tmp_path):
    (tmp_path / "contrast.py").write_text(FILES["contrast.py"])
    (line,) = re.findall(r"^    (SYNTHSTUDIO_STEPS=.*)$", PAGES["extending.md"], re.MULTILINE)
    setting, _, *words = shlex.split(line)
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    environment = {**os.environ, **dict([setting.split("=")]), "PYTHONPATH": path}
    ended = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True, env=environment)
    assert ended.stdout.startswith("score.contrast: Standard deviation of the luminance")


def test_the_matching_loss_pulls_images_towards_the_photos(untold):
    from synthstudio.engine.distil.matching import METHODS
    from tests.engine.distil.kit import some_images, teaching

    module_of("moments", FILES["synthstudio/engine/distil/matching/moments.py"])
    method, images = METHODS["moments"](teaching()), some_images()
    pull = method.pull(0, images)
    nearer = images - 1e-3 * pull.gradient / pull.gradient.norm()
    assert method.pull(0, nearer).loss < pull.loss


def test_the_tab_counts(tmp_path):
    import gradio as gr
    import pandas as pd

    from synthstudio.ui.session.state import StudioSession
    from tests.ui.blocks import built

    tab = module_of("counts", FILES["synthstudio/ui/tabs/counts.py"])
    session = StudioSession(tmp_path / "home")
    with built(), gr.Blocks() as page:
        tab.build(session)
    (event,) = page.fns.values()
    assert len(event.fn()) == 0  # a project without pictures
    session.close()
    given = pd.DataFrame({"label": ["3", "3", "8"], "review": ["accepted", "pending", "accepted"]})
    assert tab.counts(given).to_dict("records") == [
        {"label": "3", "accepted": 1, "pending": 1},
        {"label": "8", "accepted": 1, "pending": 0},
    ]


def test_the_measure_measures_and_has_its_words(untold, monkeypatch, tmp_path):
    work = work_in(tmp_path)
    images = work.workspace.image_set(stored(work, "set", ("red", "blue"), range(3)))
    monkeypatch.setitem(
        sys.modules, "synthstudio.measures", measures := module_of("measures", patched("synthstudio/measures.py"))
    )
    monkeypatch.setattr("synthstudio.measures", measures, raising=False)
    untold.pop("measure.images")
    steps = module_of("images", patched("synthstudio/steps/measure/images.py"))
    vectors = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
    step = steps.MeasureImages(images="set:" + "a" * 64, references="set:" + "b" * 64, encoder="pico-clip@" + "c" * 64)
    found = step._all(steps._Side(images, vectors), steps._Side(images, np.repeat(vectors[:1], 6, 0)))
    assert found["spread"] == pytest.approx((5 / 6) ** 0.5)
    assert found["spread_real"] == pytest.approx(0)
    words = module_of("measure_terms", patched("synthstudio/measure_terms.py"))
    (spread,) = [one for one in words.MEASURES if one.name == "spread"]
    assert spread.said({name: (found[name], None, None) for name in ("spread", "spread_real")})["value"] == "0.913"


def test_the_listener_writes_what_runs_say(tmp_path):
    import json

    from synthstudio.jobs.listeners.listener import Cursor
    from synthstudio.jobs.listeners.numbers import Number

    listener = module_of("to_jsonl", FILES["synthstudio/jobs/listeners/to_jsonl.py"]).listener(tmp_path, "default")
    run, file = types.SimpleNamespace(id="r1", kind="adapt.lora"), tmp_path / "jsonl" / "adapt.lora-r1.jsonl"
    size = listener.write(run, [Number(1.0, 1, "loss", 0.5)], Cursor())
    file.write_text(file.read_text() + "half a li")  # what a kill leaves
    listener.write(run, [Number(2.0, 2, "loss", 0.25)], Cursor(size=size))
    assert [json.loads(line)["value"] for line in file.read_text().splitlines()] == [0.5, 0.25]


def test_no_block_of_the_page_about_extending_is_left_untried():
    assert {one.language for one in EXTENDING} == {"python", "diff"}
    assert set(FILES) == {
        "contrast.py",
        "synthstudio/engine/distil/matching/moments.py",
        "synthstudio/ui/tabs/counts.py",
        "synthstudio/jobs/listeners/to_jsonl.py",
    }


@pytest.mark.parametrize("name", re.findall(r"^::: (\S+)$", PAGES["reference/api.md"], re.MULTILINE))
def test_modules_of_the_reference_exist(name):
    path = ROOT.joinpath(*name.split("."))
    assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()
