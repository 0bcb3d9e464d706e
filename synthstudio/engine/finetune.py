"""Fine-tuning a timm network: its head, its last blocks, or all of it, on real, synthetic or both kinds of images.

The head begins as a linear probe (LP-FT; Kumar et al. 2022), so the first steps do not tear up what the network knows.
BatchNorm keeps the statistics it was trained with, everywhere: a few shots in small batches are no estimate of them.
Its scale and shift learn where their block does.

A step is a pure function of (seed, step): which images, which views, which mixtures. So a run that is killed and
resumed from its checkpoint ends with the same bytes as one that was not.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from timm.models import group_parameters
from torch import Tensor, nn
from torch.func import functional_call

from synthstudio.engine.augment import augment, rows_for_step
from synthstudio.engine.batches import Part, chosen, only, rows_by_part, shares, warmed_up, weighted_loss
from synthstudio.engine.devices import precisely, working_dtype
from synthstudio.engine.encoders import TimmEncoder
from synthstudio.engine.seeds import generator
from synthstudio.engine.tensors import read_tensors, write_tensors
from synthstudio.engine.told import Told
from synthstudio.engine.updates import Updates
from synthstudio.seeds import derived_seed

HEAD_WEIGHT, HEAD_BIAS = "head.weight", "head.bias"
_NETWORK = "network."
_KEEP_EVERY = 10  # steps between copies of weights that were good
_STATE = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Settings:
    """The scientific choices of a fine-tuning, without the images."""

    training_steps: int
    batch_size: int
    seed: int
    scope: str = "blocks"
    blocks: int = 2
    learning_rate: float = 3e-4
    weight_decay: float = 1e-2
    warmup_steps: int = 0
    real_weight: float = 0.8
    augmentation: str = "light"
    flip: bool = False
    mix: str = "none"
    mix_alpha: float = 0.2


def trained_names(network: Any, scope: str, blocks: int) -> list[str]:
    """Names of the parameters that learn: none, those of the last blocks in timm's own order of layers, or all."""
    classifier = network.get_classifier()
    owned = {name for name, value in network.named_parameters() if any(value is one for one in classifier.parameters())}
    if scope == "head":
        return []
    groups = group_parameters(network, network.group_matcher(coarse=False))
    layers = [[name for name in groups[key] if name not in owned] for key in sorted(groups)]
    layers = [layer for layer in layers if layer]
    kept = layers if scope == "all" else layers[-blocks:]
    return [name for layer in kept for name in layer]


