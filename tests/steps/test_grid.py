"""One image under many settings: `sample.grid`."""

import pytest

from synthstudio import models
from synthstudio.errors import BadInput
from synthstudio.events import Scored
from synthstudio.resources import Resources
from synthstudio.step import build
from tests.engine.drawing import furthest
from tests.steps.kit import made_by, outputs, stored

ALONE = {"labels": ["blue", "red"], "images_per_class": 1, "inference_steps": 3, "seed": 4}


@pytest.fixture
def work(work, shelf):
    work.loaded = shelf
    work.resources = Resources(device="cpu", threads=1, batch=2)
    return work


@pytest.fixture
def given(work, tiny_sd):
    return {"backbone": models.reference(str(tiny_sd), "backbone", work.workspace), **ALONE}


def drawn(kind, fields, work):
    return made_by(outputs(build(kind, fields), work)[1])


def test_every_cell_is_the_image_that_its_settings_give_alone(work, given):
    axes = {"x": "guidance_scale", "x_values": [1, 2.5, 6], "y": "inference_steps", "y_values": [3, 2]}
    cells = drawn("sample.grid", given | axes, work)
    assert sorted(cells) == list(range(12))
    for y, steps in enumerate(axes["y_values"]):
        for x, scale in enumerate(axes["x_values"]):
            alone = drawn("sample.text", given | {"guidance_scale": scale, "inference_steps": steps}, work)
            for place, image in alone.items():
                cell = cells[(y * 3 + x) * 2 + place]
                assert (cell.label, cell.made) == (image.label, image.made)
                assert furthest(work.workspace.get(cell.digest), work.workspace.get(image.digest)) <= 1  # other batches


def test_a_ladder_of_t0_starts_from_one_photo_with_one_seed_and_leaves_it_step_by_step(work, given):
    sources = stored(work, "set", ["blue", "red"], range(3), size=32)
    shot = work.workspace.image_set(sources).by_label()["red"][2].image
    ladder = {"sources": sources, "shot": shot, "labels": ["red"], "x": "strength", "x_values": [0.3, 0.6, 1.0]}
    rungs = drawn("sample.grid", given | {"inference_steps": 6} | ladder, work)
    assert [rungs[n].made["strength"] for n in range(3)] == [0.3, 0.6, 1.0]
    assert {(one.made["parent"], one.made["seed"]) for one in rungs.values()} == {(shot, rungs[0].made["seed"])}


def test_a_scored_ladder_says_how_near_each_rung_is_to_a_photo_and_how_like_its_class(work, given, clip):
    sources = stored(work, "set", ["blue", "red"], range(3), size=32)
    encoder = models.reference(str(clip), "encoder", work.workspace)
    ladder = {"sources": sources, "labels": ["red"], "x_values": [0.4, 0.8], "encoder": encoder}
    named, events = outputs(build("sample.grid", given | ladder), work)
    said = {(one.scorer, image) for one in events if isinstance(one, Scored) for image, _ in one.values}
    images = {one.digest for one in made_by(events).values()}
    assert said == {(scorer, image) for scorer in ("nearest_real", "label_agreement") for image in images}
    assert set(named) == {"images", "nearest_real", "label_agreement"}


def test_what_a_cell_is_can_be_asked_for_alone(given):
    step = build("sample.grid", given | {"x": "guidance_scale", "x_values": [1, 3], "y": "seed", "y_values": [7, 8]})
    cells = [(cell.kind, cell.guidance_scale, cell.seed) for cell in step.steps()]
    assert cells == [("sample.text", scale, seed) for seed in (7, 8) for scale in (1.0, 3.0)]


def test_a_stopped_grid_ends_with_the_same_images_and_one_of_them_is_made_again_alone(work, given):
    axes = {"x": "sampler", "x_values": ["ddim", "euler"], "y": "prefix", "y_values": ["a"]}
    step = build("sample.grid", given | axes | {"prompt": "{prefix} {label}"})
    named, events = outputs(step, work)
    whole = made_by(events)
    assert [whole[n].made["sampler"] for n in range(4)] == ["ddim", "ddim", "euler", "euler"]
    assert len(work.workspace.image_set(named["images"])) == 4
    work.done = {0: whole[0], 1: whole[1]}
    assert made_by(outputs(step, work)[1]) == {2: whole[2], 3: whole[3]}
    work.done = {}
    assert drawn("sample.grid", step.fields | {"only": 3}, work) == {3: whole[3]}


@pytest.mark.parametrize(
    ("axes", "sentence"),
    [
        ({"x": "guidance_scale"}, "values need a field"),
        ({"x": "seed", "x_values": [1], "y": "prompt"}, "values need a field"),
        ({"x": "seed", "x_values": [1], "y": "seed", "y_values": [2]}, "oth sides of the grid change seed"),
        ({"x": "seed", "x_values": [1], "encoder": "eye@" + "0" * 64}, "compare with photos"),
        ({"x": "seed", "x_values": [1, 1]}, "names a value twice"),
        ({"x": "strength", "x_values": [0.5]}, "start from photos"),
        ({"x": "seed", "x_values": list(range(20)), "y": "guidance_scale", "y_values": list(range(1, 21))}, "too many"),
        ({"x": "guidance_scale", "x_values": [0.1]}, "guidance_scale must be at least 1"),
        ({"x": "inference_steps", "x_values": [2.5]}, "inference_steps must be a whole number"),
        ({"x": "sampler", "x_values": ["nothing"]}, "[Ss]ampler"),
    ],
)
def test_a_grid_that_cannot_be_drawn_is_refused_before_anything_is_started(given, axes, sentence):
    with pytest.raises(BadInput, match=sentence):
        build("sample.grid", given | axes)


def test_a_photo_that_is_no_source_is_refused(work, given):
    sources = stored(work, "set", ["blue", "red"], range(2), size=32)
    with pytest.raises(BadInput, match="none of these sources"):
        drawn("sample.grid", given | {"sources": sources, "shot": "0" * 64, "x_values": [0.5]}, work)
