"""Minimax losses for adaptation: cover the photos, do not repeat yourself (Gu et al. 2024, arXiv:2311.15529).

Two short memories per class hold the latest real latents and the latest predicted ones. A prediction is pulled towards
the least alike of the real ones (representativeness: no corner of the class is left out) and pushed from the most alike
of the earlier predictions (diversity):

    L = λ_r · (1 − min_j cos(x̂0, real_j)) + λ_d · max_j cos(x̂0, predicted_j)

As in the published code both compare predicted clean latents. Noisier than half, a prediction says more of the noise
than of the image, so those steps are left out. The published memories are lists without an end; here the oldest goes.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

REMEMBERED = 64  # latents per class and kind, as published
_CLEAR = 0.5  # least share of signal at which a predicted image is compared


class Minimax:
    """The losses of one training and their memories."""

    def __init__(
        self, classes: int, width: int, representativeness: float, diversity: float, device: torch.device
    ) -> None:
        self.representativeness, self.diversity = representativeness, diversity
        self.real = torch.zeros(classes, REMEMBERED, width, device=device)
        self.predicted = torch.zeros_like(self.real)
        self.seen = torch.zeros(classes, dtype=torch.long)  # latents a class has shown so far; the next place follows

    def loss(self, predicted: Tensor, real: Tensor, places: Tensor, share: Tensor) -> Tensor:
        """The loss of a batch of predicted clean latents (N, ...), whose real latents are remembered with them.

        `places` (N,) are classes, `share` (N,) the signal's share of the noised latents. Averaged over the whole batch,
        so that steps with few clear images weigh little.
        """
        terms = [predicted.new_zeros(())]
        clear = (share >= _CLEAR).tolist()
        for row, place in enumerate(places.tolist()):
            held = min(int(self.seen[place]), REMEMBERED)
            if not clear[row] or not held:
                continue
            one = predicted[row].flatten().unsqueeze(0)
            if self.representativeness:
                alike = F.cosine_similarity(one, self.real[place, :held])
                terms.append(self.representativeness * (1 - alike.min()))
            if self.diversity:
                alike = F.cosine_similarity(one, self.predicted[place, :held])
                terms.append(self.diversity * alike.max())
        for row, place in enumerate(places.tolist()):
            if clear[row]:
                at = int(self.seen[place]) % REMEMBERED
                self.real[place, at] = real[row].flatten()
                self.predicted[place, at] = predicted[row].detach().flatten()
                self.seen[place] += 1
        return torch.stack(terms).sum() / len(places)

    def tensors(self) -> dict[str, Tensor]:
        """What a resumed training needs."""
        return {"real": self.real, "predicted": self.predicted, "seen": self.seen.to(self.real)}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take `tensors()` back."""
        self.real.copy_(tensors["real"])
        self.predicted.copy_(tensors["predicted"])
        self.seen.copy_(tensors["seen"])
