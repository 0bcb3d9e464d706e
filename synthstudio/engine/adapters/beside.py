"""Low-rank factors run beside the layers of a model by hooks, so the model keeps its shape and its names.

peft's own layers compute the same in the same time (117 against 117 ms of processor time per update of pico, batches of
8: tests/benchmarks/adapter_kinds.py --speed), but they round otherwise, and an adapter that was thrown away is promised
to come back with the same bytes. So peft makes the starts that need a decomposition and the files, and its layers train
the kinds that are no plain product.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from synthstudio.engine.adapters.files import Factors, by_letter, write_low_rank
from synthstudio.engine.adapters.kinds import KINDS, Plan, scale_of
from synthstudio.engine.adapters.starts import decomposed, factor_shapes, gaussian, weight_of
from synthstudio.engine.backbones import Backbone


class LowRank:
    """Trainable factors beside chosen layers, all in one flat vector: one tensor to optimise, clip and save."""

    def __init__(self, layers: Mapping[str, nn.Module], rank: int, scale: float, device: torch.device) -> None:
        self.layers, self.scale = dict(sorted(layers.items())), scale
        self.shapes = {name: factor_shapes(layer, rank) for name, layer in self.layers.items()}
        count = sum(a.numel() + b.numel() for a, b in self.shapes.values())
        self.flat = nn.Parameter(torch.zeros(count, device=device))
        self.flat.grad = torch.zeros_like(self.flat)
        self.factors: dict[str, tuple[nn.Parameter, nn.Parameter]] = {}
        self.hooks: list[RemovableHandle] = []
        at = 0
        for name, (down, up) in self.shapes.items():
            middle, end = at + down.numel(), at + down.numel() + up.numel()
            self.factors[name] = (self._view(at, middle, down), self._view(middle, end, up))
            at = end
            self.hooks.append(self.layers[name].register_forward_hook(self._beside(*self.factors[name])))

    def start(self, factors: Factors) -> None:
        """Set A and B of every layer; a start of lower rank, where a layer is narrow, is filled up with zeros."""
        with torch.no_grad():
            for name, (down, up) in factors.items():
                mine, yours = self.factors[name]
                mine[: down.shape[0]].copy_(down)
                yours[:, : up.shape[1]].copy_(up)

    def pairs(self, flat: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """A and B of every layer in a vector laid out as ours."""
        found, at = {}, 0
        for name, (down, up) in self.shapes.items():
            middle, end = at + down.numel(), at + down.numel() + up.numel()
            found[name] = (flat[at:middle].view(down.shape), flat[middle:end].view(up.shape))
            at = end
        return found

    def _view(self, start: int, end: int, like: Tensor) -> nn.Parameter:
        view = nn.Parameter(self.flat.data[start:end].view(like.shape))
        assert self.flat.grad is not None
        view.grad = self.flat.grad[start:end].view(like.shape)
        return view

    def _beside(self, down: Tensor, up: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
        def linear(_layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            inner = F.linear(inputs[0], down.to(output.dtype)).flatten(0, -2)
            flat = output.flatten(0, -2)
            return torch.addmm(flat, inner, up.to(output.dtype).t(), alpha=self.scale).view(output.shape)

        def convolution(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            assert isinstance(layer, nn.Conv2d)
            inner = F.conv2d(inputs[0], down.to(output.dtype), None, layer.stride, layer.padding, layer.dilation)
            return output + F.conv2d(inner, up.to(output.dtype) * self.scale)

        return linear if down.ndim == 2 else convolution

    def remove(self) -> None:
        """Leave the model as it was."""
        for hook in self.hooks:
            hook.remove()


class Beside:
    """An adapter of a kind that is W + s · B A, in training."""

    def __init__(self, backbone: Backbone, plan: Plan) -> None:
        self.plan, self.kind = plan, KINDS[plan.kind]
        self.settings: dict[str, Any] = {"r": plan.size.rank, "lora_alpha": plan.size.alpha}
        self.settings |= {"use_rslora": True} if plan.kind == "rslora" else {}
        self.scale = scale_of(self.settings)
        self.taken: dict[str, Tensor] = {}  # frozen weights as they were before the start was taken out of them
        started = decomposed(backbone, plan) if self.kind.subtracts else gaussian(plan)
        self.low_rank = LowRank(plan.layers, plan.size.rank, self.scale, backbone.device)
        self.low_rank.start(started)
        self.flat = self.low_rank.flat
        if self.kind.subtracts:
            self._subtract(self.flat.detach().clone())

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint needs beside the flat vector: the start, where it stands in the frozen weights."""
        return {"start": self.origin} if self.kind.subtracts else {}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take `tensors()` of a checkpoint back."""
        if self.kind.subtracts:
            self._subtract(tensors["start"].to(self.flat.device))

    def write(self, path: Path) -> None:
        """Write the update of the untouched weights; with a start taken out: [B, −B0] [A; A0], of twice the rank."""
        factors: Factors = self.low_rank.factors
        settings = self.settings
        if self.kind.subtracts:
            begun = self.low_rank.pairs(self.origin)
            factors = {
                name: (torch.cat([down, begun[name][0]]), torch.cat([up, -begun[name][1]], dim=1))
                for name, (down, up) in factors.items()
            }
            settings = {"r": 2 * settings["r"], "lora_alpha": 2 * settings["lora_alpha"]}
        write_low_rank(path, by_letter(factors), settings, self.plan)

    def remove(self) -> None:
        """Give the model back unchanged."""
        self.low_rank.remove()
        with torch.no_grad():
            for name, weight in self.taken.items():
                weight_of(self.plan.layers[name]).copy_(weight)

    def _subtract(self, start: Tensor) -> None:
        self.origin = start
        with torch.no_grad():
            for name, (down, up) in self.low_rank.pairs(start).items():
                weight = weight_of(self.plan.layers[name])
                before = self.taken.setdefault(name, weight.clone())
                weight.copy_(before.float() - self.scale * (up @ down))
