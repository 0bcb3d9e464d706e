import pytest
import torch

from synthstudio.engine.distil.networks import ARCHITECTURES, depth_for, initialise, make_network
from synthstudio.engine.seeds import generator
from synthstudio.errors import BadInput, UnknownName


def network(name, seed=0, size=16, width=16):
    return make_network(name, channels=3, classes=5, image_size=size, width=width, seed=seed)


@pytest.mark.parametrize("size", [8, 28, 32, 64])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_network_reads_every_size(name, size):
    made = network(name, size=size)
    images = torch.randn(3, 3, size, size, generator=generator(0))
    logits = made(images)
    assert logits.shape == (3, 5) and logits.isfinite().all()
    assert not torch.allclose(logits[0], logits[1])  # the last norm has not erased the picture
    assert made.head(made.embed(images)).equal(logits)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_network_is_a_function_of_its_seed_alone(name):
    state = torch.random.get_rng_state()
    one, again, other = network(name), network(name), network(name, seed=1)
    assert torch.random.get_rng_state().equal(state)
    assert all(a.equal(b) for a, b in zip(one.state_dict().values(), again.state_dict().values(), strict=True))
    assert not one.head.weight.equal(other.head.weight)


def test_the_published_width_gives_the_published_sizes():
    sizes = {
        name: sum(p.numel() for p in make_network(
            name, channels=3, classes=10, image_size=32, width=128, seed=0).parameters())
        for name in ("convnet", "resnet18")
    }  # fmt: skip
    assert sizes == {"convnet": 320_010, "resnet18": 11_173_962}
    assert [depth_for(size) for size in (16, 28, 32, 64, 128, 256)] == [3, 3, 3, 4, 5, 6]


def test_initialising_again_draws_a_fresh_network():
    made = network("vit")
    before = made.features[0].position.clone()
    initialise(made, generator(9))
    assert not made.features[0].position.equal(before)


def test_unknown_names_and_tiny_images_are_refused():
    with pytest.raises(UnknownName, match="convnet"):
        network("convnett")
    with pytest.raises(BadInput, match="at least 8"):
        network("convnet", size=4)
