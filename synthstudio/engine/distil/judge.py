"""What a small set teaches: a network from scratch on it, the same way for every set, and its answers.

The protocol of a fair comparison: the same number of optimiser steps whatever the number of images, the network as it
is after the last step, no choice by any test image, hard labels; or, for every set alike, the soft labels of a teacher.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from synthstudio.engine.batches import chosen, only
from synthstudio.engine.distil.networks import Network, make_network
from synthstudio.engine.distil.real import Normalisation
from synthstudio.engine.distil.siamese import draw
from synthstudio.engine.seeds import generator
from synthstudio.engine.updates import Updates
from synthstudio.errors import BadInput

_ASKED_AT_ONCE = 256
_TEMPERATURE = 20.0
_DEEP = ("resnet18", "vgg11", "vit")  # unstable at the rate that teaches the others


@dataclass(frozen=True)
class Training:
    """How every network of a comparison is trained. `operations` are the augmentations, one drawn per step."""

    steps: int
    batch_size: int
    width: int
    learning_rate: float = 3e-3
    operations: tuple[str, ...] = ()
    zoom: float = 1.0  # least share of an image's area in an enlarged crop; 1: no such crops
    teacher: Network | None = None  # what it answers for every augmented batch takes the place of the labels
    device: torch.device = torch.device("cpu")
    at_once: int = 0  # images that pass together; 0: a whole batch
    notes: list[str] = field(default_factory=list, compare=False)  # sentences for whoever follows the training


def train(
    architecture: str, pixels: Tensor, places: Tensor, classes: int, how: Training, scale: Normalisation, seed: int
) -> Network:
    """A network trained on bytes (N, 3, S, S) with labels (N,), on the device of `how`: a function of its arguments.

    AdamW with a cosine to zero: with few steps SGD leaves networks without norms (AlexNet) untrained. Deep ones
    take a third of the rate. In float32 on every device, so that what it answers does not depend on the card.
    Raises BadInput if the loss is no longer a number.
    """
    network = make_network(
        architecture, channels=3, classes=classes, image_size=pixels.shape[-1], width=how.width, seed=seed
    ).to(how.device)
    optimizer = _optimizer(network, architecture, how.learning_rate)
    size = min(len(pixels), how.batch_size)
    updates = Updates(list(network.parameters()), optimizer, torch.float32, size, how.at_once, None)
    images, places = pixels.to(how.device), places.to(how.device)
    if size == len(images):  # every step shows all of them
        images = _unit(images, scale)
    network.train()
    for step in range(how.steps):
        shown, labels = _batch(images, places, how, scale, seed, step)
        share = 0.5 * (1 + math.cos(math.pi * step / how.steps))
        for group in updates.optimizer.param_groups:
            group["lr"] = group["peak"] * share
        loss, _ = updates.backward(partial(_loss, network, shown, labels, how.teacher))
        updates.step()
    how.notes.extend(note for note in updates.notes if note not in how.notes)
    if not torch.isfinite(loss):
        raise BadInput(f"The loss of {architecture} is not a number after {how.steps} steps. Lower learning_rate.")
    return network.eval()


@torch.inference_mode()
def answers(network: Network, pixels: Tensor, scale: Normalisation) -> list[int]:
    """The class each of these images (N, 3, S, S), bytes, is taken for."""
    device = network.device
    found = [network(scale.apply(some.to(device).float() / 255)).argmax(1) for some in pixels.split(_ASKED_AT_ONCE)]
    return torch.cat(found).tolist()


def _unit(pixels: Tensor, scale: Normalisation) -> Tensor:
    """Bytes as networks see them; float images are what they are."""
    return scale.apply(pixels.float() / 255) if pixels.dtype == torch.uint8 else pixels


def _loss(
    network: Network, shown: Tensor, labels: Tensor, teacher: Network | None, rows: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of rows of a batch with the labels, or with a teacher's answers at temperature 20.

    Soft labels are those of RDED (Sun et al. 2024).
    """
    shown, labels = only(rows, (shown, labels))
    logits = network(shown)
    if teacher is None:
        loss = F.cross_entropy(logits, labels)
    else:
        with torch.no_grad():
            soft = (teacher(shown) / _TEMPERATURE).softmax(1)
        loss = F.cross_entropy(logits / _TEMPERATURE, soft) * _TEMPERATURE
    return loss, loss


def _batch(
    images: Tensor, places: Tensor, how: Training, scale: Normalisation, seed: int, step: int
) -> tuple[Tensor, Tensor]:
    """All images if they fit into a batch, else the next ones of shuffled passes; augmented, each in its own way."""
    if len(images) > how.batch_size:
        rows = chosen(seed, "judged", len(images), step, how.batch_size)
        images, places = images[rows], places[rows]
    images = _unit(images, scale)
    if how.zoom < 1:
        images = enlarged(images, torch.rand((len(images), 3), generator=generator(seed, "zoom", step)), how.zoom)
    if how.operations:
        images = draw(generator(seed, "augmentation", step), how.operations, len(images)).apply(images)
    return images, places


def enlarged(images: Tensor, numbers: Tensor, smallest: float) -> Tensor:
    """A square of each image, of at least this share of its area, enlarged to the whole."""
    numbers = numbers.to(images.device)
    half = (smallest + (1 - smallest) * numbers[:, 0]).sqrt()
    x, y = ((1 - half) * (2 * numbers[:, axis] - 1) for axis in (1, 2))
    zero = torch.zeros_like(half)
    matrices = torch.stack([torch.stack([half, zero, x], 1), torch.stack([zero, half, y], 1)], 1)
    grid = F.affine_grid(matrices, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _optimizer(network: Network, architecture: str, rate: float) -> torch.optim.Optimizer:
    peak = rate / 3 if architecture in _DEEP else rate
    return torch.optim.AdamW([{"params": network.parameters(), "peak": peak}], lr=peak, weight_decay=0.01)


def operations(augmented: bool, flip: bool) -> tuple[str, ...]:
    """The augmentations of a training: none, or all of the Siamese family; mirror images only where they are safe."""
    if not augmented:
        return ()
    return ("color", "crop", "cutout", *(("flip",) if flip else ()), "scale", "rotate")


def places_of(labels: Sequence[str], wanted: Sequence[str]) -> Tensor:
    """The place of each wanted label among all labels."""
    known = {label: place for place, label in enumerate(labels)}
    return torch.tensor([known[label] for label in wanted])
