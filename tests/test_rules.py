"""What is told of rejected images, and what is not: on reviews that are made up here."""

import math

import numpy as np
import pytest
from scipy.stats import fisher_exact

from synthstudio.rules import Column, learn
from synthstudio.statistics import fisher


def chance(seed=0):
    return np.random.default_rng(seed)


def review(images, seed=0):
    """Settings that images drew, none of which has to do with another."""
    draw = chance(seed)
    return {
        "domain": draw.integers(0, 3, images),
        "guidance_scale": draw.uniform(1, 12, images).round(2),
        "label": draw.integers(0, 10, images),
        "run": draw.integers(0, 2, images),
    }


def columns(settings):
    return [Column(name, values, values.dtype.kind == "f") for name, values in settings.items()]


def told(rejected, settings):
    return [tuple(atom[:3] for atom in rule.atoms) for rule in learn(rejected, columns(settings))]


def test_a_planted_cause_is_told_alone_with_its_shares():
    settings = review(600)
    cartoon = settings["domain"] == 1
    rejected = chance(1).random(600) < np.where(cartoon, 0.8, 0.1)
    (rule,) = learn(rejected, columns(settings))
    assert rule.atoms == (("domain", "is", 1, None),)
    assert rule.hits == (rejected & cartoon).sum() and rule.rejected == rejected.sum()
    assert rule.others == (~rejected & cartoon).sum() and rule.rest == (~rejected).sum()
    assert rule.share > 0.7 and rule.rest_share < 0.15 and rule.p < 1e-20


def test_a_bound_is_told_once_and_says_the_closest_number_beyond_it():
    settings = review(600)
    high = settings["guidance_scale"] >= 8
    (rule,) = learn(chance(2).random(600) < np.where(high, 0.8, 0.05), columns(settings))
    (atom,) = rule.atoms
    assert (atom.column, atom.op) == ("guidance_scale", "at_least") and 7 < atom.value < 9
    beyond = settings["guidance_scale"][settings["guidance_scale"] < atom.value].max()
    assert atom.beyond == beyond


def test_rejections_at_random_tell_nothing_in_at_least_nineteen_of_twenty_reviews():
    false = sum(bool(told(chance(seed).random(300) < 0.2, review(300, seed + 1000))) for seed in range(100))
    assert false <= 5


def test_two_settings_are_told_together_only_where_both_are_needed():
    settings = review(1200)
    both = (settings["domain"] == 1) & (settings["run"] == 1)
    rejected = chance(3).random(1200) < np.where(both, 0.9, 0.03)
    assert told(rejected, settings) == [(("domain", "is", 1), ("run", "is", 1))]
    one = settings["domain"] == 1
    rejected = chance(3).random(1200) < np.where(one, 0.9, 0.03)
    assert told(rejected, settings) == [(("domain", "is", 1),)]


def test_two_causes_are_told_one_after_the_other_the_larger_one_first():
    settings = review(1500)
    large, small = settings["domain"] == 1, settings["label"] == 4
    rejected = chance(4).random(1500) < np.where(large | small, 0.8, 0.02)
    assert told(rejected, settings) == [(("domain", "is", 1),), (("label", "is", 4),)]


def test_settings_that_mean_the_same_images_are_one_cause_called_by_the_first():
    settings = review(400)
    settings["adapter"] = settings["domain"] == 1
    settings["run"] = settings["adapter"] + 7
    (rule,) = learn(settings["adapter"] & (chance(5).random(400) < 0.9), columns(settings))
    assert rule.atoms[0][:3] == ("domain", "is", 1)
    assert [atom[:3] for atom in rule.same] == [("run", "is", 8), ("adapter", "is", True)]


def test_what_only_comes_along_with_a_cause_is_not_told_beside_it():
    settings = review(1000)
    cartoon = settings["domain"] == 1
    settings["sampler"] = np.where(cartoon, chance(6).random(1000) < 0.8, chance(7).random(1000) < 0.2).astype(int)
    rejected = chance(8).random(1000) < np.where(cartoon, 0.85, 0.05)
    assert told(rejected, settings) == [(("domain", "is", 1),)]


@pytest.mark.parametrize(
    "rejected",
    [np.zeros(100, bool), np.ones(100, bool), np.arange(100) < 4, np.zeros(0, bool)],
    ids=["no rejections", "everything rejected", "four rejections", "no images"],
)
def test_where_nothing_can_be_compared_nothing_is_told(rejected):
    assert told(rejected, {name: values[: len(rejected)] for name, values in review(100).items()}) == []


def test_a_setting_with_one_value_or_none_is_no_cause():
    same = {"domain": np.zeros(200, int), "strength": np.full(200, np.nan), "guidance_scale": np.full(200, 2.0)}
    assert told(np.arange(200) < 50, same) == [] and told(np.arange(200) < 50, {}) == []


def test_what_all_rejects_and_most_of_the_rest_share_is_no_cause():
    settings = {"domain": (np.arange(400) < 300).astype(int)}
    assert told(np.arange(400) < 100, settings) == []  # all of the rejects, two thirds of the rest


def test_images_without_a_number_are_on_neither_side_of_a_bound():
    strength = np.where(np.arange(400) % 2, np.nan, chance(9).uniform(0, 1, 400))
    (rule,) = learn(strength > 0.7, columns({"strength": strength}))
    assert rule.rejected == (strength > 0.7).sum() and rule.hits >= rule.rejected - 3 and rule.others <= 3


@pytest.mark.parametrize("seed", range(4))
def test_the_test_is_fishers(seed):
    draw = chance(seed)
    for _ in range(50):
        n = int(draw.integers(10, 400))
        having, rejected = (int(draw.integers(1, n)) for _ in range(2))
        hits = int(draw.integers(max(0, having + rejected - n), min(having, rejected) + 1))
        ln_p = float(fisher(*(np.array([one]) for one in (hits, having, rejected, n)))[0])
        table = [[hits, having - hits], [rejected - hits, n - having - rejected + hits]]
        expected = fisher_exact(table, alternative="greater").pvalue
        more = hits * n > having * rejected
        assert math.exp(ln_p) == pytest.approx(expected if more else 1.0, rel=1e-8)


def test_a_p_that_no_float_can_hold_is_still_a_number():
    assert fisher(*(np.array([one]) for one in (5000, 5000, 5000, 100_000)))[0] < -10_000
