"""An adapter of any kind in the weights of a model, and out again.

Sampling merges: W + s·(W' − W), where W' is the adapted weight. It is the function that the adapter's layers compute,
without their cost. For a low-rank adapter that is W + s·(α/r)·B·A; every kind has its s, from the frozen model at 0 to
the adapter at 1, although what lies between two rotations on a line is no rotation.
"""

from collections.abc import Iterator, Mapping

import torch
from peft import PeftConfig, set_peft_model_state_dict
from torch import Tensor, nn

from synthstudio.engine.adapters.files import Adapter, LowRankAdapter, PeftAdapter
from synthstudio.engine.adapters.wrapped import injected, tuned_layers
from synthstudio.engine.backbones import Backbone
from synthstudio.errors import BadInput


def use_adapter(backbone: Backbone, key: object, adapter: Adapter | None, scale: float) -> None:
    """Have exactly this adapter merged into the backbone, whatever was there; none restores the base weights.

    `key` names adapter and scale: the same key again costs nothing. BadInput if the adapter is of another model; then
    nothing of it is left.
    """
    if backbone.adapter == key:
        return
    with torch.no_grad():
        weights = _weights(backbone)
        _restore(backbone, weights)
        try:
            for name, adapted in _adapted(backbone, adapter, scale) if adapter else ():
                backbone.base_weights[name] = weights[name].clone()
                weights[name].copy_(adapted)
        except BadInput:
            _restore(backbone, weights)
            raise
    backbone.adapter = key


def _restore(backbone: Backbone, weights: Mapping[str, Tensor]) -> None:
    for name, weight in backbone.base_weights.items():
        weights[name].copy_(weight)
    backbone.base_weights.clear()
    backbone.adapter = None
    backbone.forget_prompts()


def _adapted(backbone: Backbone, adapter: Adapter, scale: float) -> Iterator[tuple[str, Tensor]]:
    """The adapted weights by full name."""
    if isinstance(adapter, LowRankAdapter):
        return _low_rank(backbone, adapter, scale)
    return _by_peft(backbone, adapter, scale)


def _low_rank(backbone: Backbone, adapter: LowRankAdapter, scale: float) -> Iterator[tuple[str, Tensor]]:
    weights = _weights(backbone)
    for layer, (down, up) in adapter.factors.items():
        weight = weights.get(f"{layer}.weight")
        update = (up.flatten(1) @ down.flatten(1)).mul(scale * adapter.scale)
        if weight is None or update.numel() != weight.numel():
            raise _of_another(layer)
        yield f"{layer}.weight", weight.float() + update.view(weight.shape).to(weight.device)


def _by_peft(backbone: Backbone, adapter: PeftAdapter, scale: float) -> Iterator[tuple[str, Tensor]]:
    weights = _weights(backbone)
    layers = {f"{part}.{name}" for part, said in adapter.settings.items() for name in said["target_modules"]}
    for layer in sorted(layers):
        if f"{layer}.weight" not in weights:
            raise _of_another(layer)
    before = {name: weight.clone() for name, weight in weights.items() if name.rpartition(".")[0] in layers}
    try:
        merged = _merged(backbone, adapter)
    finally:
        for name, weight in before.items():
            weights[name].copy_(weight)
    for name, weight in merged.items():
        yield name, before[name].float() + scale * (weight.float() - before[name].float())


def _merged(backbone: Backbone, adapter: PeftAdapter) -> dict[str, Tensor]:
    """The weights and biases that the adapter changes, as peft merges them."""
    configs = {part: PeftConfig.from_peft_type(**settings) for part, settings in adapter.settings.items()}
    merged: dict[str, Tensor] = {}
    with injected(backbone, configs) as models:
        for part, model in models.items():
            try:
                set_peft_model_state_dict(model, dict(adapter.tensors[part]))
            except RuntimeError as error:
                raise _of_another(part) from error
            for name, layer in tuned_layers(model).items():
                layer.merge()
                base = layer.get_base_layer()
                merged |= {f"{part}.{name}.{one}": weight.clone() for one, weight in _own(base)}
    return merged


def _own(layer: nn.Module) -> list[tuple[str, Tensor]]:
    return list(layer.named_parameters(recurse=False))


def _weights(backbone: Backbone) -> dict[str, Tensor]:
    """Every weight an adapter may change, by full name."""
    return {
        f"{part}.{name}": weight
        for part, module in backbone.modules.items()
        for name, weight in module.named_parameters()
    }


def _of_another(where: str) -> BadInput:
    return BadInput(
        f"The adapter does not fit {where} of this backbone: it was trained on another one. "
        "Choose the backbone it was trained on, or train an adapter for this one."
    )
