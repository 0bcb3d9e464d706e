"""Generators from seeds: one for every image, one for every training step."""

from collections.abc import Sequence

import torch
from torch import Tensor

from synthstudio.seeds import derived_seed


def generator(seed: int, *parts: str | int) -> torch.Generator:
    """A CPU generator: the same noise on every device."""
    return torch.Generator("cpu").manual_seed(derived_seed(seed, *parts))


def normal(shape: Sequence[int], chance: torch.Generator, device: torch.device) -> Tensor:
    """Standard normal noise: drawn on the CPU, then moved, so that the same seed is the same noise on every device.

    The only way for noise to reach a device. A generator of the device would draw other numbers on every kind of card.
    """
    return torch.randn(shape, generator=chance).to(device)


def exactly(seed: int) -> torch.Generator:
    """A CPU generator that starts at this very seed, as a pipeline given the same number would."""
    return torch.Generator("cpu").manual_seed(seed)
