"""A set of images is described against real photos, as a whole and class by class."""

import pytest

from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput
from synthstudio.measure_terms import MEASURES
from synthstudio.step import build
from tests.engine.tiny_clip import make_clip
from tests.steps.kit import LABELS, coloured, encoder_ref, outputs, stored, work_in


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("models") / "clip", "vit")


@pytest.fixture
def work(tmp_path):
    return work_in(tmp_path)


def measured(work, clip, images, references, **fields):
    asked = {"images": images, "references": references, "encoder": encoder_ref(work, clip), **fields}
    step = build("measure.images", asked)
    made, events = outputs(step, work)
    return work.workspace.document(made["measures"]), events


def notes(events):
    return " ".join(event.text for event in events if event.event == "note")


def test_new_photos_of_the_same_kind_teach_and_cover(work, clip):
    body, events = measured(
        work, clip, stored(work, "set", LABELS, range(12)), stored(work, "set", LABELS, range(50, 62))
    )
    assert body["all"]["teaches"][0] > 0.9 and body["all"]["coverage"][0] > 0.5
    assert set(body["classes"]) == set(LABELS) and body["n"] == [36, 36]
    assert "Fréchet distance looks larger" in notes(events)
    assert {one for each in MEASURES for one in (each.name, each.beside) if one} == set(body["all"]) - {
        "frechet_distance"
    }
    said = {event.name: event for event in events if event.event == "measured"}
    assert said["coverage"].value == body["all"]["coverage"][0] and said["coverage"].split == "validation"


def test_wrong_labels_teach_nothing_and_each_class_says_so(work, clip):
    turned = dict(zip(LABELS, LABELS[1:] + LABELS[:1], strict=True))
    members = [Member(turned[label], work.workspace.put(coloured(label, n))) for label in LABELS for n in range(10)]
    wrong = work.workspace.put_set(ImageSet.of("set", members))
    body, _ = measured(work, clip, wrong, stored(work, "set", LABELS, range(50, 60)))
    assert body["all"]["teaches"][0] < 0.1
    assert all(found["kernel_distance"][1] > 0 for found in body["classes"].values())


def test_photos_of_classes_that_were_not_to_be_made_can_be_left_out(work, clip):
    images, photos = stored(work, "set", LABELS[:2], range(8)), stored(work, "set", LABELS, range(50, 58))
    everything, _ = measured(work, clip, images, photos)
    own, _ = measured(work, clip, images, photos, own_classes=True)
    alone, _ = measured(work, clip, images, stored(work, "set", LABELS[:2], range(50, 58)))
    assert (everything["n"], own["n"]) == ([16, 24], [16, 16]) and own["all"] == alone["all"]


def test_copies_of_the_photos_are_warned_of(work, clip):
    photos = stored(work, "set", LABELS, range(12))
    body, events = measured(work, clip, photos, photos)
    assert body["all"]["new"][0] == 0 and "Some may be copies" in notes(events)


def test_a_class_with_too_few_images_is_named(work, clip):
    few = work.workspace.put_set(ImageSet.of("set", [
        *work.workspace.image_set(stored(work, "set", LABELS[:2], range(5))),
        Member(LABELS[2], work.workspace.put(coloured(LABELS[2], 1)))]))  # fmt: skip
    body, events = measured(work, clip, few, stored(work, "set", LABELS, range(50, 55)))
    assert body["classes"][LABELS[2]] is None and f"not measured alone: {LABELS[2]}" in notes(events)


def test_photos_of_other_classes_are_refused(work, clip):
    with pytest.raises(BadInput, match="none of the classes"):
        measured(work, clip, stored(work, "set", LABELS[:1], range(4)), stored(work, "set", LABELS[1:], range(4)))
