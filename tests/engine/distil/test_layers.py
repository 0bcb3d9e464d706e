import pytest
import torch
import torch.nn.functional as F

from synthstudio.engine.distil.layers import MeanPool
from synthstudio.engine.seeds import generator


@pytest.mark.parametrize("size", [(8, 8), (2, 6), (7, 5)])
def test_pooling_and_its_gradients_are_those_of_torch(size):
    maps = torch.randn((3, 2, *size), dtype=torch.float64, generator=generator(0)).requires_grad_()
    ours, theirs = MeanPool()(maps), F.avg_pool2d(maps, 2)
    assert torch.allclose(ours, theirs, atol=1e-14)
    slopes = [torch.autograd.grad(one.square().sum(), maps, create_graph=True)[0] for one in (ours, theirs)]
    assert torch.allclose(*slopes, atol=1e-13)
    second = [torch.autograd.grad(one.pow(3).sum(), maps)[0] for one in slopes]
    assert torch.allclose(*second, atol=1e-12)
