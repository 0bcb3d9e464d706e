"""`sample.until` as a node of a recipe: it is planned by its budget, followed, reused, reviewed and exported."""

import pytest

from synthstudio import models
from synthstudio.catalog.pipelines import Node
from synthstudio.jobs import Studio
from synthstudio.jobs.curating import accepted, again, delivery
from synthstudio.jobs.knowing.estimates import estimate
from synthstudio.resources import Resources
from synthstudio.step import build
from tests.jobs.colours import carried_out
from tests.jobs.inline import InlineLauncher

REQUEST = {"data": "colours", "shots": 3, "folds": 1, "preset": "quick", "backbone": "tiny", "settings": [], "seed": 0}


@pytest.fixture
def studio(tmp_path):
    with Studio(tmp_path / "home", launcher=InlineLauncher()) as opened:
        yield opened


def test_a_recipe_that_draws_until_enough_are_accepted_is_reviewed_and_exported_like_one_with_a_filter(studio, tiny_sd):
    backbone = models.reference(str(tiny_sd), "backbone", studio.workspace)
    drawn = {
        "backbone": backbone, "labels": "$split.labels", "inference_steps": 1, "accepted": 1, "images_per_class": 2,
        "filters": [{"rule": "at_least", "scorer": "sharpness", "value": 0.0}],
    }  # fmt: skip
    nodes = [
        Node(0, "data", None, "test.photograph", {}),
        Node(1, "split", 0, "collect.split", {"images": "$data", "shots": 3}),
        Node(2, "sample", 0, "sample.until", drawn),
    ]
    assert estimate(studio.catalog, nodes, REQUEST, photos=36, classes=3).images == 3 * 2
    pipeline = studio.start("own", {**REQUEST, "resources": Resources(batch=2).model_dump()}, nodes)
    assert carried_out(studio, pipeline) == "done"
    (sampled,) = studio.catalog.runs.of_kind("sample.until")
    made = studio.catalog.runs.outputs(sampled.id)
    assert (sampled.done, sampled.total, len(studio.workspace.image_set(made["images"]))) == (3, 3, 3)
    (offered,) = accepted.offered(studio, pipeline)
    assert (offered.kept, offered.made) == (made["images"], made["made"])
    split = {"shots": "set:" + "a" * 64, "test": "test:" + "b" * 64}
    assert delivery.dataset({"collect.split": split, "sample.until": made}, "x")["synthetic"] == made["images"]
    fields = studio.catalog.runs.fields(sampled.id)
    assert studio.submit(build("sample.until", fields)) == (sampled.id, True)
    image = studio.catalog.images.made_by(sampled.id)[2]
    one = studio.submit(again.only("sample.until", fields, image["plan_index"]), Resources(batch=2))[0]
    studio.wait(one)
    assert studio.catalog.images.made_by(one)[0]["digest"] == image["digest"]
