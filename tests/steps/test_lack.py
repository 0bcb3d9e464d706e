"""Images guided towards what a classifier of the project is unsure of."""

import numpy as np
import pytest

from synthstudio import models
from synthstudio.errors import BadInput
from synthstudio.resources import Resources
from synthstudio.step import build
from synthstudio.steps import encoding
from tests.engine.tiny_timm import make_timm
from tests.steps.kit import LABELS, encoder_ref, made_by, outputs, stored
from tests.steps.test_export_classifier import trained

QUICK = {"labels": ["blue", "red"], "images_per_class": 2, "inference_steps": 3, "seed": 4}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return make_timm(tmp_path_factory.mktemp("eye") / "network", "test_efficientnet")


@pytest.fixture
def asked(work, shelf, tiny_sd, clip):
    """The fields of a step that names a classifier."""
    work.loaded = shelf
    work.resources = Resources(device="cpu", threads=1, batch=2)
    backbone = models.reference(str(tiny_sd), "backbone", work.workspace)
    probe = {"encoder": encoder_ref(work, clip), "real": stored(work, "set", LABELS, range(4))}
    named = outputs(build("train.linear_probe", probe), work)[0]["classifier"]
    return {"backbone": backbone, **QUICK, "lack": named}


def digests(work, **fields):
    return [image.digest for _, image in sorted(made_by(outputs(build("sample.text", fields), work)[1]).items())]


def test_a_strength_of_zero_is_the_very_same_bytes_as_no_classifier(work, asked):
    without = {name: value for name, value in asked.items() if name != "lack"}
    assert digests(work, **asked) == digests(work, **without)
    assert not set(digests(work, **asked, lack_strength=2.0)) & set(digests(work, **without))


def test_an_image_says_what_guided_it_and_a_stopped_run_ends_with_the_same_images(work, asked):
    step = build("sample.text", {**asked, "lack_strength": 2.0, "guidance_begin": 0.3, "sampler": "euler_a"})
    whole = made_by(outputs(step, work)[1])
    made = whole[0].made
    assert (made["lack"], made["lack_strength"], made["guided"]) == (asked["lack"], 2.0, [0.3, 1.0])
    work.done = {index: whole[index] for index in (0, 3)}
    assert {**work.done, **made_by(outputs(step, work)[1])} == whole


def test_variations_and_grids_are_guided_too(work, asked):
    sources = stored(work, "set", ["blue", "red"], range(2), size=32)
    varied = build("sample.variation", {**asked, "sources": sources, "lack_strength": 2.0})
    assert {image.made["lack_strength"] for image in made_by(outputs(varied, work)[1]).values()} == {2.0}
    grid = build("sample.grid", {**asked, "labels": ["red"], "x": "lack_strength", "x_values": [0, 2]})
    cells = made_by(outputs(grid, work)[1])
    plain = [index for index, image in cells.items() if "lack" not in image.made]
    assert plain == [0, 1] and len({image.digest for image in cells.values()}) == 4


def test_a_strength_without_a_classifier_is_refused():
    fields = {"backbone": "pico@" + "0" * 64, "labels": ["a"], "lack_strength": 1.0}
    with pytest.raises(BadInput, match="needs a classifier; name one as lack"):
        build("sample.text", fields)


@pytest.mark.parametrize(
    ("eye", "kind"),
    [("clip", "train.classifier"), ("network", "train.linear_probe"), ("network", "train.finetune")],
)
def test_every_kind_of_classifier_says_to_guidance_what_it_says_of_files(work, request, eye, kind):
    from synthstudio.engine import classifier
    from synthstudio.engine.lack import Judge

    document = work.workspace.document(trained(work, request.getfixturevalue(eye), kind))
    model = encoding.encoder(work, document["encoder"])
    fitted = classifier.Fitted.read(document, work.workspace.get_weights(document["weights"]))
    members = work.workspace.image_set(stored(work, "set", LABELS, range(30, 33), size=model.size))
    shown = encoding.pixels(work, model, [one.image for one in members])
    said = classifier.probabilities(fitted, classifier.Images(model, shown))
    judge = Judge(fitted, model)
    judge.pixels = lambda images: images  # what it makes of pictures is tested elsewhere
    assert np.allclose(judge.logits(shown.float() / 255).softmax(1).numpy(), said, atol=2e-3)
