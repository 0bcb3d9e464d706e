import pytest
import torch

from synthstudio.engine.distil import siamese
from synthstudio.engine.seeds import generator
from synthstudio.errors import UnknownName

ALL = tuple(siamese.OPERATIONS)


def pictures(count=3, size=16):
    return torch.randn((count, 3, size, size), generator=generator(0, "pictures"))


@pytest.mark.parametrize("operation", ALL)
def test_one_draw_does_the_same_to_both_batches(operation):
    augmentation = siamese.draw(generator(1, operation), [operation])
    real = pictures()
    synthetic = torch.cat([real[1:2], pictures(2)])
    assert torch.equal(augmentation.apply(real)[1], augmentation.apply(synthetic)[0])


@pytest.mark.parametrize("operation", ALL)
def test_each_image_may_have_its_own_numbers(operation):
    same = pictures(1).repeat(8, 1, 1, 1)
    made = siamese.draw(generator(2, operation), [operation], images=8).apply(same)
    assert made.shape == same.shape
    assert len({tuple(one.flatten().tolist()) for one in made}) > 1


@pytest.mark.parametrize("operation", ALL)
def test_own_numbers_and_shared_numbers_do_the_same(operation):
    augmentation = siamese.draw(generator(3, operation), [operation])
    repeated = siamese.Augmentation(operation, augmentation.numbers.repeat(3, 1))
    assert torch.allclose(augmentation.apply(pictures()), repeated.apply(pictures()), atol=1e-6)


@pytest.mark.parametrize("operation", ALL)
def test_gradients_reach_the_images(operation):
    images = pictures().requires_grad_()
    siamese.draw(generator(4, operation), [operation]).apply(images).square().sum().backward()
    assert images.grad.abs().sum() > 0


def test_a_draw_is_a_function_of_its_generator_and_leaves_the_global_one_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second = (siamese.draw(generator(6), ALL) for _ in range(2))
    assert first.operation == second.operation and torch.equal(first.numbers, second.numbers)
    assert torch.equal(torch.get_rng_state(), before)


def test_every_operation_comes_up():
    chance = generator(7)
    assert {siamese.draw(chance, ALL).operation for _ in range(100)} == set(ALL)


def test_without_operations_nothing_changes():
    assert torch.equal(siamese.draw(generator(8), ()).apply(pictures()), pictures())


def test_an_unknown_operation_offers_near_names():
    with pytest.raises(UnknownName, match="rotate"):
        siamese.draw(generator(9), ["rotation"])


def test_the_hole_has_a_quarter_of_the_area_or_less():
    holes = [(siamese.draw(generator(i), ["cutout"]).apply(torch.ones(1, 1, 16, 16)) == 0).sum() for i in range(50)]
    assert max(holes) == 64 and min(holes) < 64


def test_a_translation_moves_by_at_most_an_eighth():
    dot = torch.zeros(1, 1, 16, 16)
    dot[0, 0, 8, 8] = 1
    places = {tuple(siamese.draw(generator(i), ["crop"]).apply(dot)[0, 0].nonzero()[0].tolist()) for i in range(200)}
    assert {place[0] for place in places} == {place[1] for place in places} == set(range(6, 11))
