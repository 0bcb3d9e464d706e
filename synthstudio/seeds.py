"""One seed for every image and every training step: nothing depends on order or neighbours."""

import hashlib
import json


def derived_seed(seed: int, *parts: str | int) -> int:
    """A seed of its own for every (seed, parts): stable when classes are added, and not `seed + i`. Below 2**63."""
    key = json.dumps([seed, *parts], ensure_ascii=False).encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") >> 1


def luck(seed: int, *parts: str | int) -> float:
    """A number of its own in [0, 1) for every (seed, parts)."""
    return (derived_seed(seed, *parts) >> 10) / 2**53
