"""Steps that look through an eye without words: scores, probes, comparisons; and bad input to them."""

import shutil

import pytest

from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput, Missing
from synthstudio.events import Note
from synthstudio.models import reference
from synthstudio.step import build
from tests.engine.tiny_timm import make_timm
from tests.steps.kit import LABELS, coloured, encoder_ref, fresh, outputs, stored


@pytest.fixture(scope="module")
def eye(tmp_path_factory):
    return make_timm(tmp_path_factory.mktemp("eye") / "resnet", "test_efficientnet")


def notes(events, level="info"):
    return [event.text for event in events if isinstance(event, Note) and event.level == level]


def agreement(work, eye, images, **fields):
    step = build("score.label_agreement", {"images": images, "encoder": encoder_ref(work, eye), **fields})
    made, events = outputs(step, work)
    return dict(work.workspace.document(made["scores"])["values"]), events


def probe(work, eye, **fields):
    return outputs(build("train.linear_probe", {"encoder": encoder_ref(work, eye), **fields}), work)


def test_without_words_agreement_goes_by_the_mean_of_the_shots_and_says_so(work, eye):
    shots = stored(work, "set", LABELS, range(4))
    members = list(work.workspace.image_set(stored(work, "set", LABELS, range(10, 14))))
    right = work.workspace.put_set(ImageSet.of("set", members))
    other = {"blue": "green", "green": "red", "red": "blue"}
    wrong = work.workspace.put_set(ImageSet.of("set", [Member(other[m.label], m.image) for m in members]))
    good, events = agreement(work, eye, right, references=shots)
    bad, _ = agreement(work, eye, wrong, references=shots)
    assert all(good[image] > bad[image] for image in good)
    assert any("the mean of each class's shots" in text for text in notes(events))


def test_without_words_and_without_shots_there_is_nothing_to_go_by(work, eye):
    images = stored(work, "set", LABELS, range(2))
    with pytest.raises(BadInput, match="knows no words, so it judges by real images: name the set of shots"):
        agreement(work, eye, images)
    with pytest.raises(BadInput, match="show no 'green'"):
        agreement(work, eye, images, references=stored(work, "set", ["blue", "red"], range(5, 7)))


def test_pictures_far_smaller_than_the_eye_wants_are_enlarged_and_that_is_said(work, eye):
    tiny = stored(work, "set", LABELS, range(3), size=16)
    _, events = probe(work, eye, real=tiny)
    assert any("looks at 64 px; these images have about 16 px" in text for text in notes(events))
    _, events = probe(fresh(work), eye, real=stored(work, "set", LABELS, range(3)))
    assert not any("looks at" in text for text in notes(events))


def test_the_penalty_of_a_probe_is_chosen_on_the_shots_and_recorded(work, eye):
    made, events = probe(work, eye, real=stored(work, "set", LABELS, range(4)))
    document = work.workspace.document(made["classifier"])
    assert document["penalty"] > 0 and document["kind"] == "linear_probe"
    assert any(f"The penalty is {document['penalty']:g}, chosen by cross-validation on 12" in t for t in notes(events))


def test_with_one_shot_the_penalty_is_the_known_one(work, eye):
    made, events = probe(work, eye, real=stored(work, "set", LABELS, range(1)))
    assert work.workspace.document(made["classifier"])["penalty"] == 0.04
    assert any("with one image of a class nothing can be left out" in text for text in notes(events))


def test_a_classifier_on_an_eye_without_words_is_a_probe_and_that_is_said(work, eye):
    real, synthetic = stored(work, "set", LABELS, range(4)), stored(work, "set", LABELS, range(50, 54))
    fields = {"encoder": encoder_ref(work, eye), "real": real, "synthetic": synthetic, "real_weight": 0.7}
    made, events = outputs(build("train.classifier", fields), work)
    document = work.workspace.document(made["classifier"])
    assert document["kind"] == "linear_probe" and document["trained_on"] == [real, synthetic]
    assert any("knows no words: a linear probe" in text for text in notes(events))


def test_a_clip_whose_pictures_have_no_attention_is_probed_from_its_words(work):
    real = stored(work, "set", LABELS, range(4))
    made, events = outputs(
        build("train.classifier", {"encoder": reference("lite0-words", "encoder", work.workspace), "real": real}), work
    )
    assert work.workspace.document(made["classifier"])["kind"] == "linear_probe"
    assert any("no attention among its pictures to adapt: a linear probe that starts" in text for text in notes(events))


def test_a_comparison_without_words_has_no_zero_shot_arm(work, eye):
    arms = {
        arm: [probe(fresh(work), eye, **sets)[0]["classifier"]]
        for arm, sets in {
            "real_only": {"real": stored(work, "set", LABELS, range(4))},
            "real_and_synthetic": {"real": stored(work, "set", LABELS, range(4)),
                                   "synthetic": stored(work, "set", LABELS, range(50, 54))},
        }.items()
    }  # fmt: skip
    test = stored(work, "test", LABELS, range(20, 23))
    step = build("evaluate.compare", {"encoder": encoder_ref(work, eye), "tests": [test], **arms})
    made, _ = outputs(step, work)
    report = work.workspace.document(made["report"])
    assert report["mean"]["zero_shot"] is None and report["mean"]["real_only"] > 0.6
    assert report["sentence"].startswith("Synthetic images ")


def test_an_eye_that_left_the_machine_after_training_is_said(work, eye, tmp_path):
    own = shutil.copytree(eye, tmp_path / "own")
    trained = probe(work, own, real=stored(work, "set", LABELS, range(3)))[0]["classifier"]
    ref = encoder_ref(work, own)
    shutil.rmtree(own)
    test = stored(work, "test", LABELS, range(20, 22))
    step = build("evaluate.compare", {"encoder": ref, "tests": [test], "real_only": [trained]})
    with pytest.raises(Missing, match="is no longer at .*own. Put it back or choose another"):
        outputs(step, fresh_loads(work))


def fresh_loads(work):
    work.loaded.clear()
    return work


def test_one_test_image_and_answers_of_one_class_are_measured_and_said(work, eye):
    liar = [Member("red", work.workspace.put(coloured("blue", n))) for n in range(6)]
    known = [Member("green", work.workspace.put(coloured("green", n))) for n in range(6)]
    trained = probe(work, eye, real=work.workspace.put_set(ImageSet.of("set", liar + known)))[0]["classifier"]
    one = work.workspace.put_set(ImageSet.of("test", [Member("red", work.workspace.put(coloured("blue", 40)))]))
    two = work.workspace.put_set(
        ImageSet.of("test", [Member(label, work.workspace.put(coloured("blue", n))) for label, n in
                             (("red", 41), ("green", 42))])
    )  # fmt: skip
    for test, count in ((one, 0), (two, 1)):
        step = build("evaluate.compare", {"encoder": encoder_ref(work, eye), "tests": [test], "real_only": [trained]})
        made, events = outputs(step, work)
        report = work.workspace.document(made["report"])
        low, high = report["interval95"]["real_only"]
        assert 0 <= low < high <= 1
        warned = [text for text in notes(events, "warning") if "calls every test image 'red'" in text]
        assert len(warned) == count


def test_a_class_without_an_accepted_image_is_said_and_the_rest_is_trained(work, eye):
    sets = {"real": stored(work, "set", LABELS, range(3)), "synthetic": stored(work, "set", LABELS[:2], range(9, 12))}
    made, events = probe(work, eye, **sets)
    assert notes(events, "warning") == ["The synthetic images show no 'red'."]
    assert work.workspace.document(made["classifier"])["labels"] == list(LABELS)
