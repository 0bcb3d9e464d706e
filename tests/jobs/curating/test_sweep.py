"""A sweep by hand: its trials are runs that are reused, and one that was interrupted goes on where it was."""

import shutil
from dataclasses import replace

import pytest

from synthstudio import models
from synthstudio.catalog.pipelines import Node
from synthstudio.errors import BadInput, Leak
from synthstudio.jobs import Studio
from synthstudio.jobs.asking import sweeps
from synthstudio.jobs.curating import sweep
from synthstudio.step import build
from tests.examples import BACKBONE, ENCODER, SET
from tests.jobs.colours import carried_out
from tests.jobs.inline import InlineLauncher
from tests.steps.kit import LABELS

ASKED = {"ranges": ["guidance_scale=1:6", "inference_steps=1,2"], "trials": 3, "images_per_class": 3, "guard": 1000.0,
         "seed": 3, "validation": None}  # fmt: skip


@pytest.fixture
def home(colours, tmp_path):
    return shutil.copytree(colours, tmp_path / "home")


def opened(home):
    return Studio(home, launcher=InlineLauncher())


def wish_in(studio, tiny_sd, clip, **changed):
    step = build("sample.text", {
        "backbone": models.reference(str(tiny_sd), "backbone", studio.workspace), "labels": LABELS, "resolution": 32,
        "guidance_scale": 2.0, "inference_steps": 2, "seed": 3,
    })  # fmt: skip
    encoder = models.reference(str(clip), "encoder", studio.workspace)
    return sweep.wished(studio, step, {**ASKED, "encoder": encoder, **changed})


def test_trials_are_runs_that_are_shared_and_an_interrupted_sweep_goes_on_where_it_was(home, tiny_sd, colours_clip):
    with opened(home) as studio:
        begun = sweep.start(studio, wish_in(studio, tiny_sd, colours_clip))
        assert sweep.start(studio, wish_in(studio, tiny_sd, colours_clip)) == begun  # joined while it runs
        for _ in range(20):
            studio.tick()
            if len(sweep.document(studio, begun)["trials"]) == 2:
                break
        studio.stop_pipeline(begun)
        stopped = sweep.document(studio, begun)
        assert stopped["state"] == "stopped" and stopped["trials"][0]["teaches"] and not stopped["sentence"]
    with opened(home) as studio:
        studio.resume_pipeline(begun)
        assert carried_out(studio, begun) == "done"
        found = sweep.document(studio, begun)
        again = sweep.start(studio, wish_in(studio, tiny_sd, colours_clip, trials=4))
        assert carried_out(studio, again) == "done"
        more = sweep.document(studio, again)
    first, *rest = found["trials"]
    assert first["settings"] == {"guidance_scale": 2.0, "inference_steps": 2} and len(rest) == 2
    assert [one["settings"] for one in stopped["trials"]] == [one["settings"] for one in found["trials"][:2]]
    assert [one["reused"] for one in more["trials"]] == [True] * 3 + [False]
    assert [one["run"] for one in more["trials"][:3]] == [one["run"] for one in found["trials"]]
    assert found["sentence"] and found["n"] == 9 and all(one["images_per_second"] for one in found["trials"])


