import pytest
import torch
import torch.nn.functional as F

from synthstudio.engine.distil.class_gradients import class_gradients
from synthstudio.engine.distil.matching import METHODS, apply_by_class
from synthstudio.engine.distil.matching.dc import published_loops
from synthstudio.engine.distil.networks import ARCHITECTURES, make_network
from synthstudio.steps.distil.preparing import choices
from tests.engine.distil.kit import LABELS, SIZE, matching, some_images, teaching

OPERATIONS = ("color", "crop", "cutout", "scale", "rotate")


def one_by_one(network, images):
    """Gradients of the weights, class by class, as published code takes them."""
    weights = [m.weight for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    each = images.shape[1]
    return [
        torch.autograd.grad(F.cross_entropy(network(part), torch.full((each,), place)), weights)
        for place, part in enumerate(images)
    ]


@pytest.mark.parametrize("at_once", [0, 1, 2, 5])
@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_gradients_of_all_classes_are_those_of_each_class_alone(name, at_once):
    network = make_network(name, channels=3, classes=3, image_size=SIZE, width=8, seed=1).double()
    images = some_images(3).double()
    found = class_gradients(network, images, torch.arange(3), at_once)
    expected = one_by_one(network, images)
    for layer, together in enumerate(found):
        for place in range(3):
            alone = expected[place][layer].flatten(1)
            assert torch.allclose(together[place], alone, atol=1e-9 * float(alone.abs().max()))


def test_the_pull_of_dc_is_the_gradient_of_the_published_loss():
    method, images = matching("dc", operations=OPERATIONS), some_images().requires_grad_()
    teaching_ = method.teaching
    network = teaching_.new_network(0)
    augmentations = teaching_.augmentations(0)
    real = apply_by_class(augmentations, teaching_.real_batches(0))
    seen, loss = apply_by_class(augmentations, images), torch.zeros(())
    weights = [m.weight for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    for place in range(len(LABELS)):
        ours, theirs = (
            torch.autograd.grad(F.cross_entropy(network(x), torch.full((len(x),), place)), weights, create_graph=True)
            for x in (real[place], seen[place])
        )
        for r, s in zip(ours, theirs, strict=True):
            r, s = r.detach().flatten(1), s.flatten(1)
            loss = loss + (1 - (r * s).sum(-1) / (r.norm(dim=-1) * s.norm(dim=-1) + 1e-6)).sum()
    expected = torch.autograd.grad(loss, images)[0]
    pull = method.pull(0, images.detach())
    assert pull.loss == pytest.approx(float(loss.detach()), rel=1e-3)
    assert torch.allclose(pull.gradient, expected, atol=1e-4 * float(expected.abs().max()))


def test_dc_in_groups_is_dc_at_once(monkeypatch):
    whole = matching("dc").pull(0, some_images())
    from synthstudio.engine.distil import matching as package

    monkeypatch.setattr(package, "_CACHE", 1)  # one image at a time
    parts = matching("dc").pull(0, some_images())
    assert parts.loss == pytest.approx(whole.loss, rel=1e-5)
    assert torch.allclose(parts.gradient, whole.gradient, atol=1e-5 * float(whole.gradient.abs().max()))


def test_dm_by_hand():
    method, images = matching("dm", operations=OPERATIONS), some_images().requires_grad_()
    teaching_ = method.teaching
    network, augmentations = teaching_.new_network(3), teaching_.augmentations(3)
    real = teaching_.real_batches(3)
    loss = torch.zeros(())
    for place, augmentation in enumerate(augmentations):
        gap = network.embed(augmentation.apply(real[place])).mean(0) - network.embed(
            augmentation.apply(images[place])
        ).mean(0)
        loss = loss + gap.square().sum()
    expected = torch.autograd.grad(loss, images)[0]
    pull = method.pull(3, images.detach())
    assert pull.loss == pytest.approx(float(loss.detach()), rel=1e-4)
    assert torch.allclose(pull.gradient, expected, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("name", ["dc", "dm"])
def test_the_real_images_themselves_match_perfectly(name):
    method = matching(name, images_per_class=6)
    real = method.teaching.real_batches(0)
    assert method.pull(0, real).loss < 0.1 * method.pull(0, some_images(6)).loss


@pytest.mark.parametrize("name", ["dc", "dm"])
def test_a_pull_depends_on_seed_and_step_alone(name):
    images = some_images()
    first, again = (matching(name, operations=OPERATIONS).pull(4, images) for _ in range(2))
    assert first.loss == again.loss and torch.equal(first.gradient, again.gradient)
    assert matching(name, operations=OPERATIONS).pull(5, images).loss != first.loss
    assert matching(name, operations=OPERATIONS, seed=1).pull(4, images).loss != first.loss


def test_dc_trains_its_network_between_updates_and_then_takes_another():
    method, images = matching("dc", outer=3, inner=1), some_images()
    method.pull(0, images)
    fresh = {name: value.clone() for name, value in method.state().items()}
    assert method.wants_images_after(0) and not method.wants_images_after(2)
    method.follow(0, images)
    assert any(not torch.equal(value, fresh[name]) for name, value in method.state().items())
    trained = method.network
    method.pull(1, images)
    assert method.network is trained
    method.pull(3, images)
    assert method.network is not trained


def test_loops_are_the_published_ones_where_there_are_any():
    assert published_loops(1) == (1, 1) and published_loops(10) == (10, 50) and published_loops(15) == (10, 50)


def test_every_method_is_a_file_and_in_the_table():
    assert set(METHODS) == {"dc", "dm", "mtt"} == set(choices("matching"))


def test_a_class_that_is_smaller_than_the_batch_repeats_its_images():
    batch = teaching(real_batch=30).real_batches(0)
    assert batch.shape == (3, 30, 3, SIZE, SIZE)
    assert len({tuple(one.flatten().tolist()) for one in batch[0]}) == 12


def test_an_epoch_of_batches_shows_every_image_once():
    real = teaching().real
    shown = torch.cat([real.batch(0, step, 4)[0] for step in range(3)])
    assert len({tuple(one.flatten().tolist()) for one in shown}) == 12
