import subprocess
import sys

import pytest

from synthstudio.errors import BadInput
from synthstudio.jobs.asking.asked import Asked
from synthstudio.step import STEPS, build
from synthstudio.ui import words
from synthstudio.ui.api.live import Live, next_step
from synthstudio.ui.tabs import asking, controls
from synthstudio.ui.tabs.home import read_form
from tests.examples import EXAMPLES

_HOSTILE = '<img src=x onerror="alert(1)">'


def test_building_the_page_loads_no_torch(tmp_path):
    code = (
        "import sys; from pathlib import Path; from synthstudio.ui import environment;"
        f"environment.prepare(Path({str(tmp_path)!r}));"
        "from synthstudio.ui.session.state import StudioSession; from synthstudio.ui.api.live import Live;"
        f"from synthstudio.ui.shell import build; s = StudioSession(Path({str(tmp_path)!r}));"
        "page = build(s, Live(s));"
        "bad = [m for m in ('torch', 'diffusers', 'open_clip', 'transformers') if m in sys.modules];"
        "public = [f.api_name for f in page.fns.values() if f.api_visibility == 'public'];"
        "s.studio.close(); assert not bad, bad;"
        "assert sorted(public) == ['result', 'review_helped', 'run_recipe', 'train'], public"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_preview_says_what_a_recipe_will_do_and_touches_nothing(session):
    text = asking.preview(session, "datadream", Asked(data="digits", shots=4))
    assert "Adapt the model to the shots: 400 training steps" in text
    assert "about" in text
    assert session.studio.catalog.runs.all() == []
    assert list(session.studio.workspace.locations.iterdir()) == []


def test_recipes_of_the_owner_are_offered_and_planned(session):
    (own := session.recipe_home / "recipes").mkdir()
    (own / "mine.toml").write_text('base = "datadream"\ntitle = "Mine"\nsummary = "My words."\nwithout = ["adapter"]\n'
                                   '[[step]]\nas = "sample"\nkind = "sample.text"\nbackbone = "$backbone"\n'
                                   'labels = "$split.labels"\neach = "fold"\n')  # fmt: skip
    (own / "torn.toml").write_text("[[step")
    offered = dict(map(reversed, asking.recipes(session)))
    assert offered["mine"] == "Mine" and "torn" not in offered
    text = asking.preview(session, "mine", Asked(data="digits", shots=4))
    assert "My words." in text and "Adapt the model" not in text


def test_names_of_strangers_are_text(session):
    assert "<img" not in words.safe(_HOSTILE)
    text = asking.preview(session, "datadream", Asked(data=_HOSTILE, shots=4, settings=["keep.minimum_per_class=1"]))
    assert "<img src=x" not in text


def test_an_empty_project_has_a_state_and_no_pipeline(session):
    found = Live(session).state()
    assert found["project"] == "default"
    assert found["pipeline"] is None
    assert found["running"] == []


def test_a_running_recipe_shows_every_step_of_its_plan(session, monkeypatch):
    monkeypatch.setattr("synthstudio.ui.tabs.asking.prepare", _prepared)
    first = asking.start(session, "datadream", Asked(data="digits", shots=4))
    assert asking.start(session, "datadream", Asked(data="digits", shots=4)) == first
    session.studio.tick()
    found = Live(session).state()["pipeline"]
    assert found["id"] == first
    assert [node["state"] for node in found["nodes"]][:2] == ["queued", "waiting"]


def _prepared(workspace, asked):
    digest = "a" * 64
    names = {"source": "source:digits", "backbone": f"pico@{digest}", "encoder": f"pico-clip@{digest}"}
    return {**asked.model_dump(), **names}


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_a_form_gives_back_the_fields_it_was_filled_with(kind):
    step = build(kind, EXAMPLES[kind])
    names = [name for name in type(step).model_fields if name not in ("filters", "ranges")]
    shown = controls.show(STEPS[kind], step.fields, names)
    read = controls.read(STEPS[kind], dict(zip(names, shown, strict=True)))
    assert build(kind, {**step.fields, **read}) == step


@pytest.mark.parametrize(("text", "value"), [("", None), ("none", None), ("64", 64), (" 128 ", 128)])
def test_an_optional_number_can_be_left_empty(text, value):
    read = controls.read(STEPS["adapt.lora"], {"resolution": text})
    assert build("adapt.lora", {**EXAMPLES["adapt.lora"], **read}).resolution == value


def test_an_optional_number_that_is_none_is_refused_in_words():
    read = controls.read(STEPS["adapt.lora"], {"resolution": "big"})
    with pytest.raises(BadInput) as refused:
        build("adapt.lora", {**EXAMPLES["adapt.lora"], **read})
    assert refused.value.fields == {"resolution": "Resolution must be a whole number."}


def test_the_form_of_a_recipe_becomes_a_request():
    values = {"recipe": "datadream", "preset": "quick", "data": "digits", "shots": 8.0, "folds": 3, "backbone": "pico",
              "encoder": "", "seed": 1, "settings": "adapter.rank=4\n\n", "device": "cpu"}  # fmt: skip
    name, asked = read_form(values)
    assert (name, asked.shots, asked.folds, asked.settings) == ("datadream", 8, 3, ["adapter.rank=4"])
    assert asked.encoder is None


@pytest.mark.parametrize(
    ("low", "high", "folds", "start"),
    [
        (0.01, 0.1, 1, "It helped"),
        (-0.1, -0.01, 1, "It hurt"),
        (-0.1, 0.1, 1, "The interval"),
        (-0.1, 0.1, 3, "No clear"),
    ],
)
def test_every_answer_ends_on_a_next_step(low, high, folds, start):
    assert next_step({"difference": {"low": low, "high": high, "folds": folds}}).startswith(start)
