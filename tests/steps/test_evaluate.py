import io

import pytest
from PIL import Image

from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput, Leak
from synthstudio.events import Measured
from synthstudio.step import build
from synthstudio.steps.evaluate.report import FoldAnswers, difference, sentence
from synthstudio.steps.evaluate.report import build as report_of
from tests.engine.tiny_clip import make_clip
from tests.steps.kit import coloured, encoder_ref, outputs, stored, work_in

LABELS = ("blue", "green", "red")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "vit", "vit")


@pytest.fixture
def work(tmp_path):
    return work_in(tmp_path)


def probe(work, clip, **fields):
    step = build("train.linear_probe", {"encoder": encoder_ref(work, clip), "penalty": 0.001, **fields})
    return outputs(step, work)[0]["classifier"]


def compare(work, clip, tests, **arms):
    made, events = outputs(
        build("evaluate.compare", {"encoder": encoder_ref(work, clip), "tests": tests, **arms}), work
    )
    return work.workspace.document(made["report"]), [event for event in events if isinstance(event, Measured)]


def arms_of(work, clip, folds):
    """Classifiers that know the classes from real images, and know them swapped from synthetic ones."""
    found = {"real_only": [], "synthetic_only": [], "real_and_synthetic": []}
    for fold in range(folds):
        start = 100 * fold
        real = stored(work, "set", LABELS, range(start, start + 6))
        swapped = [Member(other, work.workspace.put(coloured(label, n)))
                   for label, other in (("blue", "green"), ("green", "blue"), ("red", "red"))
                   for n in range(start + 50, start + 55)]  # fmt: skip
        synthetic = work.workspace.put_set(ImageSet.of("set", swapped))
        found["real_only"].append(probe(work, clip, real=real))
        found["synthetic_only"].append(probe(work, clip, synthetic=synthetic))
        found["real_and_synthetic"].append(probe(work, clip, real=real, synthetic=synthetic))
    return found


def test_a_comparison_counts_what_each_arm_answered(work, clip):
    tests = [stored(work, "test", LABELS, range(20, 26))]
    report, measured = compare(work, clip, tests, **arms_of(work, clip, 1))
    assert report["labels"] == list(LABELS)
    assert report["confusion"]["real_only"] == [[6, 0, 0], [0, 6, 0], [0, 0, 6]]
    assert report["confusion"]["synthetic_only"] == [[0, 6, 0], [6, 0, 0], [0, 0, 6]]
    fold = report["folds"][0]
    assert fold["real_only"] == 1.0 and fold["synthetic_only"] == pytest.approx(1 / 3) and fold["test_images"] == 18
    assert report["per_class"]["synthetic_only"]["red"]["accuracy"] == 1.0
    assert report["per_class"]["synthetic_only"]["blue"]["n"] == 6
    said = {(event.arm, event.label): event for event in measured if event.name == "accuracy"}
    assert said["synthetic_only", ""].n == 18 and said["synthetic_only", "green"].value == 0
    assert all(event.split == "test" and event.low <= event.value <= event.high for event in said.values())
    assert {arm for arm, _ in said} == {"zero_shot", "real_only", "synthetic_only", "real_and_synthetic"}


def test_every_single_answer_is_kept_beside_the_report(work, clip):
    tests = [stored(work, "test", LABELS, range(20, 23))]
    step = build("evaluate.compare", {"encoder": encoder_ref(work, clip), "tests": tests, **arms_of(work, clip, 1)})
    made, _ = outputs(step, work)
    assert list(made) == ["report", "answers"]
    (fold,) = work.workspace.document(made["answers"])["folds"]
    wrong = {pair for pair in zip(fold["truth"], fold["answers"]["synthetic_only"], strict=True) if pair[0] != pair[1]}
    assert sorted(wrong) == [("blue", "green"), ("green", "blue")]
    assert sorted(fold["images"]) == sorted(member.image for member in work.workspace.image_set(tests[0]))


def test_folds_give_a_mean_with_an_interval(work, clip):
    tests = [stored(work, "test", LABELS, range(20 + 100 * fold, 26 + 100 * fold)) for fold in range(3)]
    report, _ = compare(work, clip, tests, **arms_of(work, clip, 3))
    assert [fold["fold"] for fold in report["folds"]] == [0, 1, 2]
    low, high = report["interval95"]["zero_shot"]
    assert low <= report["mean"]["zero_shot"] <= high
    assert report["difference"]["method"] == "t" and report["difference"]["folds"] == 3
    assert report["sentence"].startswith("Synthetic images ") and "n = 54 test images, 3 folds" in report["sentence"]


def test_arms_can_be_left_out(work, clip):
    real = arms_of(work, clip, 1)["real_only"]
    report, _ = compare(work, clip, [stored(work, "test", LABELS, range(20, 22))], real_only=real)
    assert report["mean"]["synthetic_only"] is None and "synthetic_only" not in report["interval95"]
    assert "difference" not in report


