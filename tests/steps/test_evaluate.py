import io

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput, Leak
from synthstudio.events import Measured
from synthstudio.fingerprint import fingerprint, near_duplicates
from synthstudio.step import build
from synthstudio.steps.evaluate.report import FoldAnswers, difference, sentence
from synthstudio.steps.evaluate.report import build as report_of
from tests.engine.tiny_clip import make_clip
from tests.steps.kit import LABELS, coloured, encoder_ref, outputs, stored


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
    assert report["difference"]["over"] == "test images and draws of shots" and report["n"] == 54
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


def test_a_test_photo_that_was_cropped_is_refused_though_its_fingerprint_differs(work, clip):
    photos = [Image.fromarray(photo[:360, x : x + 200]) for photo in load_sample_images().images for x in (0, 220, 440)]
    cut = [photo.crop((18, 0, 200, 324)) for photo in photos]
    assert not near_duplicates([fingerprint(as_png(cut[1]))], [fingerprint(as_png(photos[1]))])
    stored_as = [work.workspace.put(as_png(photo)) for photo in photos]
    test = ImageSet.of("test", [Member(LABELS[n % 3], one) for n, one in enumerate(stored_as)])
    members = list(work.workspace.image_set(stored(work, "set", LABELS, range(2), size=96)))
    planted = ImageSet.of("set", [*members, Member("red", work.workspace.put(as_png(cut[1])))])
    arms = {"real_only": [probe(work, clip, real=work.workspace.put_set(planted))]}
    with pytest.raises(Leak, match="1 test image is also among the training images, or nearly the same"):
        compare(work, clip, [work.workspace.put_set(test)], **arms)


def as_png(image):
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def test_a_comparison_says_who_looked_for_leaks(work, clip):
    test = stored(work, "test", LABELS, range(20, 22))
    trained = probe(work, clip, real=stored(work, "set", LABELS, range(6)))
    step = build("evaluate.compare", {"encoder": encoder_ref(work, clip), "tests": [test], "real_only": [trained]})
    said = " ".join(event.text for event in outputs(step, work)[1] if event.event == "note")
    assert "6 test images compared with 18 real and 0 synthetic training images by fingerprint and by the eye" in said


def test_unequal_folds_other_encoders_and_empty_tests_are_refused(work, clip, tmp_path):
    test = stored(work, "test", LABELS, range(20, 22))
    one = probe(work, clip, real=stored(work, "set", LABELS, range(6)))
    with pytest.raises(BadInput, match="names 1 for 2 test sets"):
        compare(work, clip, [test, test], real_only=[one])
    with pytest.raises(BadInput, match="Compare classifiers of one encoder"):
        compare(work, make_clip(tmp_path / "other", "vit", seed=5), [test], real_only=[one])
    with pytest.raises(BadInput, match="test set of fold 1 is empty"):
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
    assert said.startswith(f"Synthetic images {verdict}") and "over test images, n = 20 test images, 1 fold" in said


def test_a_gain_that_varies_over_folds_is_no_proof():
    found = difference([answers(10, 19, 0), answers(10, 10, 1), answers(10, 12, 2)])
    assert found["images"][0] > 0 and found["low"] < 0
    assert "did not measurably change" in sentence(found)


def test_a_photo_asked_in_every_fold_is_one_photo():
    report = report_of([answers(10, 14), answers(10, 15), answers(11, 15)], ["a", "b"])
    assert report["n"] == report["difference"]["n"] == report["per_class"]["real_only"]["a"]["n"] == 20
    assert "n = 20 test images, 3 folds" in report["sentence"]


def test_folds_with_the_same_shots_are_one_draw_and_it_is_said():
    """24 of 30 right before and 25 after, again and again: no more is known than from one fold."""
    once = FoldAnswers(tuple(map(str, range(30))), ("a",) * 30,
                       {arm: tuple("a" if n < right else "b" for n in range(30))
                        for arm, right in (("real_only", 24), ("real_and_synthetic", 25))}, drawn="set:1")  # fmt: skip
    one, three = difference([once]), difference([once] * 3)
    assert (three["low"], three["high"], three["n"], three["draws"]) == (one["low"], one["high"], 30, 1)
    assert "did not measurably change" in sentence(three) and "3 folds with one set of shots" in sentence(three)


def test_the_draws_of_a_comparison_are_told_apart_by_the_real_photos(work, clip):
    tests = [stored(work, "test", LABELS, range(20, 26))] * 3
    first, second = (probe(work, clip, real=stored(work, "set", LABELS, range(n, n + 6))) for n in (0, 8))
    report, _ = compare(work, clip, tests, real_only=[first, second, first])
    assert report["draws"] == 2 and report["n"] == 18


def test_zero_shot_answers_that_never_vary_still_have_an_interval(work, clip):
    tests = [stored(work, "test", LABELS, range(20, 26))] * 3
    report, _ = compare(work, clip, tests, **arms_of(work, clip, 3))
    low, high = report["interval95"]["zero_shot"]
    assert high - low > 0.1


def test_useless_images_are_said_not_to_help_and_perfect_ones_to_help():
    """Synthetic images with wrong labels, and real photos posing as synthetic, as a probe on features."""
    useless, perfect = (difference([studied(fold, kind) for fold in range(6)]) for kind in ("useless", "perfect"))
    assert not sentence(useless).startswith("Synthetic images raised") and useless["high"] < 0.05
    assert sentence(perfect).startswith("Synthetic images raised") and perfect["high"] - perfect["low"] < 0.3


def studied(fold, kind, classes=4, shots=2, tested=200, more=40):
    """A fold of a study: the features of photos are normal around the mean of their class; a probe for each arm."""
    from sklearn.linear_model import LogisticRegression

    means = np.random.default_rng(0).normal(0, 1.1, (classes, 16))
    random, asked = np.random.default_rng(10 + fold), np.random.default_rng(5)

    def photos(count, source):
        truth = np.repeat(np.arange(classes), count)
        return means[truth] + source.normal(0, 1.5, (len(truth), 16)), truth

    real, labels = photos(shots, random)
    synthetic, named = photos(more, random)
    if kind == "useless":
        named = random.permutation(named)
    questions, truth = photos(tested // classes, asked)
    given = {}
    both = (np.vstack([real, synthetic]), np.hstack([labels, named]))
    for arm, (x, y) in {"real_only": (real, labels), "real_and_synthetic": both}.items():
        given[arm] = tuple(map(str, LogisticRegression(max_iter=500).fit(x, y).predict(questions)))
    return FoldAnswers(tuple(map(str, range(len(truth)))), tuple(map(str, truth)), given, drawn=str(fold))


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
