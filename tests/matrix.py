"""What is tested of a whole matrix with every push, and what before a release alone."""

from collections.abc import Iterable

import pytest


def first_of(values: Iterable, kept: int = 1) -> list:
    """For `parametrize`, or the parameters of a fixture: the first of them as they are, the others marked `slow`."""
    every = list(values)
    return every[:kept] + [_slow(value) for value in every[kept:]]


def _slow(value: object) -> object:
    return pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=pytest.mark.slow)
