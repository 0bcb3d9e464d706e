"""One training loop for every stage: stateless batches, wall-clock or step budget, kill-safe checkpoints.

An update is `engine.updates`: half precision where the card has it, gradients clipped. A stage draws its own batch and
its losses compare the rows of it, so a batch passes whole, in one process. What a step tells is read when it is logged.

A stage draws everything random from generators seeded by (seed, step). So a run that is stopped and resumed
sees the same batches, and under a step budget ends with the same weights as an unbroken one.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from synthstudio.engine.devices import working_dtype
from synthstudio.engine.seeds import normal
from synthstudio.engine.updates import Updates


class Stage(Protocol):
    """What the loop needs of a model in training."""

    modules: nn.ModuleDict

    def loss(self, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]: ...


@dataclass(frozen=True)
class Plan:
    """How long and how fast. `minutes` counts training time over all resumed attempts."""

    steps: int | None = None
    minutes: float | None = None
    learning_rate: float = 1e-3
    final_rate: float = 0.02
    decay_from: float = 0.0
    warmup: int = 100
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema: float = 0.0
    save_every: float = 180.0
    log_every: int = 50
    seed: int = 0

    def progress(self, step: int, seconds: float) -> float:
        """Share of the budget that is used up, 0 to 1."""
        by_step = step / self.steps if self.steps else 0.0
        by_time = seconds / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(by_step, by_time))

    def rate(self, step: int, progress: float) -> float:
        """Linear warm-up, the peak until `decay_from` of the budget, then a cosine down to `final_rate` of the peak."""
        spent = max(0.0, progress - self.decay_from) / (1 - self.decay_from)
        cosine = self.final_rate + (1 - self.final_rate) * 0.5 * (1 + math.cos(math.pi * spent))
        return self.learning_rate * cosine * min(1.0, (step + 1) / self.warmup)


class Draw:
    """All randomness of one step, a pure function of seed and step."""

    def __init__(self, seed: int, step: int, progress: float, device: torch.device) -> None:
        self.step, self.progress, self.device = step, progress, device
        self.rng = np.random.default_rng((seed, step))
        self.torch = torch.Generator().manual_seed(int(self.rng.integers(2**62)))

    def normal(self, *shape: int) -> Tensor:
        return normal(shape, self.torch, self.device)


def write_aside(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file under another name, flush it to disk, rename: a kill leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    write(aside)
    with aside.open("rb+") as handle:
        os.fsync(handle.fileno())
    aside.replace(path)


def share(hits: Tensor, among: Tensor) -> Tensor:
    """The share of ones in `hits` where `among` is true, 0 if it is nowhere; without waiting for the device."""
    return ((hits * among).sum() / among.sum()).nan_to_num()


def say(text: str) -> None:
    """One line for whoever watches."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def averaged(checkpoint: Path) -> tuple[dict[str, Tensor], dict[str, float]]:
    """The averaged weights of a checkpoint, and how far it has come: `step` and `minutes`."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    return state["modules"] | state["average"], {"step": state["step"], "minutes": round(state["seconds"] / 60, 1)}


class Loop:
    """Trains `stage` in `folder` until the plan is used up; `run()` again resumes."""

    def __init__(self, stage: Stage, folder: Path, plan: Plan, device: str = "cpu") -> None:
        self.stage, self.folder, self.plan = stage, folder, plan
        self.device = torch.device(device)
        stage.modules.to(self.device).train()
        self.named = {k: p for k, p in stage.modules.named_parameters() if p.requires_grad}
        optimizer = torch.optim.AdamW(self._groups(), lr=plan.learning_rate, betas=(0.9, 0.99))
        precision = working_dtype(self.device)
        self.updates = Updates(list(self.named.values()), optimizer, precision, 1, longest=plan.clip_norm)
        self.optimizer = self.updates.optimizer
        self.average = {k: p.detach().clone() for k, p in self.named.items()} if plan.ema else {}
        self.step, self.seconds = 0, 0.0
        self._told: list[dict[str, Tensor]] = []  # what the last steps told
        self._sums: dict[str, float] = defaultdict(float)  # what was read of it since the last line of the log
        self.checkpoint = folder / "checkpoint.pt"
        if self.checkpoint.exists():
            self._load()

    def _groups(self) -> list[dict[str, object]]:
        """No decay on norms, biases and embedding rows: rows of words never seen must stay as they are."""
        plain = [p for k, p in self.named.items() if p.ndim < 2 or "embedding" in k]
        decayed = [p for k, p in self.named.items() if not (p.ndim < 2 or "embedding" in k)]
        return [{"params": plain, "weight_decay": 0.0}, {"params": decayed, "weight_decay": self.plan.weight_decay}]

    def _load(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.stage.modules.load_state_dict(state["modules"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name, value in state["average"].items():
            self.average[name].copy_(value)
        self.updates.load(state.get("scaler", {}))
        self.step, self.seconds = state["step"], state["seconds"]

    def save(self) -> None:
        self._read()
        state = {
            "modules": self.stage.modules.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average,
            "step": self.step,
            "seconds": self.seconds,
        } | ({"scaler": self.updates.state()} if self.updates.scales() else {})
        write_aside(self.checkpoint, lambda path: torch.save(state, path))

    def _put_average(self) -> None:
        """The averaged weights into the stage's modules, where an average is kept."""
        with torch.no_grad():
            for name, value in self.average.items():
                self.named[name].copy_(value)
        self.stage.modules.eval().cpu()

    def _update(self, draw: Draw) -> dict[str, Tensor]:
        """One update; returns what it tells, unread. FloatingPointError if a loss was no number."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate(self.step, draw.progress)
        numbers: dict[str, Tensor] = {}

        def loss_of(_: Sequence[int]) -> tuple[Tensor, Tensor]:
            loss, told = self.stage.loss(draw)
            numbers.update(told)
            return loss, loss

        loss, norm = self.updates.backward(loss_of)
        assert norm is not None
        self._told.append({"loss": loss, "norm": norm, **numbers})
        if self.device.type == "cpu":  # nothing is waited for
            self._read()
        self.updates.step()
        self._average()
        return {"loss": loss, "norm": norm, **numbers}

    def _read(self) -> None:
        """Add up what the last steps told. FloatingPointError if one of their losses was no number."""
        told, self._told = self._told, []
        if not told:
            return
        values = iter(torch.stack([one.detach().float() for row in told for one in row.values()]).tolist())
        for row in told:
            for name in row:
                value = next(values)
                if name == "loss" and not math.isfinite(value):
                    raise FloatingPointError(f"A loss before step {self.step + 1} is {value}. Lower the learning rate.")
                self._sums[name] += value

    def _average(self) -> None:
        if self.average:
            decay = min(self.plan.ema, (1 + self.step) / (10 + self.step))
            with torch.no_grad():
                torch._foreach_lerp_(list(self.average.values()), list(self.named.values()), 1 - decay)

    def run(self) -> None:
        """Train to the end of the plan, then leave the averaged weights in the stage's modules.

        One log line per `log_every` steps, a checkpoint per `save_every` seconds.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        saved = time.monotonic()
        while (progress := self.plan.progress(self.step, self.seconds)) < 1.0:
            began = time.monotonic()
            self._update(Draw(self.plan.seed, self.step, progress, self.device))
            self.step += 1
            self.seconds += time.monotonic() - began
            if self.step % self.plan.log_every == 0:
                self._log(progress)
                while self.updates.notes:
                    say(self.updates.notes.pop(0))
            if time.monotonic() - saved > self.plan.save_every:
                self.save()
                saved = time.monotonic()
        self.save()
        self._put_average()

    def _log(self, progress: float) -> None:
        self._read()
        numbers = {name: round(value / self.plan.log_every, 5) for name, value in self._sums.items()}
        self._sums.clear()
        row = {"step": self.step, "minutes": round(self.seconds / 60, 2), "progress": round(progress, 4), **numbers}
        with (self.folder / "log.jsonl").open("a") as handle:
            handle.write(json.dumps(row) + "\n")
        say(json.dumps(row))