class Training:
    """One fine-tuning: call `advance()` until `done`. Takes the head it begins with: {"weight", "bias"} of a probe.

    At most `at_once` images (0: a whole batch) pass together; `dtype` is what they are computed in (None: what suits
    the device).
    """

    def __init__(
        self, encoder: TimmEncoder, parts: dict[str, Part], head: dict[str, Tensor], settings: Settings,
        at_once: int = 0, dtype: torch.dtype | None = None,
    ) -> None:  # fmt: skip
        self.encoder, self.parts, self.settings = encoder, parts, settings
        self.step, self.good_step = 0, 0
        self.diverged_at: int | None = None
        own = dict(encoder.model.named_parameters())
        first = {_NETWORK + name: own[name] for name in trained_names(encoder.model, settings.scope, settings.blocks)}
        first |= {HEAD_WEIGHT: head["weight"].to(encoder.device), HEAD_BIAS: head["bias"].to(encoder.device)}
        self.weights = {name: nn.Parameter(value.detach().clone()) for name, value in first.items()}
        self._classes = len(head["bias"])
        self._limit = 3 * math.log(max(2, self._classes))  # three times the loss of a guess; raised to the first loss
        self._good = {name: value.detach().clone() for name, value in self.weights.items()}
        plain = [value for value in self.weights.values() if value.ndim <= 1]
        decayed = [value for value in self.weights.values() if value.ndim > 1]
        optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": plain, "weight_decay": 0.0}], lr=0.0
        )
        self.sizes = shares(settings.batch_size, sorted(parts))
        self.updates = Updates(
            list(self.weights.values()), optimizer, dtype or working_dtype(encoder.device), sum(self.sizes.values()),
            at_once, None,
        )  # fmt: skip
        self._told = Told(encoder.device, self.updates.accelerator.num_processes == 1)
        self._values: dict[str, float] = {}

    @property
    def done(self) -> bool:
        """Whether there is nothing left to do: all steps are made, or it diverged."""
        return self.diverged_at is not None or self.step >= self.settings.training_steps

    def advance(self) -> dict[str, float]:
        """One optimiser update; returns its loss and learning rate.

        A loss that is no number, or three times what guessing costs, ends the training: the last good weights are back.
        On a device the losses are read now and then, at the latest before weights are kept as good ones: steps that
        were made after a bad one are taken back with it.
        """
        settings = self.settings
        shown = {name: self._batch(name, size) for name, size in self.sizes.items()}
        self._told.add(self.step, self.updates.backward(lambda rows: self._loss(shown, rows))[0])
        keeps = self.step % _KEEP_EVERY == 0
        if keeps or self._told.due or self.step + 1 == settings.training_steps:
            self.look()
        if self.diverged_at is not None:
            return dict(self._values)
        if keeps:  # weights under which the loss is a sane number
            self._good = {name: weight.detach().clone() for name, weight in self.weights.items()}
            self.good_step = self.step
        for group in self.updates.optimizer.param_groups:
            group["lr"] = self._rate(self.step)
        self.updates.step()
        self.step += 1
        if self.step == settings.training_steps and not all(one.isfinite().all() for one in self.weights.values()):
            self._go_back(self.step)
        return dict(self._values)

    def _loss(self, shown: dict[str, tuple[Tensor, Tensor]], rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The loss of rows of a batch, whose parts are given as views and targets; told and minimised."""
        shown = {name: only(own, shown[name]) for name, own in rows_by_part(self.sizes, rows).items()}
        logits = self._logits(torch.cat([pixels for pixels, _ in shown.values()]))
        split = dict(zip(shown, logits.split([len(pixels) for pixels, _ in shown.values()]), strict=True))
        targets = {name: target for name, (_, target) in shown.items()}
        loss = weighted_loss(split, targets, self.settings.real_weight, self.sizes)
        return loss.detach().view(1), loss

    def look(self) -> dict[str, float]:
        """Read the losses, and go back if one is not what a training should have; returns the values of the last."""
        for step, (value,) in self._told.read():
            if step == 0 and math.isfinite(value):
                self._limit = max(self._limit, 3 * value)
            bad = not math.isfinite(value) or value > self._limit
            loss = value if math.isfinite(value) else self._limit
            self._values = {"loss": loss, "learning_rate": 0.0 if bad else self._rate(step)}
            if bad:
                self._go_back(step)
                break
        return dict(self._values)

    def _rate(self, step: int) -> float:
        settings = self.settings
        return warmed_up(step, settings.learning_rate, settings.warmup_steps, settings.training_steps)

    def _go_back(self, step: int) -> None:
        self.diverged_at = self.step = step
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(self._good[name])

    def _batch(self, name: str, size: int) -> tuple[Tensor, Tensor]:
        """Views (size, 3, S, S) of one part in [0, 1] and their targets (size, classes), mixed if asked."""
        settings, part = self.settings, self.parts[name]
        places = chosen(settings.seed, name, len(part.images), self.step, size)
        rows = rows_for_step(settings.seed, self.step, name, len(places))
        pixels, labels = (rows_of[places].to(self.encoder.device) for rows_of in (part.pixels, part.labels))
        pixels = augment(pixels, rows, settings.augmentation, flip=settings.flip)
        targets = F.one_hot(labels, self._classes).float()
        if settings.mix != "none":
            pixels, targets = self._mixed(name, pixels, targets)
        return pixels, targets

    def _mixed(self, name: str, pixels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mixup (Zhang et al. 2018) or CutMix (Yun et al. 2019) within one part, so that λ still weighs the parts."""
        settings = self.settings
        random = np.random.default_rng(derived_seed(settings.seed, "mix", name, self.step))
        share = float(random.beta(settings.mix_alpha, settings.mix_alpha))
        order = torch.randperm(len(pixels), generator=generator(settings.seed, "partners", name, self.step))
        if settings.mix == "mixup":
            pixels = share * pixels + (1 - share) * pixels[order]
        else:
            side = pixels.shape[-1]
            half = round(side * math.sqrt(1 - share) / 2)
            x, y = (int(random.integers(side)) for _ in range(2))
            left, right, top, bottom = max(0, x - half), min(side, x + half), max(0, y - half), min(side, y + half)
            pixels = pixels.clone()
            pixels[:, :, top:bottom, left:right] = pixels[order, :, top:bottom, left:right]
            share = 1 - (right - left) * (bottom - top) / side**2
        return pixels, share * targets + (1 - share) * targets[order]

    def _logits(self, pixels: Tensor) -> Tensor:
        network = {
            name.removeprefix(_NETWORK): weight for name, weight in self.weights.items() if name.startswith(_NETWORK)
        }
        inputs = self.encoder.normalised(pixels)
        features = functional_call(_Features(self.encoder), {f"model.{n}": w for n, w in network.items()}, (inputs,))
        with precisely(self.encoder.device):
            return F.linear(F.normalize(features.float(), dim=-1), self.weights[HEAD_WEIGHT], self.weights[HEAD_BIAS])

    def tensors(self) -> dict[str, Tensor]:
        """What was trained: the head, and the parameters of the network that learned."""
        return {name: value.detach() for name, value in self.weights.items()}

    def save(self, checkpoint: Path) -> None:
        """Write the state aside and rename: safetensors with the step in its header, never a pickle."""
        self.look()
        if not self.updates.leads:
            return
        tensors = {f"weight.{name}": value.detach() for name, value in self.weights.items()}
        tensors |= {f"good.{name}": value for name, value in self._good.items()}
        for name, value in self.weights.items():
            state = self.updates.optimizer.state[value]
            tensors |= {f"{moment}.{name}": state[moment] for moment in _STATE if moment in state}
        about: dict[str, Any] = {"step": self.step, "good_step": self.good_step, "diverged_at": self.diverged_at}
        about["limit"] = self._limit
        about |= {"scaler": self.updates.state()} if self.updates.scales() else {}
        write_tensors(checkpoint, tensors, about)

    def resume(self, checkpoint: Path) -> bool:
        """Go on from a checkpoint if there is a readable one of this training; returns whether there was."""
        found = read_tensors(checkpoint)
        if found is None or {f"weight.{name}" for name in self.weights} - set(found[0]):
            return False
        tensors, about = found
        self.step, self.good_step, self.diverged_at = about["step"], about["good_step"], about["diverged_at"]
        self._limit = about["limit"]
        self.updates.load(about.get("scaler", {}))
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(tensors[f"weight.{name}"])
                self._good[name] = tensors[f"good.{name}"].to(weight.device)
                if f"exp_avg.{name}" in tensors:
                    state = {one: tensors[f"{one}.{name}"].to(weight.device).view_as(weight) for one in _STATE}
                    kept = {one: torch.empty_like(weight).copy_(value) for one, value in state.items()}
                    self.updates.optimizer.state[weight] = {"step": torch.tensor(float(self.step)), **kept}
        return True


class _Features(nn.Module):
    def __init__(self, encoder: TimmEncoder) -> None:
        super().__init__()
        self.model = encoder.model
        self._encoder = encoder

    def forward(self, inputs: Tensor) -> Tensor:
        return self._encoder.features(inputs)


def adapted(encoder: TimmEncoder, tensors: dict[str, Tensor]) -> TimmEncoder:
    """The encoder with the trained parameters in the place of its own; the given one stays as it is."""
    network = copy.deepcopy(encoder.model)
    own = dict(network.named_parameters())
    with torch.no_grad():
        for name, value in tensors.items():
            if name.startswith(_NETWORK):
                own[name.removeprefix(_NETWORK)].copy_(value)
    return TimmEncoder(network, encoder.config, encoder.device)
