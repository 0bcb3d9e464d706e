"""Steps that are asked for by hand: a share of a set, and any classifiers on the same test images."""

import pytest

from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput, Leak
from synthstudio.events import Measured
from synthstudio.step import build
from tests.engine.tiny_clip import make_clip
from tests.steps.kit import LABELS, coloured, encoder_ref, outputs, stored


@pytest.fixture
def probes(work, clip):
    """A classifier that knows the classes, and one that takes two of them for each other."""

    def trained(labels, first):
        members = [Member(other, work.workspace.put(coloured(label, n)))
                   for label, other in zip(LABELS, labels, strict=True) for n in range(first, first + 5)]  # fmt: skip
        real = work.workspace.put_set(ImageSet.of("set", members))
        step = build("train.linear_probe", {"encoder": encoder_ref(work, clip), "real": real, "penalty": 0.001})
        return outputs(step, work)[0]["classifier"]

    return trained(LABELS, 0), trained(("green", "blue", "red"), 50)


def compared(work, **fields):
    made, events = outputs(build("evaluate.classifiers", fields), work)
    return work.workspace.document(made["report"]), made, events


def test_classifiers_of_any_making_are_asked_about_the_same_photos_and_the_first_is_judged(work, probes):
    good, bad = probes
    test = stored(work, "test", LABELS, range(20, 30))
    report, made, events = compared(work, test=test, classifiers=[good, bad], baseline=bad)
    assert (report["mean"][good], report["mean"][bad]) == (1.0, pytest.approx(1 / 3))
    assert report["confusion"][bad] == [[0, 10, 0], [10, 0, 0], [0, 0, 10]]
    assert report["against"][bad]["value"] == report["difference"]["value"] == pytest.approx(2 / 3)
    assert report["sentence"].startswith("This classifier names 100.0 % of the test photos right")
    assert "Better than its baseline: +66.7 points" in report["sentence"]
    assert report["described"][good] == "linear probe on vit, 15 real images"
    assert {event.arm for event in events if isinstance(event, Measured)} == {good, bad}
    (fold,) = work.workspace.document(made["answers"])["folds"]
    assert set(fold["answers"]) == {good, bad} and len(fold["images"]) == 30


def test_classifiers_of_two_encoders_are_compared(work, clip, probes, tmp_path):
    other = encoder_ref(work, make_clip(tmp_path / "other", "vit", seed=3))
    real = stored(work, "set", LABELS, range(5))
    step = build("train.linear_probe", {"encoder": other, "real": real, "penalty": 0.001})
    elsewhere = outputs(step, work)[0]["classifier"]
    report, _, _ = compared(work, test=stored(work, "test", LABELS, range(20, 24)), classifiers=[elsewhere, probes[0]])
    assert set(report["mean"]) == {elsewhere, probes[0]}
    assert "difference" not in report and list(report["against"]) == [probes[0]]


def test_a_classifier_that_was_trained_on_a_test_photo_ends_the_comparison(work, probes):
    with pytest.raises(Leak, match="also among the training images"):
        compared(work, test=stored(work, "test", LABELS, range(4, 8)), classifiers=list(probes))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"classifiers": ["a", "b"], "baseline": "a"}, "not the first"),
        ({"classifiers": ["a"], "baseline": "b"}, "one of the classifiers"),
        ({"classifiers": []}, "at least 1"),
    ],
)
def test_a_comparison_that_says_nothing_is_refused(fields, words):
    named = {
        name: [f"classifier:{one * 64}" for one in value] if isinstance(value, list) else f"classifier:{value * 64}"
        for name, value in fields.items()
    }
    with pytest.raises(BadInput, match=words):
        build("evaluate.classifiers", {"test": f"test:{'c' * 64}", **named})


def test_a_classifier_that_is_named_twice_is_asked_once():
    one, other = (f"classifier:{digit * 64}" for digit in "ab")
    step = build("evaluate.classifiers", {"test": f"test:{'c' * 64}", "classifiers": [one, other, one]})
    assert step.classifiers == (one, other)


def share(work, images, count, seed=0):
    made = outputs(build("select.share", {"images": images, "count": count, "seed": seed}), work)[0]
    return work.workspace.image_set(made["images"])


def test_a_share_is_spread_evenly_over_the_classes_and_grows_by_adding(work):
    uneven = [Member(label, work.workspace.put(coloured(label, n)))
              for label, many in zip(LABELS, (9, 2, 9), strict=True) for n in range(many)]  # fmt: skip
    images = work.workspace.put_set(ImageSet.of("set", uneven))
    counts = {label: len(members) for label, members in share(work, images, 10).by_label().items()}
    assert counts == {"blue": 4, "green": 2, "red": 4}
    assert set(share(work, images, 5)) < set(share(work, images, 10))
    assert share(work, images, 10, seed=1) != share(work, images, 10)
    assert share(work, images, 500) == work.workspace.image_set(images)