def test_a_lora_classifier_is_asked_the_same_way(work, clip):
    fields = {"training_steps": 40, "batch_size": 9, "learning_rate": 0.01, "rank": 4, "alpha": 8, "warmup_steps": 2}
    fields |= {"targets": "all", "augmentation": "none", "real": stored(work, "set", LABELS, range(6))}
    step = build("train.classifier", {"encoder": encoder_ref(work, clip), **fields})
    trained = outputs(step, work)[0]["classifier"]
    report, _ = compare(work, clip, [stored(work, "test", LABELS, range(20, 26))], real_only=[trained])
    assert report["mean"]["real_only"] >= 0.9


def test_a_test_image_among_the_training_images_is_refused(work, clip):
    arms = {"real_only": [probe(work, clip, real=stored(work, "set", LABELS, range(6)))]}
    with pytest.raises(Leak, match="3 test images are also among the training images"):
        compare(work, clip, [stored(work, "test", LABELS, range(5, 9))], **arms)


@pytest.mark.parametrize("part", ["real", "synthetic"])
def test_a_copy_of_a_test_image_stored_another_way_is_refused(work, clip, part):
    members = list(work.workspace.image_set(stored(work, "set", LABELS, range(6), size=96)))
    with Image.open(io.BytesIO(coloured("red", 21, 96))) as picture:
        out = io.BytesIO()
        picture.resize((80, 80), Image.Resampling.BICUBIC).save(out, "JPEG", quality=85)
    planted = ImageSet.of("set", [*members, Member("blue", work.workspace.put(out.getvalue()))])
    arms = {"real_only": [probe(work, clip, **{part: work.workspace.put_set(planted)})]}
    with pytest.raises(Leak, match="1 test image is also among the training images"):
        compare(work, clip, [stored(work, "test", LABELS, range(20, 24), size=96)], **arms)


def test_unequal_folds_other_encoders_and_empty_tests_are_refused(work, clip, tmp_path):
    test = stored(work, "test", LABELS, range(20, 22))
    one = probe(work, clip, real=stored(work, "set", LABELS, range(6)))
    with pytest.raises(BadInput, match="names 1 classifiers for 2 test sets"):
        compare(work, clip, [test, test], real_only=[one])
    with pytest.raises(BadInput, match="Compare classifiers of one encoder"):
        compare(work, make_clip(tmp_path / "other", "vit", seed=5), [test], real_only=[one])
    with pytest.raises(BadInput, match="test set of fold 0 is empty"):
        compare(work, clip, [stored(work, "test", [], [])], real_only=[one])


def answers(before, after, fold=0):
    """A fold of 20 test images, so many of them right before and after."""
    images = tuple(f"{fold}-{n}" for n in range(20))
    given = {arm: tuple("a" if n < right else "b" for n in range(20))
             for arm, right in (("real_only", before), ("real_and_synthetic", after))}  # fmt: skip
    return FoldAnswers(images, ("a",) * 20, given)


@pytest.mark.parametrize(("before", "after", "verdict"), [(10, 16, "raised"), (16, 10, "lowered"), (12, 12, "did not")])
def test_the_sentence_says_only_what_the_interval_says(before, after, verdict):
    said = sentence(difference([answers(before, after)]))
    assert said.startswith(f"Synthetic images {verdict}") and "bootstrap over test images" in said


def test_a_gain_that_varies_over_folds_is_no_proof():
    found = difference([answers(10, 19, 0), answers(10, 10, 1), answers(10, 12, 2)])
    assert found["bootstrap"][0] > 0 and found["method"] == "t" and found["low"] < 0
    assert "did not measurably change" in sentence(found)


def test_two_folds_are_answered_by_the_bootstrap_and_show_both():
    found = report_of([answers(10, 14, 0), answers(10, 15, 1)], ["a", "b"])["difference"]
    assert found["method"] == "bootstrap" and found["t"] is not None and found["value"] == pytest.approx(0.225)


def test_a_chance_likeness_is_left_out_for_every_arm(work, clip):
    """One of 150 test images: the accuracy is measured on the other 149."""
    test = stored(work, "test", LABELS, range(20, 70), size=32)
    with Image.open(io.BytesIO(coloured("red", 21, 32))) as picture:
        out = io.BytesIO()
        picture.resize((64, 64), Image.Resampling.BICUBIC).save(out, "PNG")
        alike = work.workspace.put(out.getvalue())
    members = list(work.workspace.image_set(stored(work, "set", LABELS, range(3), size=32)))
    synthetic = work.workspace.put_set(ImageSet.of("set", [*members, Member("red", alike)]))
    report, _ = compare(work, clip, [test], synthetic_only=[probe(work, clip, synthetic=synthetic)])
    assert report["folds"][0]["test_images"] == 149
    real = {"real_only": [probe(work, clip, real=synthetic)]}
    with pytest.raises(Leak, match="1 test image is"):
        compare(work, clip, [test], **real)
