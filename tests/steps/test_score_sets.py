"""Scores that ask more than one image: who comes second, twins, the others of the set, classifiers, photos."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from synthstudio import measures
from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput
from synthstudio.events import Measured, Note
from synthstudio.step import build
from synthstudio.steps import encoding
from tests.steps.kit import LABELS, coloured, encoder_ref, outputs, stored
from tests.steps.test_score import values

OTHER = {"blue": "green", "green": "red", "red": "blue"}


def mixed_up(work, count=12, wrong=2):
    """A set whose first images of each colour carry another colour's label; and which those are."""
    members, liars = [], set()
    for label in LABELS:
        for number in range(count):
            image = work.workspace.put(coloured(label, number))
            members.append(Member(OTHER[label] if number < wrong else label, image))
            liars |= {image} if number < wrong else set()
    return work.workspace.put_set(ImageSet.of("set", members)), liars


def notes(events):
    return " ".join(event.text for event in events if isinstance(event, Note))


def test_a_margin_is_negative_where_another_class_wins_and_the_eye_looks_once(work, clip):
    encoder, (images, liars) = encoder_ref(work, clip), mixed_up(work)
    shots = stored(work, "set", LABELS, range(50, 54))
    given = {"images": images, "encoder": encoder, "references": shots}
    agreement = values(work, "score.label_agreement", **given)
    shards = {path: path.stat().st_mtime_ns for path in (work.workspace.root / "embeddings").rglob("*.npy")}
    margin = values(work, "score.margin", **given)
    assert {p: p.stat().st_mtime_ns for p in (work.workspace.root / "embeddings").rglob("*.npy")} == shards
    assert all(2 * p - 1 <= margin[image] + 1e-5 and margin[image] <= p for image, p in agreement.items())
    assert np.mean([margin[one] for one in liars]) < 0 < np.mean([margin[one] for one in margin.keys() - liars])


def test_a_margin_needs_a_second_class(work, clip):
    step = build("score.margin", {"images": stored(work, "set", ["red"], range(2)), "encoder": encoder_ref(work, clip)})
    with pytest.raises(BadInput, match="second class"):
        outputs(step, work)


def test_of_images_that_are_alike_the_first_stays(work, clip):
    """In the order of the set; without `keep_first` twins say so of each other."""
    with Image.open(BytesIO(coloured("red", 1))) as picture:
        picture.putpixel((0, 0), (0, 0, 0))
        out = BytesIO()
        picture.save(out, "PNG")
    twins = sorted(work.workspace.put(one) for one in (coloured("red", 1), out.getvalue()))
    others = work.workspace.image_set(stored(work, "set", LABELS, range(2, 5)))
    images = work.workspace.put_set(ImageSet.of("set", [*others, *(Member("red", one) for one in twins)]))
    encoder = encoder_ref(work, clip)
    first = values(work, "score.nearest_synthetic", images=images, encoder=encoder)
    every = values(work, "score.nearest_synthetic", images=images, encoder=encoder, keep_first=False)
    assert first[twins[1]] == every[twins[0]] == every[twins[1]] > max(every[m.image] for m in others)
    assert first[twins[0]] < first[twins[1]] and min(first.values()) == -1  # of the first nothing comes before
    assert all(first[one] <= every[one] for one in first)


def test_the_density_of_a_set_is_the_mean_of_what_its_images_score(work, clip):
    encoder = encoder_ref(work, clip)
    images, photos = (stored(work, "set", LABELS, numbers) for numbers in (range(6), range(20, 30)))
    found = values(work, "score.density", images=images, references=photos, encoder=encoder)
    made, real = (_vectors(work, encoder, work.workspace.image_set(one)) for one in (images, photos))
    assert np.mean(list(found.values())) == pytest.approx(measures.manifold(real, made).density, abs=1e-5)
    with pytest.raises(BadInput, match="two real images"):
        one = stored(work, "set", ["red"], range(1))
        outputs(build("score.density", {"images": images, "references": one, "encoder": encoder}), work)


def _vectors(work, encoder, images):
    looking = encoding.embeddings(work, encoder, [member.image for member in images])
    while True:
        try:
            next(looking)
        except StopIteration as end:
            return end.value


