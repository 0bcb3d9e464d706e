"""Low-rank updates of the weights of a CLIP model: W + (alpha / rank) · B A (LoRA; Hu et al. 2022).

Why not peft. CLIP towers read weights without calling their modules: `nn.MultiheadAttention` holds q, k, v packed in
`in_proj_weight`, newer open_clip has its own `Attention` with the same raw parameter, and the attention pool of a
residual tower hands `q_proj.weight` to a function. A wrapper around a Linear inside them is silently skipped, and
peft's wrapper for `nn.MultiheadAttention` adapts in_proj and out_proj together or not at all, without dropout. Here the
update is added to the *weight*, by name, and the model is called with the sum (`torch.func.functional_call`): one rule
for every layout, q, k and v each with their own factors, the shared model never changed, and nothing to unmerge.

Speed. The sum costs rank · |W| per step, whatever the batch, where a wrapper pays two more layers per image; the price
is a full gradient of W. tests/benchmarks/classifier_speed.py measures both.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from synthstudio.engine.seeds import generator
from synthstudio.errors import BadInput

_ATTENTION = {"attn", "attnpool", "self_attn", "attention", "self"}
_PACKED = ("in_proj_weight", "qkv.weight")


@dataclass(frozen=True)
class Target:
    """One adapted weight. Packed q, k, v weights have three parts; a convolution's kernel is flattened."""

    name: str
    parts: int
    rows: int
    columns: int

    def factors(self, rank: int) -> tuple[int, tuple[int, int, int], tuple[int, int, int]]:
        """The rank used, and the shapes of A and B."""
        used = min(rank, self.rows, self.columns)
        return used, (self.parts, used, self.columns), (self.parts, self.rows, used)


def targets_of(model: nn.Module, which: str, depth: int | None) -> tuple[Target, ...]:
    """The weights to adapt, in order of name: `attention` in both towers, or `all` linear and convolution weights.

    `depth` keeps only the last so many blocks of the image tower; the text tower is always adapted whole.
    """
    named = {name: weight for name, weight in model.named_parameters() if _is_target(model, name, weight, which)}
    places = sorted({_place(name) for name in named if name.startswith("visual.")})
    kept = set(places if depth is None else places[-depth:])
    targets = tuple(
        _target(name, tuple(weight.shape))
        for name, weight in sorted(named.items())
        if not name.startswith("visual.") or _place(name) in kept
    )
    for tower, seen in (("image", True), ("text", False)):
        if not any(target.name.startswith("visual.") == seen for target in targets):
            raise BadInput(f"No layer of the {tower} tower can take a LoRA. Choose targets 'all' or another encoder.")
    return targets


def adapts_pictures(model: nn.Module, which: str) -> bool:
    """Whether the image tower has a layer that `which` means: one of convolutions alone has no attention."""
    return any(
        name.startswith("visual.") and _is_target(model, name, weight, which)
        for name, weight in model.named_parameters()
    )


class LowRank:
    """The trainable factors of all targets, in one flat vector: one tensor to optimise, to save, to compare."""

    def __init__(self, targets: Sequence[Target], rank: int, alpha: float, dropout: float = 0.0) -> None:
        self.targets = tuple(targets)
        self.scale, self.dropout, self.rank = alpha / rank, dropout, rank
        self.flat = nn.Parameter(torch.zeros(sum(self._size(t) for t in self.targets)))

    def _size(self, target: Target) -> int:
        _, down, up = target.factors(self.rank)
        return prod(down) + prod(up)

    def to(self, device: torch.device) -> None:
        """Move the factors; before an optimiser or a view of them exists."""
        self.flat = nn.Parameter(self.flat.detach().to(device))

    def initialise(self, seed: int) -> None:
        """A uniform as Kaiming for a linear layer, B zero: training starts at the frozen model."""
        with torch.no_grad():
            for target, (down, up) in self.factors().items():
                bound = target.columns**-0.5
                down.uniform_(-bound, bound, generator=generator(seed, "lora", target.name))
                up.zero_()

    def factors(self) -> dict[Target, tuple[Tensor, Tensor]]:
        """A (parts, rank, columns) and B (parts, rows, rank) of every target, as views of the flat vector."""
        views, start = {}, 0
        for target in self.targets:
            _, down, up = target.factors(self.rank)
            middle, end = start + prod(down), start + prod(down) + prod(up)
            views[target] = (self.flat[start:middle].view(down), self.flat[middle:end].view(up))
            start = end
        return views

    def weights(self, model: nn.Module, drop: torch.Generator | None = None) -> dict[str, Tensor]:
        """The adapted weights by name. With a generator, LoRA dropout: one mask of input features for a whole batch."""
        base = dict(model.named_parameters())
        adapted = {}
        for target, (down, up) in self.factors().items():
            if drop is not None and self.dropout:
                kept = (torch.rand((target.parts, 1, target.columns), generator=drop) >= self.dropout).to(down)
                down = down * (kept / (1 - self.dropout))
            update = torch.bmm(up, down)
            weight = base[target.name]
            adapted[target.name] = weight + self.scale * update.reshape(weight.shape)
        return adapted

    def tensors(self) -> dict[str, Tensor]:
        """The factors under names a file can keep."""
        named = {}
        for target, (down, up) in self.factors().items():
            named[f"{target.name}.lora_A"] = down.detach().cpu().contiguous().clone()
            named[f"{target.name}.lora_B"] = up.detach().cpu().contiguous().clone()
        return named

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take the factors of `tensors()` back."""
        with torch.no_grad():
            for target, (down, up) in self.factors().items():
                down.copy_(tensors[f"{target.name}.lora_A"])
                up.copy_(tensors[f"{target.name}.lora_B"])


def _is_target(model: nn.Module, name: str, weight: Tensor, which: str) -> bool:
    if weight.ndim < 2 or not name.endswith("weight"):
        return False
    owner = model.get_submodule(name.rpartition(".")[0])
    packed = name.endswith(_PACKED[0])
    if not packed and not isinstance(owner, nn.Linear | nn.Conv2d):
        return False
    return which == "all" or bool(_ATTENTION & set(name.split(".")))


def _target(name: str, shape: tuple[int, ...]) -> Target:
    rows, columns = shape[0], prod(shape[1:])
    if name.endswith(_PACKED) and rows % 3 == 0:
        return Target(name, 3, rows // 3, columns)
    return Target(name, 1, rows, columns)


def _place(name: str) -> int:
    """How far along the image tower a weight stands: 0 for the stem, then layer or block, the pool and head last."""
    if found := re.match(r"visual\.(?:\w+\.)*?(?:resblocks|blocks|stages)\.(\d+)\.", name):
        return int(found[1]) + 1
    if found := re.match(r"visual\.layer(\d)\.", name):
        return int(found[1])
    return 10_000 if "pool" in name or "head" in name or "proj" in name.split(".")[1] else 0
