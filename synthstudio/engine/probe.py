"""A linear classifier on frozen embeddings that starts from the words.

CLIP's zero-shot head is a linear layer whose rows are the text embeddings. The probe is that head plus an update with
an L2 penalty, so one shot moves it a little and many shots can change everything: a head that starts from CLIP's words
as in He et al. 2023, held near the zero-shot prototypes as in CLAP (Silva-Rodriguez et al. 2024).
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from synthstudio.engine.encoders import unit

PENALTY = 0.04  # good on validation images of digits, satellite photos and flowers from 1 to 16 shots


@dataclass(frozen=True)
class Examples:
    """Embeddings (N, D) of one part and the place of each label."""

    vectors: NDArray[np.float32]
    labels: NDArray[np.int64]


def fit(
    parts: dict[str, Examples],
    prior: NDArray[np.float32] | None,
    classes: int,
    *,
    scale: float,
    penalty: float,
    real_weight: float,
) -> dict[str, Tensor]:
    """Weight (classes, D) and bias of the probe: logits = embeddings @ weight.T + bias.

    Minimises λ · CE(real) + (1 − λ) · CE(synthetic) + penalty / (2 N) · ‖update‖² by L-BFGS on all N examples in double
    precision: convex, deterministic, no learning rate. The penalty is the log of a Gaussian prior, so its share shrinks
    as images come in and one value suits 1 shot and 16. Without a text prior the head starts from nothing. CLIP's image
    vectors share a large common part and differ by little, so the update reads them relative to their mean and in units
    of their spread: one value then suits every encoder.
    """
    some = next(iter(parts.values())).vectors
    weights = {"real": real_weight, "synthetic": 1 - real_weight} if len(parts) == 2 else dict.fromkeys(parts, 1.0)
    middle, spread = _middle_and_spread(parts, weights)
    start = torch.zeros(classes, some.shape[1], dtype=torch.double)
    if prior is not None:
        start = torch.from_numpy(unit(prior)).double()
    update = torch.zeros_like(start).requires_grad_()
    shift = torch.zeros(classes, dtype=torch.double).requires_grad_()
    data = {
        name: (torch.from_numpy(part.vectors).double(), torch.from_numpy(part.labels)) for name, part in parts.items()
    }
    count = sum(len(labels) for _, labels in data.values())
    search = torch.optim.LBFGS([update, shift], max_iter=300, tolerance_change=1e-10, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        total = 0.5 * penalty / count * (update.square().sum() + shift.square().sum())
        for name, (vectors, labels) in data.items():
            logits = scale * vectors @ start.T + (vectors - middle) / spread @ update.T + shift
            total = total + weights[name] * F.cross_entropy(logits, labels)
        total.backward()
        return total

    search.step(loss)
    slope = update.detach() / spread
    weight, bias = scale * start + slope, shift.detach() - slope @ middle
    return {"weight": weight.float().contiguous(), "bias": bias.float().contiguous()}


def _middle_and_spread(parts: dict[str, Examples], weights: dict[str, float]) -> tuple[Tensor, float]:
    """The mean of the embeddings and their root mean square distance from it, parts weighted as in the loss."""
    vectors = {name: torch.from_numpy(part.vectors).double() for name, part in parts.items()}
    middle = torch.stack([weights[name] * vectors[name].mean(0) for name in vectors]).sum(0)
    square = sum(weights[name] * float((vectors[name] - middle).square().sum(1).mean()) for name in vectors)
    return middle, max(square, 1e-12) ** 0.5
