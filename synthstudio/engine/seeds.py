"""Generators from seeds: one for every image, one for every training step."""

import torch

from synthstudio.seeds import derived_seed


def generator(seed: int, *parts: str | int) -> torch.Generator:
    """A CPU generator: the same noise on every device."""
    return torch.Generator("cpu").manual_seed(derived_seed(seed, *parts))


def exactly(seed: int) -> torch.Generator:
    """A CPU generator that starts at this very seed, as a pipeline given the same number would."""
    return torch.Generator("cpu").manual_seed(seed)
