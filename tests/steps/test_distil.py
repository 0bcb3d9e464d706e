"""Selection, mosaics and prototypes as steps."""

import io

import numpy as np
import pytest
from PIL import Image

from synthstudio import models
from synthstudio.artifacts import ImageSet
from synthstudio.errors import BadInput
from synthstudio.events import Made
from synthstudio.step import build
from tests.steps.kit import COLOURS, outputs, stored, work_in

LABELS = ("blue", "green", "red")


def backbone(work, folder):
    return models.reference(str(folder), "backbone", work.workspace)


def run(work, kind, **fields):
    made, events = outputs(build(kind, fields), work)
    return work.workspace.image_set(made["images"]), [e.image for e in events if isinstance(e, Made)], events


def mean_colour(work, digest):
    with Image.open(io.BytesIO(work.workspace.get(digest))) as picture:
        return np.asarray(picture).mean((0, 1))


@pytest.mark.parametrize("rule", ["random", "herding", "k_center", "k_means"])
def test_chosen_images_stay_what_they_are(work, tiny_sd, rule):
    pool = stored(work, "set", LABELS, range(5), size=32)
    found, made, _ = run(work, "distil.select", images=pool, rule=rule, images_per_class=2,
                         backbone=backbone(work, tiny_sd))  # fmt: skip
    assert {label: len(members) for label, members in found.by_label().items()} == dict.fromkeys(LABELS, 2)
    assert set(found) <= set(work.workspace.image_set(pool)) and made == []


@pytest.mark.parametrize("rule", ["class_mean", "mean_latent"])
def test_means_are_new_distilled_images(work, tiny_sd, rule):
    pool = stored(work, "set", LABELS, range(5), size=32)
    found, made, _ = run(work, "distil.select", images=pool, rule=rule, images_per_class=2,
                         backbone=backbone(work, tiny_sd))  # fmt: skip
    assert len(found) == 6 and {m.image for m in found} == {image.digest for image in made}
    assert all(image.origin == "distilled" and image.made["method"] == rule for image in made)


def test_the_class_mean_has_the_colour_of_the_class(work, tiny_sd):
    pool = stored(work, "set", LABELS, range(5), size=32)
    found, _, _ = run(work, "distil.select", images=pool, rule="class_mean", images_per_class=1,
                      backbone=backbone(work, tiny_sd))  # fmt: skip
    for member in found:
        assert np.argmax(mean_colour(work, member.image)) == np.argmax(COLOURS[member.label])


def test_the_same_choice_twice_is_the_same_set(work, tiny_sd, tmp_path):
    fields = {"rule": "mean_latent", "images_per_class": 2}
    other = work_in(tmp_path / "other")
    ids = [run(w, "distil.select", images=stored(w, "set", LABELS, range(5), size=32),
               backbone=backbone(w, tiny_sd), **fields)[0].id for w in (work, other)]  # fmt: skip
    assert ids[0] == ids[1]


def test_more_images_than_a_class_has_are_refused(work, tiny_sd):
    pool = stored(work, "set", LABELS, range(3), size=32)
    for kind in ("distil.select", "distil.prototypes"):
        with pytest.raises(BadInput, match="4 images per class were asked for, but 'blue' has 3"):
            run(work, kind, images=pool, images_per_class=4, backbone=backbone(work, tiny_sd))
    with pytest.raises(BadInput, match="'blue' has 3"):
        run(work, "distil.mosaic", images=pool, images_per_class=4)


def test_one_class_is_refused(work, tiny_sd):
    with pytest.raises(BadInput, match="at least two classes"):
        run(work, "distil.select", images=stored(work, "set", ["red"], range(3), size=32), images_per_class=1,
            backbone=backbone(work, tiny_sd))  # fmt: skip


MOSAIC = {"images_per_class": 2, "tiles": 2, "crops": 2, "image_size": 16, "observer_steps": 15, "width": 8}


def test_a_mosaic_is_tiled_of_patches_of_its_class(work):
    pool = stored(work, "set", LABELS, range(8), size=32)
    found, made, events = run(work, "distil.mosaic", images=pool, **MOSAIC)
    assert len(found) == 6 and any("The observer is right on" in getattr(event, "text", "") for event in events)
    parents = {member.image: member.label for member in work.workspace.image_set(pool)}
    for image in made:
        assert (image.origin, image.width, image.made["networks"]) == ("distilled", 16, ["convnet"])
        assert len(image.made["parents"]) == 4 and {parents[one] for one in image.made["parents"]} == {image.label}
        assert np.argmax(mean_colour(work, image.digest)) == np.argmax(COLOURS[image.label])
    again, _, _ = run(work, "distil.mosaic", images=pool, **MOSAIC)
    assert again.id == found.id


def test_an_observer_that_knows_nothing_is_not_believed(work):
    pool = stored(work, "set", LABELS, range(8), size=32)
    swapped = [m.__class__(LABELS[n % 3], m.image) for n, m in enumerate(work.workspace.image_set(pool))]
    mixed = work.workspace.put_set(ImageSet.of("set", swapped))
    with pytest.raises(BadInput, match="The observer is right on .* below the 90 % asked for"):
        run(work, "distil.mosaic", images=mixed, **{**MOSAIC, "believed": 0.9})


def test_patches_must_fit_into_a_mosaic():
    with pytest.raises(BadInput, match="3 patches of at least 4 px do not fit into 16 px"):
        build("distil.mosaic", {"images": f"set:{'0' * 64}", "tiles": 3, "image_size": 16})


PROTOTYPES = {"images_per_class": 2, "inference_steps": 2, "prompt": "a {label} picture", "seed": 4}


def test_prototypes_are_variations_of_the_centres(work, tiny_sd):
    pool = stored(work, "set", LABELS, range(4), size=32)
    found, made, _ = run(work, "distil.prototypes", images=pool, backbone=backbone(work, tiny_sd), **PROTOTYPES)
    assert len(found) == 6 and len({image.made["prototype"] for image in made}) == 6
    for image in made:
        assert image.origin == "distilled" and image.made["method"] == "prototypes"
        assert image.made["prompt"] == f"a {image.label} picture" and work.workspace.has(image.made["prototype"])


def test_prototypes_go_on_where_they_were_stopped(work, tiny_sd, tmp_path):
    pool = stored(work, "set", LABELS, range(4), size=32)
    fields = {"images": pool, "backbone": backbone(work, tiny_sd), **PROTOTYPES}
    found, made, _ = run(work, "distil.prototypes", **fields)
    work.done = dict(enumerate(made[:3]))
    again, rest, _ = run(work, "distil.prototypes", **fields)
    assert again.id == found.id and len(rest) == 3
