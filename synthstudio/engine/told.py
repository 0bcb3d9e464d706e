"""Numbers that a loop tells, left on the device until somebody wants them: reading one waits for all work before it."""

import time

import torch
from torch import Tensor

_PATIENCE = 0.1  # seconds between two looks, half of what a worker's log takes
_MANY = 50  # steps after which a loop looks anyhow, so that it does not go on for long with a loss that is no number


class Told:
    """One vector of numbers per step. On a CPU, where nothing is waited for, every step is `due`.

    Not `alone`, processes look after the same number of steps, as whoever ends must end with the others.
    """

    def __init__(self, device: torch.device, alone: bool = True) -> None:
        self._every, self._alone = 1 if device.type == "cpu" else _MANY, alone
        self._waiting: list[tuple[int, Tensor]] = []
        self._looked = float("-inf")

    def add(self, step: int, numbers: Tensor) -> None:
        """Keep what `step` told."""
        self._waiting.append((step, numbers.detach()))

    @property
    def due(self) -> bool:
        """Whether it is time to look."""
        late = self._alone and time.monotonic() - self._looked >= _PATIENCE
        return late or len(self._waiting) >= self._every

    def read(self) -> list[tuple[int, list[float]]]:
        """Every step since the last look with its numbers, in order; one wait."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return []
        found = torch.stack([numbers for _, numbers in waiting]).tolist()
        self._looked = time.monotonic()
        return [(step, numbers) for (step, _), numbers in zip(waiting, found, strict=True)]
