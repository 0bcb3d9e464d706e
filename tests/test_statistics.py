import numpy as np
import pytest

from synthstudio.statistics import mean_over_folds, paired_bootstrap, t95, wilson


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),
        (1, 1, 0.2065, 1.0),
    ],
)
def test_wilson_gives_the_published_values(hits, n, low, high):
    found = wilson(hits, n)
    assert found.value == hits / n
    assert found.low == pytest.approx(low, abs=1e-4) and found.high == pytest.approx(high, abs=1e-4)


def test_nothing_of_nothing_is_not_a_proportion():
    with pytest.raises(ValueError, match="not a proportion"):
        wilson(0, 0)


def test_the_quantile_of_t_is_right_in_the_table_and_beyond():
    known = {1: 12.7062, 2: 4.3027, 10: 2.2281, 11: 2.2010, 20: 2.0860, 30: 2.0423, 1000: 1.9623}
    assert {n: t95(n) for n in known} == pytest.approx(known, abs=0.003)


def test_the_mean_over_folds_uses_t():
    found = mean_over_folds([0.5, 0.6, 0.7])
    assert found.value == pytest.approx(0.6)
    assert found.high - found.value == pytest.approx(4.302653 * 0.1 / np.sqrt(3), rel=1e-5)
    with pytest.raises(ValueError, match="two folds"):
        mean_over_folds([0.5])


def test_a_paired_difference_is_tighter_than_two_proportions():
    before = np.arange(200) < 100
    after = np.arange(200) < 120
    found = paired_bootstrap([str(n) for n in range(200)], after, before)
    assert found.value == pytest.approx(0.1)
    assert 0.05 < found.low < 0.1 < found.high < 0.15
    assert found == paired_bootstrap([str(n) for n in range(200)], after, before)


def test_the_same_image_in_three_folds_is_one_image():
    rng = np.random.default_rng(0)
    after, before = rng.random(50) < 0.7, rng.random(50) < 0.5
    once = paired_bootstrap([str(n) for n in range(50)], after, before)
    thrice = paired_bootstrap([str(n) for n in range(50)] * 3, np.tile(after, 3), np.tile(before, 3))
    assert thrice.high - thrice.low == pytest.approx(once.high - once.low, rel=0.05)
