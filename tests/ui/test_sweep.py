"""The form of a sweep, and what the page hears of its trials."""

import pytest

from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput
from synthstudio.events import Finished, Output
from synthstudio.jobs.curating import sweep
from synthstudio.step import build
from synthstudio.ui.api import sweep_views
from synthstudio.ui.tabs.sample_sweep import wish_of
from tests.examples import BACKBONE

TYPED = {
    "try_guidance_scale": "1:6", "try_inference_steps": "10, 20", "try_strength": "", "try_adapter_scale": "",
    "trials": 3, "each": 5, "guard": "0,05",
}  # fmt: skip


@pytest.fixture
def step():
    return build("sample.text", {"backbone": BACKBONE, "labels": ["cat", "dog"], "seed": 7})


@pytest.fixture
def photos(session):
    workspace = session.studio.workspace
    members = [Member(label, workspace.put(f"{label}{n}".encode())) for label in ("cat", "dog") for n in range(3)]
    return workspace.put_set(ImageSet.of("set", members))


def test_the_form_sweeps_what_the_sample_form_says(session, step, photos):
    wish = wish_of(session, step, TYPED | {"validation": photos})
    assert [one.field for one in wish.ranges] == ["guidance_scale", "inference_steps"]
    assert (wish.trials, wish.images_per_class, wish.guard, wish.seed) == (3, 5, 0.05, 7)
    assert wish.encoder.startswith("pico-clip@") and wish.step == step


@pytest.mark.parametrize(
    ("typed", "field", "sentence"),
    [
        ({"try_guidance_scale": "6:1"}, "try_guidance_scale", "is empty"),
        ({"try_guidance_scale": "much"}, "try_guidance_scale", "no number"),
        ({"try_guidance_scale": "", "try_inference_steps": " "}, "try_guidance_scale", "give values here"),
        ({"try_strength": "0.2:0.8"}, "try_strength", "words alone have none"),
        ({"try_adapter_scale": "0,1"}, "try_adapter_scale", "there is no adapter"),
        ({"trials": 0}, "trials", "must be at least 1"),
        ({"trials": 1.5}, "trials", "must be a whole number"),
        ({"each": 1}, "each", "must be at least 2"),
        ({"guard": "little"}, "guard", "give a number"),
        ({"guard": "nan"}, "guard", "at most 1000"),
        ({"validation": None}, "validation", "There are no validation photos"),
    ],
)
def test_what_the_form_cannot_take_is_said_beside_its_field(session, step, photos, typed, field, sentence):
    with pytest.raises(BadInput, match=sentence) as error:
        sweep.nodes(session.studio, wish_of(session, step, TYPED | {"validation": photos} | typed))
    assert list(error.value.fields) == [field]


def ended(session, run, **made):
    """A run says its outputs and that it is done."""
    lines = [(1.0, Output(name=name, value=value)) for name, value in made.items()]
    session.studio.catalog.ingest(run, [*lines, (2.0, Finished(seconds=4.0))], 100)
    session.studio.catalog.runs.set_state(run, "done")


def test_the_page_hears_of_every_trial_what_is_known_and_a_press_gives_its_settings(session, step, photos):
    assert sweep_views.newest(session) is None
    pipeline = sweep.start(session.studio, wish_of(session, step, TYPED | {"validation": photos}))
    session.studio.tick()
    studio = session.studio
    (first,) = [one.run_id for one in studio.catalog.pipelines.nodes(pipeline) if one.run_id]
    with pytest.raises(BadInput, match="no settings yet"):
        sweep_views.trial(session, pipeline, 1)
    settings = {"guidance_scale": 2.0, "inference_steps": 50}
    ended(session, first, settings=studio.workspace.put_document("settings", {"settings": settings}), **settings)
    studio.tick()
    found = sweep_views.newest(session)
    assert (found["heads"], found["wanted"], found["state"]) == (["Guidance scale", "Inference steps"], 3, "running")
    (row,) = found["trials"]
    assert (row["settings"], row["state"], row["said"]) == (settings, "queued", {})
    ended(session, row["run"], images=photos)
    studio.tick()
    run = studio.catalog.pipelines.nodes(pipeline)[2].run_id
    numbers = {"teaches": [0.5, 0.2, 0.8], "kernel_distance": [0.04, 0.01, 0.06]}
    ended(session, run, measures=studio.workspace.put_document("report", {"all": numbers}))
    (row,) = sweep_views.newest(session)["trials"]
    assert row["passes"] and row["said"]["teaches"] == {"value": "50 %", "interval": "20 % to 80 %", "beside": ""}
    given = sweep_views.trial(session, pipeline, 1)
    assert given["only"] == ["guidance_scale", "inference_steps"] and given["fields"]["inference_steps"] == 50
    with pytest.raises(BadInput, match="has 3 trials, counted from 1"):
        sweep_views.trial(session, pipeline, 4)
