"""A map of vectors: alike is near, the same comes out each time, and whatever there is has a place."""

import numpy as np
import pytest

from synthstudio import projection
from synthstudio.projection import FEW, Fitted, fit, place


def clouds(each: int, classes: int = 3, width: int = 16, seed: int = 0):
    """Unit vectors around a direction per class, and their classes."""
    random = np.random.default_rng(seed)
    centres = 3 * np.random.default_rng(9).standard_normal((classes, width))
    labels = np.repeat(np.arange(classes), each)
    vectors = (centres[labels] + random.standard_normal((len(labels), width))).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), labels


def nearest_share(places, labels):
    """How many have a neighbour of their own class nearest."""
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    return float((labels[apart.argmin(1)] == labels).mean())


@pytest.mark.parametrize(("each", "method"), [(8, "pca"), (20, "tsne")])
def test_images_of_a_class_lie_together_and_the_same_comes_out_each_time(each, method):
    vectors, labels = clouds(each)
    first, second = fit(vectors, seed=3), fit(vectors, seed=3)
    assert first.method == method
    assert np.array_equal(first.places, second.places)
    assert nearest_share(first.places, labels) > 0.9
    assert first.places.min() >= 0 and first.places.max() <= 1


@pytest.mark.parametrize("count", [1, 2, 3, FEW - 1, FEW, FEW + 1])
def test_however_few_images_there_are_each_has_a_place_of_its_own(count):
    vectors, _ = clouds(count, classes=1)
    places = fit(vectors).places
    assert places.shape == (count, 2) and np.isfinite(places).all()
    assert len(np.unique(places, axis=0)) == count


def test_equal_vectors_share_a_place_however_many_there_are():
    same = np.repeat(clouds(1, classes=1)[0], 100, axis=0)
    assert np.array_equal(fit(same).places, np.full((100, 2), 0.5, np.float32))
    vectors, _ = clouds(20)
    doubled = fit(np.concatenate([vectors, vectors]))
    assert np.array_equal(doubled.places[:60], doubled.places[60:])


def test_vectors_of_one_number_have_places_too():
    line = np.linspace(0, 1, 2 * FEW, dtype=np.float32)[:, None]
    assert np.isfinite(fit(line).places).all()
    assert np.isfinite(fit(line[:5]).places).all()


@pytest.mark.parametrize("each", [8, 20])
def test_an_image_that_comes_later_goes_among_its_own_and_a_copy_onto_its_original(each):
    vectors, labels = clouds(each)
    fitted = fit(vectors)
    later, theirs = clouds(10, seed=5)
    places = place(later, vectors, fitted)
    apart = np.linalg.norm(places[:, None] - fitted.places[None], axis=2)
    assert (labels[apart.argmin(1)] == theirs).mean() > 0.9
    assert place(vectors, vectors, fitted) == pytest.approx(fitted.places, abs=2e-3)
    assert place(later[:0], vectors, fitted).shape == (0, 2)


def test_what_lies_outside_of_a_map_goes_to_its_edge():
    vectors, _ = clouds(8)
    assert place(-50 * vectors, vectors, fit(vectors)).max() == 1


def test_fewer_anchors_than_neighbours_are_enough():
    vectors, _ = clouds(1, classes=3)
    fitted = Fitted(projection.fit(vectors).places, "tsne")
    assert np.isfinite(place(clouds(4)[0], vectors, fitted)).all()
