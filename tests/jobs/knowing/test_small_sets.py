"""The judge's table as text, over one fold and several; what is exported of a small set."""

import pytest

from synthstudio.errors import BadInput
from synthstudio.jobs.curating import delivery
from synthstudio.jobs.knowing import small_sets


def number(value):
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


def report(fold, gain):
    """What a judge says of a method and two baselines; k-means is the better one by 1 point."""
    arms = [
        {"arm": name, "title": title, "role": role, "seen": {"plain": None, "augmented": None},
         "unseen": {"plain": number(value), "augmented": number(value)}, "probe": number(0.5)}
        for name, title, role, value in (
            ("method", "dm", "method", 0.6 + gain), ("random", "random real", "baseline", 0.59),
            ("k_means", "k-means", "baseline", 0.6))
    ]  # fmt: skip
    differences = [
        {
            "against": name,
            "title": title,
            "networks": "unseen",
            "augmented": augmented,
            "value": value,
            "low": value - 0.02,
            "high": value + 0.02,
        }
        for name, title, value in (("random", "random real", gain + 0.01), ("k_means", "k-means", gain))
        for augmented in (False, True)
    ]
    cost = [{"arm": arm["arm"], "seconds_to_make": 12.0} for arm in arms]
    return {"fold": fold, "arms": arms, "differences": differences, "unseen": ["vgg11"], "seen": ["convnet"],
            "images_per_class": 5, "test_images": 100, "cost": cost,
            "protocol": {"training_steps": 7, "labels": "hard"}, "sentence": f"The answer of fold {fold}."}  # fmt: skip


def test_one_fold_shows_its_table_and_its_answer():
    lines = small_sets.table([report(0, 0.05)])
    assert lines[-1] == "The answer of fold 0." and "n = 100" in lines[0] and "5 per class, 7 steps" in lines[0]
    assert "never seen: vgg11; made with: convnet" in lines[1]
    row = next(line for line in lines if "k-means" in line)
    assert row.split() == ["k-means", "60.0", "±", "2.0", "60.0", "±", "2.0", "50.0", "12.0", "s"]


@pytest.mark.parametrize(("gains", "verdict"), [((0.05, 0.06, 0.055), "better"), ((0.05, -0.04, 0.0), "no measurable")])
def test_several_folds_are_answered_by_their_mean_against_the_best_baseline(gains, verdict):
    reports = [report(fold, gain) for fold, gain in enumerate(gains)]
    said = small_sets.sentence(reports)
    assert said.startswith("Over 3 folds") and "best baseline (k-means)" in said and f": {verdict}" in said
    assert [line for line in small_sets.table(reports) if line.startswith("Fold")] == ["Fold 0:", "Fold 1:", "Fold 2:"]


def test_recipes_without_a_judge_have_no_table():
    assert small_sets.table([]) == []


def test_a_small_set_is_exported_alone():
    split = {"shots": "set:shots", "validation": None, "test": "test:t"}
    small = {"collect.split": split, "distil.mosaic": {"images": "set:s"}, "evaluate.small_set": {"report": "report:r"}}
    found = delivery.dataset(small, "x")
    assert found == {"synthetic": "set:s", "validation": None, "test": "test:t", "report": "report:r", "name": "x"}
    with pytest.raises(BadInput, match="no selection"):
        delivery.dataset({"collect.split": split}, "x")


def test_folds_that_agree_are_no_surer_than_each_of_them():
    """All folds are judged by the same test images, so that they agree says nothing of other images."""
    said = small_sets.sentence([report(fold, 0.01) for fold in range(3)])
    assert "no measurable difference (+1.0 points, 95 % interval -1.0 to +3.0" in said