def test_labels_that_the_other_images_would_not_give_are_of_low_quality(work, clip):
    images, liars = mixed_up(work)
    made, events = outputs(build("score.label_quality", {"images": images, "encoder": encoder_ref(work, clip)}), work)
    found = dict(work.workspace.document(made["scores"])["values"])
    assert all(0 <= value <= 1 for value in found.values())
    assert max(found[one] for one in liars) < np.median([found[one] for one in found.keys() - liars])
    (doubted,) = (event for event in events if isinstance(event, Measured))
    assert doubted.name == "labels_doubted" and doubted.n == 36 and 0 < doubted.value < 0.5


def test_the_only_image_of_a_class_has_no_quality_unless_references_show_the_class(work, clip):
    encoder = encoder_ref(work, clip)
    alone = work.workspace.put(coloured("red", 9))
    others = work.workspace.image_set(stored(work, "set", ["blue", "green"], range(3)))
    images = work.workspace.put_set(ImageSet.of("set", [*others, Member("red", alone)]))
    fields = {"images": images, "encoder": encoder, "method": "self_confidence"}
    assert values(work, "score.label_quality", **fields)[alone] is None
    shots = stored(work, "set", LABELS, range(20, 24))
    assert values(work, "score.label_quality", references=shots, **fields)[alone] > 0.3


def trained(work, encoder, images):
    return outputs(build("train.linear_probe", {"encoder": encoder, "real": images, "penalty": 0.04}), work)[0][
        "classifier"
    ]


def test_classifiers_doubt_labels_that_are_wrong_and_those_that_were_taught_them_are_named(work, clip):
    encoder, (images, liars) = encoder_ref(work, clip), mixed_up(work)
    honest = [
        trained(work, encoder, stored(work, "set", LABELS, numbers)) for numbers in (range(40, 46), range(50, 56))
    ]
    found = values(work, "score.disagreement", images=images, classifiers=honest)
    assert min(found[one] for one in liars) > 0.5 > np.median([found[one] for one in found.keys() - liars])
    first, second = (values(work, "score.disagreement", images=images, classifiers=[one]) for one in honest)
    assert all(found[one] == pytest.approx((first[one] + second[one]) / 2, abs=2e-6) for one in found)
    fields = {"images": images, "classifiers": [*honest, trained(work, encoder, images)]}
    assert "Classifier 3 of 3 has learnt from these" in notes(outputs(build("score.disagreement", fields), work)[1])


def test_a_classifier_that_does_not_know_a_label_grants_it_nothing(work, clip):
    encoder = encoder_ref(work, clip)
    narrow = trained(work, encoder, stored(work, "set", ["blue", "green"], range(4)))
    images = stored(work, "set", ["red"], range(10, 12))
    assert set(values(work, "score.disagreement", images=images, classifiers=[narrow]).values()) == {1.0}


def test_a_decision_pays_most_where_a_wrong_label_harms(work, clip):
    images, liars = mixed_up(work)
    few, shots = (stored(work, "set", LABELS, numbers) for numbers in (range(60, 66), range(80, 82)))
    fields = {"images": images, "validation": few, "references": shots, "encoder": encoder_ref(work, clip)}
    made, events = outputs(build("score.influence", fields), work)
    found = dict(work.workspace.document(made["scores"])["values"])
    ranked = sorted(found, key=found.get, reverse=True)
    assert len(liars & set(ranked[: 2 * len(liars)])) >= len(liars) - 1
    assert "18 validation photos tell little" in notes(events)


def test_photos_that_are_learnt_from_cannot_say_what_a_decision_pays(work, clip):
    images, encoder = stored(work, "set", LABELS, range(4)), encoder_ref(work, clip)
    for validation, references in (
        (images, None),
        (stored(work, "set", LABELS, [9]), stored(work, "set", LABELS, [9])),
    ):
        given = {"images": images, "validation": validation, "encoder": encoder, "references": references}
        with pytest.raises(BadInput, match="would be learnt from too"):
            outputs(build("score.influence", given), work)
    with pytest.raises(BadInput, match="validation"):
        build("score.influence", {"images": images, "validation": "test:" + "0" * 64, "encoder": encoder})
