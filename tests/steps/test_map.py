"""A map of the images of a project: fitted once, kept, and added to without moving what is there."""

import numpy as np
import pytest

from synthstudio.errors import BadInput, Damaged, Missing
from synthstudio.step import build
from synthstudio.steps.measure import map as measure_map
from tests.engine.tiny_clip import make_clip
from tests.steps.kit import LABELS, encoder_ref, outputs, stored, work_in


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("models") / "clip", "vit")


@pytest.fixture
def work(tmp_path):
    return work_in(tmp_path)


def mapped(work, clip, **fields):
    made, _ = outputs(build("measure.map", {"encoder": encoder_ref(work, clip), **fields}), work)
    body, rows = measure_map.read(work.workspace, made["map"])
    return made, body, rows


def test_photos_and_made_images_get_places_and_another_attempt_gives_the_same_bytes(work, clip):
    sets = {"photos": [stored(work, "set", LABELS, range(6))], "images": [stored(work, "set", LABELS, range(50, 60))]}
    made, body, rows = mapped(work, clip, **sets)
    assert (len(rows), body["n"], body["method"]) == (48, 48, "tsne")
    assert mapped(work, clip, **sets)[0] == made
    assert rows["anchor"].all() and list(rows["image"]) == sorted(rows["image"])


def test_images_that_come_later_are_added_and_nothing_moves(work, clip):
    first = stored(work, "set", LABELS, range(12))
    made, _, before = mapped(work, clip, photos=[first])
    both = [stored(work, "set", LABELS, range(40, 45))]
    _, body, after = mapped(work, clip, photos=[first], images=both, fitted=made["map"])
    assert len(after) == len(before) + 15 and body["fitted"] == made["map"]
    kept = after[np.isin(after["image"], before["image"])]
    assert np.array_equal(kept, before)
    assert not after["anchor"][~np.isin(after["image"], before["image"])].any()


def test_a_map_is_fitted_to_a_sample_and_photos_are_half_of_it(work, clip, monkeypatch):
    monkeypatch.setattr(measure_map, "FITTED_TO", 10)
    sets = {"photos": [stored(work, "set", LABELS, range(6))], "images": [stored(work, "set", LABELS, range(50, 60))]}
    _, body, rows = mapped(work, clip, **sets)
    photos = {m.image for m in work.workspace.image_set(sets["photos"][0])}
    anchors = {image.decode() for image in rows["image"][rows["anchor"]]}
    assert (len(anchors), len(anchors & photos), body["n"]) == (10, 5, 48)


def test_the_same_image_in_two_sets_has_one_place(work, clip):
    photos = stored(work, "set", LABELS, range(3))
    _, body, _ = mapped(work, clip, photos=[photos], images=[photos, stored(work, "set", LABELS[:1], range(3))])
    assert body["n"] == 9


def test_another_eye_does_not_add_to_a_map(work, clip, tmp_path):
    photos = [stored(work, "set", LABELS, range(3))]
    made, _, _ = mapped(work, clip, photos=photos)
    other = make_clip(tmp_path / "other", "vit", seed=5)
    with pytest.raises(BadInput, match="another encoder"):
        mapped(work, other, photos=photos, fitted=made["map"])


def test_no_images_are_no_map_and_a_damaged_map_is_said(work, clip):
    with pytest.raises(BadInput, match="no images to lay out"):
        mapped(work, clip)
    made, _, _ = mapped(work, clip, photos=[stored(work, "set", LABELS, range(2))])
    strange = work.workspace.document(made["map"]) | {"places": f"places:{work.workspace.put(_strange())}"}
    with pytest.raises(Damaged, match="Fit it anew"):
        measure_map.read(work.workspace, work.workspace.put_document("map", strange))
    work.workspace.path(made["places"].partition(":")[2]).unlink()
    with pytest.raises(Missing):
        measure_map.read(work.workspace, made["map"])


def _strange() -> bytes:
    from io import BytesIO

    out = BytesIO()
    np.save(out, np.zeros(3))
    return out.getvalue()
