"""One seed for every image, one generator for every training step: nothing depends on order or neighbours."""

import zlib

import numpy as np
import torch


def derived_seed(seed: int, *parts: str | int) -> int:
    """A seed of its own for every (seed, parts): stable when classes are added, and not `seed + i`."""
    key = tuple(zlib.crc32(part.encode()) if isinstance(part, str) else part for part in parts)
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)[0] >> 1)


def generator(seed: int, *parts: str | int) -> torch.Generator:
    """A CPU generator: the same noise on every device."""
    return torch.Generator("cpu").manual_seed(derived_seed(seed, *parts))
