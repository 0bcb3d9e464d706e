"""A discriminator of patches, and its share in training an autoencoder.

Hinge loss on overlapping patches (Isola et al. 2017, https://arxiv.org/abs/1611.07004, section 3.2.2), its gradient
scaled to that of the reconstruction at the last layer (Esser et al. 2021, https://arxiv.org/abs/2012.09841,
equation 7).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F


class Patches(nn.Module):
    """One logit per 4 px step; each sees 26 px."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1), nn.GroupNorm(4, 2 * width), nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 3, 1, 1), nn.GroupNorm(4, 4 * width), nn.LeakyReLU(0.2),
            nn.Conv2d(4 * width, 1, 3, 1, 1),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        return self.body(images)


def telling(patches: Patches, made: Tensor, real: Tensor) -> Tensor:
    """The discriminator's own hinge loss; no gradient reaches the pictures."""
    told = patches(torch.cat([made.detach(), real]))
    fake, true = told.chunk(2)
    return F.relu(1 - true).mean() + F.relu(1 + fake).mean()


def fooling(patches: Patches, made: Tensor) -> Tensor:
    """The generator's hinge loss; no gradient reaches the discriminator's weights."""
    frozen = {name: value.detach() for name, value in patches.named_parameters()}
    return -functional_call(patches, frozen, (made,)).mean()


def balanced(pull: Tensor, push: Tensor, made: Tensor, last: Tensor, weight: float) -> Tensor:
    """A loss with the value of `pull` and the gradient of pull + weight x lambda x push.

    `pull` and `push` are losses of `made`, `last` is the weight of the layer that made it; lambda makes both gradients
    equally long there. Both run backward through their networks once only.
    """
    gradients = [torch.autograd.grad(value, made, retain_graph=True)[0] for value in (pull, push)]
    long, short = (torch.autograd.grad(made, last, value, retain_graph=True)[0].norm() for value in gradients)
    factor = (long / (short + 1e-4)).clamp(max=1e4)
    carrier = (made * (gradients[0] + weight * factor * gradients[1])).sum()
    return pull.detach() + carrier - carrier.detach()