def test_what_cannot_be_swept_is_refused_before_anything_is_written(home, tiny_sd, colours_clip):
    with opened(home) as studio:
        wish = wish_in(studio, tiny_sd, colours_clip)
        (split, *_) = studio.catalog.runs.outputs_of(
            [run.id for run in studio.catalog.runs.of_kind("collect.split")]
        ).values()
        assert wish.validation == split["validation"]
        fields = wish.step.fields
        one_class = replace(wish, step=build("sample.text", {**fields, "labels": LABELS[:1]}))
        asked = {
            "have none": dict(ranges=["strength=0.2:0.8"]), "there is no adapter": dict(ranges=["adapter_scale=0,1"]),
            "needs something to try": dict(ranges=[]), "is empty": dict(ranges=["guidance_scale=6:1"]),
            "hold 3 different settings": dict(ranges=["inference_steps=1,3"], trials=4), "at least 1": dict(trials=0),
            "at least 2": dict(images_per_class=1), "at most 100": dict(trials=1000),
        }  # fmt: skip
        for sentence, changed in asked.items():
            with pytest.raises(BadInput, match=sentence):
                sweep.nodes(studio, wish_in(studio, tiny_sd, colours_clip, **changed))
        refused = {
            "no validation photos": replace(wish, validation=None), "at least two": one_class,
            "taught what": replace(wish, step=build("sample.variation", {**fields, "sources": wish.validation})),
            "dollar": replace(wish, step=build("sample.text", {**fields, "negative_prompt": "$data"})),
        }  # fmt: skip
        for sentence, one in refused.items():
            with pytest.raises(BadInput, match=sentence):
                sweep.nodes(studio, one)
        held_out = studio.workspace.put_set(replace(studio.workspace.image_set(split["test"]), role="set"))
        studio.catalog.images.add_set(studio.workspace.image_set(held_out), "")
        with pytest.raises(Leak, match="Test images stay untouched"):
            sweep.start(studio, replace(wish, validation=held_out))
        assert sweep.newest(studio) is None


def node(name, kind, template, fold=0):
    return Node(0, name, fold, kind, template)


SWEPT = node("sweep", "sweep.best", {
    "ranges": ["guidance_scale=2,1", "inference_steps=5,9"], "trials": 3, "images_per_class": 7,
    "validation": "$split.v", "encoder": ENCODER,
})  # fmt: skip
TAKING = {"backbone": BACKBONE, "labels": ["a"], "guidance_scale": "$sweep.guidance_scale",
          "inference_steps": "$sweep.inference_steps", "images_per_class": 50}  # fmt: skip


def test_what_takes_its_settings_from_a_sweep_is_made_once_for_each_trial():
    sample = node("sample", "sample.text", TAKING)
    found = sweeps.spread([SWEPT, sample])
    assert [one.name for one in found[3:6]] == ["sweep-2-settings", "sweep-2-images", "sweep-2-measures"]
    assert found[3].template["scored"] == ["$sweep-1-measures.measures"]
    assert found[4].template == {
        **TAKING, "images_per_class": 7, "guidance_scale": "$sweep-2-settings.guidance_scale",
        "inference_steps": "$sweep-2-settings.inference_steps",
    }  # fmt: skip
    assert found[9].name == "sweep" and len(found[9].template["images"]) == 3 and found[10] == sample
    assert sweeps.spread(found) == found
    assert sweeps.tried_in(found) == {(f"sweep-{number}-images", 0) for number in (1, 2, 3)}


def test_a_setting_given_by_hand_is_swept_no_more_and_a_sweep_nobody_asks_is_left_out():
    by_hand = node("sample", "sample.text", TAKING | {"inference_steps": 20})
    fewer = node("sweep", "sweep.best", SWEPT.template | {"trials": 2})
    found = sweeps.spread([fewer, by_hand])
    assert [one["field"] for one in found[0].template["ranges"]] == ["guidance_scale"]
    assert found[1].template["inference_steps"] == 20
    with pytest.raises(BadInput, match="hold 2 different settings"):
        sweeps.spread([SWEPT, by_hand])
    alone = node("sample", "sample.text", {"guidance_scale": 3})
    assert sweeps.spread([SWEPT, alone]) == [alone]


def test_a_recipe_whose_sweep_cannot_be_spread_says_why():
    taking = node("sample", "sample.text", {"strength": "$sweep.strength"})
    with pytest.raises(BadInput, match="has no range for it"):
        sweeps.spread([SWEPT, taking])
    other = node("sample", "sample.grid", TAKING | {"sources": SET})
    with pytest.raises(
        BadInput, match=r"of the kind sample.text or sample.variation; here it is sample \(sample.grid\)"
    ):
        sweeps.spread([SWEPT, other])
