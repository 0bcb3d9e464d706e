import numpy as np

from synthstudio.engine.encoders import unit
from synthstudio.engine.probe import Examples, fit

RANDOM = np.random.default_rng(0)
CENTRES = unit(RANDOM.normal(size=(3, 16)).astype(np.float32))


def examples(count, noise=0.2):
    labels = np.repeat(np.arange(3), count)
    return Examples(unit(CENTRES[labels] + RANDOM.normal(size=(3 * count, 16), scale=noise).astype(np.float32)), labels)


def answers(head, vectors):
    return (vectors @ head["weight"].numpy().T + head["bias"].numpy()).argmax(1)


def fitted(parts, prior=None, penalty=0.02, real_weight=0.8):
    return fit(parts, prior, 3, scale=10.0, penalty=penalty, real_weight=real_weight)


def test_separable_classes_are_learned():
    test = examples(50)
    assert (answers(fitted({"real": examples(8)}), test.vectors) == test.labels).mean() > 0.95


def test_a_strong_penalty_leaves_the_words_in_charge():
    wrong = Examples(examples(4).vectors, (examples(4).labels + 1) % 3)
    head = fitted({"real": wrong}, prior=CENTRES, penalty=1e6)
    test = examples(50)
    assert (answers(head, test.vectors) == test.labels).mean() > 0.95


def test_words_help_one_shot():
    shot, test = examples(1, noise=0.6), examples(200, noise=0.4)
    alone, helped = (answers(fitted({"real": shot}, prior), test.vectors) for prior in (None, CENTRES))
    assert (helped == test.labels).mean() > (alone == test.labels).mean()


def test_real_weight_decides_between_parts_that_disagree():
    real = examples(10)
    liar = Examples(real.vectors, (real.labels + 1) % 3)
    believed = fitted({"real": real, "synthetic": liar}, real_weight=0.8)
    doubted = fitted({"real": real, "synthetic": liar}, real_weight=0.2)
    assert (answers(believed, real.vectors) == real.labels).all()
    assert (answers(doubted, real.vectors) == liar.labels).all()


def test_counts_do_not_weigh_the_parts_only_real_weight_does():
    real, synthetic = examples(2), examples(5)
    many = Examples(np.tile(synthetic.vectors, (4, 1)), np.tile(synthetic.labels, 4))
    once = fitted({"real": real, "synthetic": synthetic}, penalty=0.01)
    often = fitted({"real": real, "synthetic": many}, penalty=0.01 * 66 / 21)  # the same penalty per image
    assert np.allclose(once["weight"], often["weight"], atol=1e-3)


def test_the_penalty_gives_way_as_images_come_in():
    few, many = (fitted({"real": examples(count)}, prior=-CENTRES, penalty=1.0) for count in (1, 100))
    test = examples(50)
    assert (answers(few, test.vectors) == test.labels).mean() < (answers(many, test.vectors) == test.labels).mean()


def test_the_same_images_give_the_same_bytes():
    part = examples(4)
    one, two = fitted({"real": part}), fitted({"real": part})
    assert one["weight"].equal(two["weight"]) and one["bias"].equal(two["bias"])
