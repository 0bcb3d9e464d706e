"""Where training starts: factors of every layer."""

import torch
from torch import Tensor, nn

from synthstudio.engine.adapters.files import Factors
from synthstudio.engine.adapters.kinds import Plan
from synthstudio.engine.adapters.wrapped import injected, tuned_layers
from synthstudio.engine.backbones import Backbone
from synthstudio.engine.seeds import generator


def gaussian(plan: Plan) -> Factors:
    """peft's "gaussian" start: A from a normal with deviation 1/r, B zero. Drawn per layer, on the CPU."""
    rank = plan.size.rank
    shapes = {name: factor_shapes(layer, rank) for name, layer in plan.layers.items()}
    return {
        name: (torch.randn(down.shape, generator=generator(plan.size.seed, "lora", name)) / rank, torch.zeros(up.shape))
        for name, (down, up) in shapes.items()
    }


def decomposed(backbone: Backbone, plan: Plan) -> Factors:
    """peft's start from a decomposition of each weight: PiSSA (Meng et al. 2024) or OLoRA (Büyükakyüz 2024)."""
    found: dict[str, tuple[Tensor, Tensor]] = {}
    before = {name: weight_of(layer).clone() for name, layer in plan.layers.items()}
    try:
        with injected(backbone, plan.configs()) as models:
            for part, model in models.items():
                for name, layer in tuned_layers(model).items():
                    down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
                    found[f"{part}.{name}"] = (down.detach().clone(), up.detach().clone())
    finally:  # peft takes the start out of the weights
        with torch.no_grad():
            for name, weight in before.items():
                weight_of(plan.layers[name]).copy_(weight)
    return found


def factor_shapes(layer: nn.Module, rank: int) -> tuple[Tensor, Tensor]:
    """Empty tensors with the shapes of A and B, as peft has them."""
    if isinstance(layer, nn.Conv2d):
        a, b = (rank, layer.in_channels, *layer.kernel_size), (layer.out_channels, rank, 1, 1)
        return torch.empty(a, device="meta"), torch.empty(b, device="meta")
    assert isinstance(layer, nn.Linear)
    return torch.empty(rank, layer.in_features, device="meta"), torch.empty(layer.out_features, rank, device="meta")


def weight_of(layer: nn.Module) -> Tensor:
    """The weight of a layer that has one."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight
