import numpy as np
import pytest

from synthstudio.statistics import crossed, crossed_share, mean_over_draws, t95, wilson
from tests.studies import accuracy, coverage, difference, unpaired


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


def test_the_quantile_of_t_is_right():
    known = {1: 12.7062, 2: 4.3027, 10: 2.2281, 11: 2.2010, 20: 2.0860, 30: 2.0423, 1000: 1.9623}
    assert {n: t95(n) for n in known} == pytest.approx(known, abs=1e-4)


def test_the_mean_over_draws_uses_t():
    found = mean_over_draws([0.5, 0.6, 0.7])
    assert found.value == pytest.approx(0.6)
    assert found.high - found.value == pytest.approx(4.302653 * 0.1 / np.sqrt(3), rel=1e-5)
    with pytest.raises(ValueError, match="two draws"):
        mean_over_draws([0.5])


def test_a_paired_difference_is_tighter_than_two_proportions():
    found = crossed(((np.arange(200) < 120) * 1.0 - (np.arange(200) < 100))[None])
    assert found.value == pytest.approx(0.1)
    assert 0.05 < found.low < 0.1 < found.high < 0.15


def test_the_same_answers_in_three_folds_are_no_new_evidence():
    """24 of 30 right before, 25 after, in every fold: once this was called "+3.3 to +3.3"."""
    gains = (np.arange(30) < 1) * 1.0
    once, thrice = crossed(gains[None]), crossed(np.tile(gains, (3, 1)))
    assert once.low < 0 < once.high
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high), abs=0.002)


def test_equal_answers_of_every_fold_have_an_interval_all_the_same():
    right = np.tile(np.arange(30) < 4, (5, 1)) * 1.0
    found = crossed_share(right)
    assert found.low < 0.08 and found.high > 0.2
    assert crossed_share(np.ones((3, 30))) == wilson(30, 30)
    assert crossed(np.zeros((2, 30))) == (0.0, -wilson(0, 30).high, wilson(0, 30).high)


def test_folds_with_test_sets_of_their_own_are_answered_by_t_alone():
    table = np.full((3, 30), np.nan)
    for fold, right in enumerate((5, 6, 7)):
        table[fold, 10 * fold : 10 * fold + 10] = np.arange(10) < right
    assert crossed(table) == pytest.approx(mean_over_draws([0.5, 0.6, 0.7]))


def test_one_draw_of_a_single_image_is_no_error():
    found = crossed(np.array([[1.0]]))
    assert found.low < 0.3 and found.high > 1


@pytest.mark.parametrize("draws", [1, 2, 3, 5, 10])
@pytest.mark.parametrize("of_draws", [0.0, 0.3])
def test_nineteen_of_twenty_intervals_of_a_difference_hold_the_truth(draws, of_draws):
    if draws == 1:
        of_draws = 0.0  # one draw says nothing of others, and its report says so
    assert 0.93 <= coverage(difference(100, draws, of_draws), 600) <= 0.98


@pytest.mark.parametrize("draws", [1, 2, 3, 10])
def test_no_fewer_than_nineteen_of_twenty_intervals_of_an_accuracy_hold_the_truth(draws):
    assert 0.93 <= coverage(accuracy(100, draws, 0.0 if draws == 1 else 0.3), 600) <= 0.99


@pytest.mark.parametrize("of_draws", [0.0, 0.3])
def test_nineteen_of_twenty_intervals_hold_the_truth_where_draws_are_not_paired(of_draws):
    assert 0.93 <= coverage(unpaired(100, of_draws), 600) <= 0.98
