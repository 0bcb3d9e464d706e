import pytest
import torch

from synthstudio.engine.distil import selection
from synthstudio.engine.seeds import generator
from synthstudio.errors import BadInput


def two_classes(count=12):
    """Class 0 around the origin, class 1 in two clumps far apart; labels stand mixed."""
    chance = generator(3)
    near = torch.randn(count, 4, generator=chance) * 0.1
    clumps = torch.randn(count, 4, generator=chance) * 0.1
    clumps[: count // 2] += 5
    labels = torch.arange(2 * count) % 2
    features = torch.empty(2 * count, 4)
    features[labels == 0], features[labels == 1] = near, clumps
    return features, labels


@pytest.mark.parametrize("rule", selection.RULES)
def test_a_rule_keeps_so_many_of_each_class_and_none_twice(rule):
    features, labels = two_classes()
    chosen = selection.RULES[rule](features, labels, 4, generator(0))
    assert chosen.shape == (2, 4)
    for label in (0, 1):
        assert len(set(chosen[label].tolist())) == 4 and (labels[chosen[label]] == label).all()
    assert chosen.equal(selection.RULES[rule](features, labels, 4, generator(0)))


def test_one_image_per_class_is_the_one_nearest_to_the_mean():
    features, labels = two_classes()
    nearest = [int(torch.where(labels == label, (features - features[labels == label].mean(0)).norm(dim=1), 1e9)
                   .argmin()) for label in (0, 1)]  # fmt: skip
    for rule in (selection.herding, selection.k_center, selection.k_means):
        assert rule(features, labels, 1, generator(0))[:, 0].tolist() == nearest


def test_herding_keeps_the_mean_better_than_chance():
    features, labels = two_classes(60)

    def miss(chosen):
        return sum(float((features[chosen[c]].mean(0) - features[labels == c].mean(0)).norm()) for c in (0, 1))

    kept = miss(selection.herding(features, labels, 6, generator(0)))
    assert all(kept < miss(selection.random(features, labels, 6, generator(seed))) for seed in range(5))


def test_k_means_and_k_center_visit_both_clumps():
    features, labels = two_classes()
    for rule in (selection.k_means, selection.k_center):
        found = features[rule(features, labels, 2, generator(0))[1]].mean(1)
        assert (found > 2.5).sum() == 1


def test_copies_of_one_image_can_all_be_kept():
    features, labels = torch.ones(6, 3), torch.arange(6) % 2
    for rule in selection.RULES.values():
        assert sorted(rule(features, labels, 3, generator(0)).flatten().tolist()) == list(range(6))


def test_means_of_clusters():
    features, labels = two_classes()
    images = features[:, :, None, None] * torch.ones(1, 1, 2, 2)
    once = selection.cluster_means(images, features, labels, 1, generator(0))
    assert once.shape == (2, 1, 4, 2, 2) and torch.allclose(once[0, 0], images[labels == 0].mean(0), atol=1e-6)
    twice = selection.cluster_means(images, features, labels, 2, generator(0))[1].mean((1, 2, 3))
    assert sorted(twice.round().tolist()) == [0, 5]


def test_no_cluster_is_empty_even_among_copies():
    owner = selection.clusters(torch.zeros(5, 2), 5, generator(0))
    assert sorted(owner.tolist()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("rule", selection.RULES)
def test_more_images_than_the_class_has_are_refused(rule):
    features, labels = two_classes(3)
    with pytest.raises(BadInput, match="4 images per class were asked for, but a class has 3"):
        selection.RULES[rule](features, labels, 4, generator(0))
