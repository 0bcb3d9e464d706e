import pytest
import torch
import torch.nn.functional as F

from tests.engine.pretend import DEVICE, Mixed


@pytest.fixture(autouse=True)
def device(card):
    return DEVICE


def away(*shape):
    return torch.ones(shape).to(DEVICE)


def test_numbers_are_computed_and_come_back():
    layer = torch.nn.Linear(3, 2).to(DEVICE)
    layer(away(4, 3)).square().sum().backward()
    assert layer.weight.grad.device == DEVICE
    assert torch.equal((away(2) + 1).cpu(), torch.tensor([2.0, 2.0]))


@pytest.mark.parametrize(
    "mixing",
    [
        lambda: away(2) + torch.ones(2),
        lambda: torch.nn.Linear(3, 2)(away(4, 3)),
        lambda: torch.ones(3)[torch.tensor([0]).to(DEVICE)],
        lambda: torch.cat([away(2), torch.ones(2)]),
        lambda: F.cross_entropy(away(2, 3), torch.tensor([0, 1])),
        lambda: torch.multinomial(away(3), 1, generator=torch.Generator()),
        lambda: torch.randn(3, device=DEVICE),
        lambda: away(3).normal_(),
        lambda: F.dropout(away(3), 0.5),
    ],
)
def test_what_cuda_refuses_is_refused(mixing):
    with pytest.raises(Mixed):
        mixing()


def test_a_device_tensor_is_no_array():
    with pytest.raises((RuntimeError, TypeError), match="numpy"):
        away(2).numpy()


def test_precisions_do_not_mix():
    with pytest.raises(RuntimeError, match="dtype"):
        away(2, 2).bfloat16() @ away(2, 2)


@pytest.mark.parametrize(
    "allowed",
    [lambda: away(2) + torch.tensor(1.0), lambda: away(2)[torch.tensor([0])], lambda: away(2).copy_(torch.ones(2))],
)
def test_what_cuda_allows_is_allowed(allowed):
    assert allowed().device == DEVICE


def test_a_move_shares_nothing():
    here = torch.zeros(2)
    there = here.to(DEVICE)
    here += 1
    assert torch.equal(there.cpu(), torch.zeros(2))


def test_views_share_their_numbers():
    whole = away(4)
    with torch.inference_mode():
        whole[:2].mul_(3)
    assert torch.equal(whole.cpu(), torch.tensor([3.0, 3.0, 1.0, 1.0]))


def test_waiting_is_counted(card):
    away(2).sum().item()
    away(2).cpu()
    away(2)[away(2) > 0]
    assert card.waits == ["_local_scalar_dense", "_to_copy", "index"]


def test_mixed_precision_is_imitated():
    with torch.autocast("cuda", torch.bfloat16):
        assert torch.nn.Linear(3, 2).to(DEVICE)(away(4, 3)).dtype is torch.bfloat16
        assert F.layer_norm(away(2, 2).bfloat16(), (2,)).dtype is torch.float32


def test_a_device_may_lack_float64(card):
    card.double = False
    with pytest.raises(Mixed, match="no float64"):
        away(2).double()
