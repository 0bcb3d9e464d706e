"""The selection rules on plain values: places of labels in, rows and pictures out."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthstudio.engine.distil import selection
from synthstudio.engine.pixels import to_png
from synthstudio.engine.seeds import generator


def latents_of(vectors: NDArray[np.float32], shape: Sequence[int]) -> Tensor:
    """Stored rows (N, D) as latents (N, *shape)."""
    return torch.from_numpy(vectors).unflatten(1, tuple(shape))


def rows(rule: str, features: Tensor | None, places: Sequence[int], per_class: int, seed: int) -> list[int]:
    """The rows a rule keeps, class by class. Only `random` may do without features (N, …)."""
    labels = torch.tensor(places)
    seen = features if features is not None else torch.zeros(len(labels), 1)
    return selection.RULES[rule](seen, labels, per_class, generator(seed, "select", rule)).flatten().tolist()


def mean_latents(latents: Tensor, places: Sequence[int], per_class: int, seed: int) -> Tensor:
    """The middle (C · per_class, c, h, w) of every cluster of latents, class by class."""
    chance = generator(seed, "mean_latent")
    return selection.cluster_means(latents, latents, torch.tensor(places), per_class, chance).flatten(0, 1)


def mean_pictures(pixels: Tensor, places: Sequence[int], per_class: int, seed: int) -> list[bytes]:
    """PNG files of the mean of every cluster of bytes (N, 3, S, S), class by class."""
    chance = generator(seed, "class_mean")
    means = selection.cluster_means(pixels, pixels, torch.tensor(places), per_class, chance).flatten(0, 1)
    return to_png(means.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous())
