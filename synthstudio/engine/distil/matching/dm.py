"""DM: distribution matching (Zhao and Bilen 2023, arXiv:2110.04181).

L = sum over classes of ‖mean f(real) − mean f(synthetic)‖², with f the features of a network drawn anew at every step,
or of a frozen CLIP image tower. Both batches of a class are augmented alike.
"""

from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from synthstudio.engine.distil.matching import Matching, Pull, apply_by_class, in_groups


class DistributionMatching(Matching):
    """One forward pass over the images of all classes; the real side is never differentiated."""

    name: ClassVar[str] = "dm"

    def pull(self, step: int, images: Tensor) -> Pull:
        """See `Matching.pull`."""
        teaching = self.teaching
        embed = self._embedding(step)
        augmentations = teaching.augmentations(step)
        targets = self._real_means(embed, apply_by_class(augmentations, teaching.real_batches(step)))
        synthetic = images.detach().requires_grad_()
        seen = apply_by_class(augmentations, synthetic)
        means = embed(seen.flatten(0, 1)).unflatten(0, seen.shape[:2]).mean(1)
        loss = (targets - means).square().sum()
        return Pull(float(loss.detach()), torch.autograd.grad(loss, synthetic)[0])

    def _embedding(self, step: int) -> Callable[[Tensor], Tensor]:
        teaching = self.teaching
        encoder = teaching.encoder
        if encoder is None:
            return teaching.new_network(step).requires_grad_(False).embed

        size = encoder.size

        def embed(images: Tensor) -> Tensor:
            unit = teaching.real.normalisation.undo(images)
            fitted = F.interpolate(unit, size=size, mode="bicubic", antialias=True, align_corners=False)
            return F.normalize(encoder.features(encoder.normalised(fitted)).float(), dim=-1)

        return embed

    @torch.no_grad()
    def _real_means(self, embed: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """(classes, F), a few images at a time."""
        flat = images.flatten(0, 1)
        parts = [embed(flat[some]) for some in in_groups(len(flat), self.teaching.images_at_once)]
        return torch.cat(parts).unflatten(0, images.shape[:2]).mean(1)
