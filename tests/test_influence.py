"""What one training image does to the loss on validation images, against training again without it."""

import numpy as np
import pytest

from synthstudio.influence import Harm, Labelled, expected, harm

CLASSES = 3


def labelled(seed, count, wrong=0.0):
    """Points around the corners of a triangle in six dimensions; some of them named wrong."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, count)
    vectors = random.normal(0, 0.4, (count, 6)) + np.eye(6)[labels]
    flipped = random.random(count) < wrong
    return Labelled(vectors.astype(np.float32), np.where(flipped, (labels + 1) % CLASSES, labels)), flipped


def loss(parts, middle, penalty, validation):
    """Ridge regression of weighted parts, written as its textbook formula; the squared loss on validation images."""
    rows = [np.hstack([part.vectors - middle, np.ones((len(part.labels), 1))]) for part, _ in parts]
    weight = np.concatenate([np.full(len(part.labels), w) for part, w in parts])
    x, y = np.vstack(rows), np.eye(CLASSES)[np.concatenate([part.labels for part, _ in parts])]
    solved = np.linalg.solve(x.T @ (weight[:, None] * x) + penalty * np.eye(x.shape[1]), x.T @ (weight[:, None] * y))
    seen = np.hstack([validation.vectors - middle, np.ones((len(validation.labels), 1))])
    return ((np.eye(CLASSES)[validation.labels] - seen @ solved) ** 2).sum()


def penalty_of(parts, middle, validation):
    """The one of the least validation loss among shares of the mean eigenvalue of the features."""
    x = np.vstack([np.sqrt(w) * np.hstack([p.vectors - middle, np.ones((len(p.labels), 1))]) for p, w in parts])
    mean = np.linalg.eigvalsh(x.T @ x)[:-1].mean()
    return min((share * mean for share in (1e-4, 1e-3, 1e-2, 1e-1, 1.0)),
               key=lambda one: loss(parts, middle, one, validation))  # fmt: skip


@pytest.mark.parametrize("with_real", [False, True])
def test_the_harm_of_an_image_is_what_training_again_without_it_takes_off_the_loss(with_real):
    (images, _), (validation, _), (real, _) = labelled(0, 40, 0.2), labelled(1, 30), labelled(2, 10)
    shots = [(real, 3.0 * 40 / 10)] if with_real else []
    parts = [(images, 1.0), *shots]
    weights = np.concatenate([np.full(len(part.labels), w) for part, w in parts])
    middle = np.average(np.vstack([part.vectors for part, _ in parts]), axis=0, weights=weights)
    penalty = penalty_of(parts, middle, validation)
    before = loss(parts, middle, penalty, validation)
    found = harm(images, validation, CLASSES, real=real if with_real else None, real_weight=0.75)
    for place in range(40):
        others = np.arange(40) != place
        left = Labelled(images.vectors[others], images.labels[others])
        after = loss([(left, 1.0), *shots], middle, penalty, validation)
        assert found.values[place] == pytest.approx(100 * (before - after) / before, rel=1e-4, abs=1e-5)


def test_images_that_are_named_wrong_are_worth_a_decision_and_no_number_is_said_of_what_nobody_can_judge():
    (images, flipped), (validation, _) = labelled(3, 400, 0.2), labelled(4, 200)
    found = harm(images, validation, CLASSES)
    assert found.values[flipped].mean() > 0 > found.values[~flipped].mean() and 0.3 < found.reliability <= 1
    chances = np.full((400, CLASSES), 1 / CLASSES)
    chances[0] = np.nan
    said = expected(found, chances, images.labels)
    assert np.isnan(said[0]) and np.isfinite(said[1:]).all() and said[1:][flipped[1:]].mean() > 0


def test_where_the_halves_of_the_photos_disagree_the_order_is_that_of_doubt():
    chances = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    said = expected(Harm(np.array([9.0, 1.0, 2.0]), 0.0), chances, np.zeros(3, np.int64))
    assert np.allclose(said, 1.5 * np.array([0.1, 0.8, 0.6]))  # 1.5: the mean harm of the two that are doubted


def test_a_photo_that_all_images_fit_leaves_nothing_to_gain():
    images, _ = labelled(5, 30)
    same = Labelled(np.ones((8, 6), np.float32), np.zeros(8, np.int64))
    assert np.isfinite(harm(images, same, CLASSES).values).all()
