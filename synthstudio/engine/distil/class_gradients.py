"""The loss gradient of every class with respect to the weight matrices of a network, from one backward pass.

A backward pass to the outputs of the layers serves all classes, because an image's signal does not depend on its
neighbours: these networks have no batch statistics. What differs by class is only the last product, of a layer's inputs
with the signal at its outputs. Weights are those of convolutions and linear layers; one-dimensional parameters (biases,
norms) are left out, as gradient matching leaves them out.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.hooks import RemovableHandle

_Seen = list[tuple[nn.Conv2d | nn.Linear, Tensor, Tensor]]


def class_gradients(
    network: nn.Module, images: Tensor, classes: Tensor, at_once: int = 0, differentiable: bool = False
) -> list[Tensor]:
    """Per weight layer (C, out, rest): the gradient of the mean cross-entropy of each class.

    `images` are (C, n, 3, S, S), `classes` (C,) their class numbers. Not `differentiable`: the images go through
    `at_once` at a time (0: all) and no graph is kept. Equal to a loop of `autograd.grad` over the classes.
    """
    count, each = images.shape[:2]
    flat, targets = images.flatten(0, 1), classes.repeat_interleave(each)
    size = len(flat) if differentiable or not at_once else at_once
    totals: list[Tensor] = []
    for start in range(0, len(flat), size):
        end = min(start + size, len(flat))
        seen = _signals(network, flat[start:end], targets[start:end], each, differentiable)
        owners = range(start // each, (end - 1) // each + 1)
        cuts = [slice(max(start, c * each) - start, min(end, (c + 1) * each) - start) for c in owners]
        parts = [torch.stack([_product(layer, a[cut], g[cut]) for cut in cuts]) for layer, a, g in seen]
        if size == len(flat):
            return parts
        if not totals:
            totals = [part.new_zeros((count, *part.shape[1:])) for part in parts]
        for total, part in zip(totals, parts, strict=True):
            total[owners.start : owners.stop] += part
    return totals


def _signals(network: nn.Module, images: Tensor, targets: Tensor, each: int, differentiable: bool) -> _Seen:
    """Inputs of every weight layer, and the gradient of the summed class means at its outputs."""
    seen: _Seen = []
    with _watching(network, seen), sdpa_kernel(SDPBackend.MATH):  # the fused attention has no second derivative
        loss = F.cross_entropy(network(images), targets, reduction="sum") / each
        signals = torch.autograd.grad(loss, [out for _, _, out in seen], create_graph=differentiable)
    if not differentiable:
        return [(layer, into.detach(), g) for (layer, into, _), g in zip(seen, signals, strict=True)]
    return [(layer, into, g) for (layer, into, _), g in zip(seen, signals, strict=True)]


@contextmanager
def _watching(network: nn.Module, seen: _Seen) -> Iterator[None]:
    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        seen.append((layer, inputs[0], output))

    hooks: list[RemovableHandle] = [
        layer.register_forward_hook(note)
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.weight.requires_grad
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _product(layer: nn.Conv2d | nn.Linear, inputs: Tensor, signal: Tensor) -> Tensor:
    """The weight gradient (out, rest) of one class."""
    if isinstance(layer, nn.Linear):
        return signal.flatten(0, -2).t() @ inputs.flatten(0, -2)
    found = torch.ops.aten.convolution_backward(
        signal, inputs, layer.weight.detach(), None, layer.stride, layer.padding, layer.dilation, False, [0, 0],
        layer.groups, [False, True, False],
    )[1]  # fmt: skip
    return found.flatten(1)
