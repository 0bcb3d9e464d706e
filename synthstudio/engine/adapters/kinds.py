"""The kinds of adapters: what each is to peft, and which layers it can change.

Left out of what peft offers: BOFT, which compiles a CUDA extension while a model loads, and with one factor is OFT with
a scale. Some kinds leave convolutions alone: peft's OFT of a convolution does not compute what it merges (0.21.2),
PiSSA and OLoRA decompose matrices, and VeRA has no convolution.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from peft import IA3Config, LoHaConfig, LoKrConfig, LoraConfig, OFTConfig, PeftConfig, VeraConfig
from torch import nn

from synthstudio.engine.backbones import Backbone

_PATHS_AFTER = ("ff.net.2", "fc2")  # where (IA)^3 scales what goes in, not what comes out


@dataclass(frozen=True)
class Size:
    """How large an adapter is: its rank r, its alpha, and the seed of what is drawn once and never trained."""

    rank: int
    alpha: float
    seed: int


@dataclass(frozen=True)
class Kind:
    """`configure` makes peft's configuration for layers of these names.

    `beside`: the update is s · B A, so hooks can run it. `subtracts`: its start is taken out of the frozen weights.
    """

    configure: Callable[[Size, Sequence[str]], PeftConfig]
    beside: bool = False
    subtracts: bool = False
    linear_only: bool = False
    low_rank: bool = False  # diffusers' own format of LoRA files holds it

    def layers(self, found: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
        """Of these layers the ones that this kind can change."""
        return {name: layer for name, layer in found.items() if not self.linear_only or isinstance(layer, nn.Linear)}


@dataclass(frozen=True)
class Plan:
    """An adapter to be trained: its kind and size, the layers it changes by full name, and how files name them.

    `targets` holds for each part what peft matches its layers by: endings of names, or whole names. `writer` is what
    diffusers writes LoRA files of this model with.
    """

    kind: str
    size: Size
    layers: Mapping[str, nn.Module]
    targets: dict[str, tuple[str, ...]]
    writer: Any = None

    def names(self, part: str) -> list[str]:
        """The adapted layers of a part, by their names inside it."""
        return [name.partition(".")[2] for name in sorted(self.layers) if name.startswith(f"{part}.")]

    def configs(self) -> dict[str, PeftConfig]:
        """peft's configuration for every part that has an adapted layer."""
        parts = sorted({name.partition(".")[0] for name in self.layers})
        return {part: KINDS[self.kind].configure(self.size, self.names(part)) for part in parts}


def plan(backbone: Backbone, kind: str, size: Size, targets: str, text_encoder: bool) -> Plan:
    """Which layers of this backbone an adapter of this kind will change."""
    found = backbone.adapter_layers(targets, text_encoder)
    layers = KINDS[kind].layers(found)
    chosen = Plan(kind, size, layers, {}, backbone.writer)
    for part in sorted({name.partition(".")[0] for name in layers}):
        whole = backbone.endings and {name for name in found if name.startswith(f"{part}.")} <= layers.keys()
        chosen.targets[part] = backbone.targets[part][targets] if whole else tuple(chosen.names(part))
    return chosen


def scale_of(settings: Mapping[str, Any]) -> float:
    """The factor s of B A that these settings of a LoRA mean: alpha / r, or alpha / √r (Kalajdzievski 2023)."""
    rank = settings["r"]
    return float(settings["lora_alpha"] / (math.sqrt(rank) if settings.get("use_rslora") else rank))


def _lora(**more: Any) -> Callable[[Size, Sequence[str]], PeftConfig]:
    def configure(size: Size, names: Sequence[str]) -> PeftConfig:
        return LoraConfig(r=size.rank, lora_alpha=size.alpha, target_modules=list(names), **more)

    return configure


def _loha(size: Size, names: Sequence[str]) -> PeftConfig:
    return LoHaConfig(r=size.rank, alpha=size.alpha, target_modules=list(names))


def _lokr(size: Size, names: Sequence[str]) -> PeftConfig:
    return LoKrConfig(r=size.rank, alpha=size.alpha, target_modules=list(names))


def _oft(size: Size, names: Sequence[str]) -> PeftConfig:
    return OFTConfig(r=0, oft_block_size=size.rank, target_modules=list(names))


def _vera(size: Size, names: Sequence[str]) -> PeftConfig:
    key = size.seed % 2**31
    return VeraConfig(r=size.rank, projection_prng_key=key, save_projection=True, target_modules=list(names))


def _ia3(_size: Size, names: Sequence[str]) -> PeftConfig:
    after = [name for name in names if name.endswith(_PATHS_AFTER)]
    return IA3Config(target_modules=list(names), feedforward_modules=after)


_START = "gaussian"
KINDS: Mapping[str, Kind] = {
    "lora": Kind(_lora(init_lora_weights=_START), beside=True, low_rank=True),
    "rslora": Kind(_lora(init_lora_weights=_START, use_rslora=True), beside=True, low_rank=True),
    "pissa": Kind(_lora(init_lora_weights="pissa"), beside=True, subtracts=True, linear_only=True, low_rank=True),
    "olora": Kind(_lora(init_lora_weights="olora"), beside=True, subtracts=True, linear_only=True, low_rank=True),
    "dora": Kind(_lora(init_lora_weights=_START, use_dora=True), low_rank=True),
    "loha": Kind(_loha),
    "lokr": Kind(_lokr),
    "oft": Kind(_oft, linear_only=True),
    "vera": Kind(_vera, linear_only=True),
    "ia3": Kind(_ia3),
}
