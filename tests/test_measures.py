"""The sanity cases every measure has to pass: what is known of equal, copied, collapsed and random sets."""

import numpy as np
import pytest

from synthstudio import measures
from synthstudio.measure_terms import MEASURES


def drawn(count, seed, dimensions=16, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, (count, dimensions)).astype(np.float32)


REAL, HELD = drawn(1500, 0), drawn(1500, 1)


def test_two_halves_of_the_same_photos_do_not_differ():
    found = measures.kernel_distance(REAL, HELD)
    assert found.low < 0 < found.high and abs(found.value) < 0.02
    assert measures.frechet_distance(REAL, HELD) < 0.3
    alike = measures.manifold(REAL, HELD)
    assert 0.93 < alike.coverage.value < 0.99 and 0.9 < alike.density < 1.1  # coverage of equal sets: 1 - 2^-5
    assert measures.told_apart(REAL, HELD).value < 0.55


def test_a_shift_is_seen_by_every_distance():
    moved = drawn(600, 2, shift=1.0)
    assert measures.kernel_distance(REAL, moved).low > 0
    assert measures.frechet_distance(REAL, moved) == pytest.approx(16, rel=0.1)
    assert measures.told_apart(REAL, moved).low > 0.9


def test_the_frechet_distance_of_known_gaussians_is_the_formula():
    x, y = drawn(20_000, 3, 4), 2 * drawn(20_000, 4, 4)
    assert measures.frechet_distance(x, y) == pytest.approx(4 * (1 - 2) ** 2, rel=0.05)


def test_the_frechet_distance_of_fewer_images_than_dimensions_is_a_number():
    assert 0 < measures.frechet_distance(drawn(5, 0, 64), drawn(7, 1, 64)) < np.inf


def test_the_kernel_distance_is_not_moved_by_the_number_of_images():
    few = [measures.kernel_distance(drawn(20, n), drawn(20, 100 + n), draws=1).value for n in range(200)]
    assert abs(np.mean(few)) < 3 * np.std(few) / np.sqrt(200)


def test_its_interval_holds_the_distance_of_the_sets_behind_most_times():
    truth = measures.kernel_distance(drawn(1000, 50), drawn(1000, 51, shift=0.3), draws=1).value
    found = [measures.kernel_distance(drawn(60, n), drawn(60, 500 + n, shift=0.3), draws=100) for n in range(60)]
    assert np.mean([one.low <= truth <= one.high for one in found]) > 0.85


def test_one_image_again_and_again_has_the_diversity_of_one():
    assert measures.vendi(np.repeat(REAL[:1], 50, 0)) == pytest.approx(1)
    assert measures.vendi(np.eye(12)) == pytest.approx(12)
    assert measures.vendi(np.repeat(np.eye(6), 9, 0)) == pytest.approx(6)  # more images than dimensions


def test_one_image_again_and_again_covers_little():
    assert measures.manifold(REAL, np.repeat(REAL[:1], 300, 0) + 1e-3 * drawn(300, 5)).coverage.value < 0.05


def test_noise_far_from_the_photos_has_no_precision():
    assert measures.manifold(REAL, 50 * drawn(300, 6)).precision.value == 0


def test_copies_of_the_photos_are_not_new_and_new_photos_are_as_new_as_expected():
    copies = REAL[:400] + 1e-4 * drawn(400, 7)
    assert measures.copying(REAL, copies).share.value < 0.02
    new = measures.copying(REAL, HELD)
    assert new.share.low - 0.03 < new.expected.value < new.share.high + 0.03


@pytest.mark.parametrize(("dimensions", "expected"), [(2, 0.39), (16, 0.68), (64, 0.80)])
def test_how_many_new_photos_count_as_new_depends_on_the_dimension(dimensions, expected):
    found = measures.copying(drawn(2000, 8, dimensions), drawn(2000, 9, dimensions))
    assert found.expected.value == pytest.approx(expected, abs=0.05)


def test_what_a_set_teaches_is_chance_once_its_labels_are_shuffled():
    truth = np.repeat(["a", "b", "c", "d"], 100)
    centres = {label: drawn(1, n + 20)[0] * 2 for n, label in enumerate("abcd")}
    photos = np.stack([centres[label] for label in truth]) + drawn(400, 10)
    made = np.stack([centres[label] for label in truth]) + drawn(400, 11)
    assert measures.teaches(made, truth, photos, truth).value > 0.95
    shuffled = np.random.default_rng(0).permutation(truth)
    assert measures.teaches(made, shuffled, photos, truth).value == pytest.approx(0.25, abs=0.15)
    assert measures.teaches(made[:100], truth[:100], photos, truth).value == 0.25  # one class


def test_blocks_give_what_all_at_once_gives(monkeypatch):
    whole = measures.manifold(REAL[:300], HELD[:200])
    monkeypatch.setattr(measures, "_BLOCK", 37)
    assert measures.manifold(REAL[:300], HELD[:200]) == whole


@pytest.mark.parametrize("measure", [measures.frechet_distance, measures.kernel_distance, measures.manifold])
def test_a_single_image_is_refused_in_words(measure):
    with pytest.raises(ValueError, match="too few"):
        measure(REAL, HELD[:1])


def test_a_measure_is_written_as_a_reader_expects_it():
    named = {one.name: one for one in MEASURES}
    found = {"coverage": (0.846, 0.8, 0.9), "vendi": (23.456, None, None), "vendi_real": (31.0, None, None)}
    assert named["coverage"].said(found) == {"value": "85 %", "interval": "80 % to 90 %", "beside": ""}
    assert named["vendi"].said(found) == {"value": "23.5", "interval": "", "beside": "real photos 31"}
    assert [named["kernel_distance"].written(value) for value in (0.0000123, -0.5, 1234.5)] == [
        "0.0000123",
        "-0.5",
        "1230",
    ]
    assert named["coverage"].help.endswith("Higher is better.") and named["told_apart"].heading == "Told apart ↓"
