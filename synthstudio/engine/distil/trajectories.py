"""Experts: networks trained on the real images, and a snapshot of their weights after every epoch.

One safetensors file per expert; each parameter is stored once, as (epochs + 1, *shape) with the start first. A snapshot
is a copy: the published code keeps references on the CPU, and every snapshot is then the final one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor

from synthstudio import weightfile
from synthstudio.engine.batches import only
from synthstudio.engine.distil.networks import Network, make_network
from synthstudio.engine.distil.real import RealImages
from synthstudio.engine.distil.siamese import draw
from synthstudio.engine.seeds import generator
from synthstudio.engine.tensors import plain
from synthstudio.engine.updates import Updates
from synthstudio.errors import BadInput
from synthstudio.seeds import derived_seed


@dataclass(frozen=True)
class Schooling:
    """How experts are trained: plain SGD, constant rate, no momentum and no decay, as published."""

    network: str
    width: int
    epochs: int
    learning_rate: float = 0.01
    batch_size: int = 256
    operations: tuple[str, ...] = ()
    seed: int = 0

    def updates(self, images: int) -> int:
        """Optimiser updates of one expert."""
        return self.epochs * -(-images // self.batch_size)

    def start(self, real: RealImages, expert: int) -> Network:
        """The untrained network of an expert."""
        return make_network(
            self.network,
            channels=3,
            classes=len(real.labels),
            image_size=real.size,
            width=self.width,
            seed=derived_seed(self.seed, "expert", expert),
        )

    def bytes_per_expert(self, real: RealImages) -> int:
        """Size of one expert's file, without its header."""
        return 4 * (self.epochs + 1) * sum(p.numel() for p in self.start(real, 0).parameters())


@dataclass(frozen=True)
class Epoch:
    """After an epoch: the mean training loss of its batches, and copies of all parameters on the CPU."""

    number: int
    loss: float
    parameters: dict[str, Tensor]
    notes: tuple[str, ...] = ()  # sentences for whoever follows


def school(
    real: RealImages, schooling: Schooling, expert: int, device: torch.device, at_once: int = 0
) -> Iterator[Epoch]:
    """Train one expert; yields its start and then every epoch. A function of (seed, expert).

    In float32 on every device, as the students are that will follow it. At most `at_once` images (0: a batch) pass
    together.
    """
    network = schooling.start(real, expert).to(device)
    parameters = list(network.parameters())
    updates = Updates(parameters, None, torch.float32, min(schooling.batch_size, len(real.places)), at_once, None)
    places = real.places
    yield Epoch(0, float("nan"), snapshot(network))
    for epoch in range(1, schooling.epochs + 1):
        chance = generator(schooling.seed, "expert", expert, epoch)
        losses = []
        for rows in torch.randperm(len(places), generator=chance).split(schooling.batch_size):
            images = real.normalisation.apply(real.unit(rows)).to(device)
            seen = draw(chance, schooling.operations, images=len(rows)).apply(images)
            losses.append(updates.backward(partial(_loss, network, seen, places[rows].to(device)), len(rows))[0])
            with torch.no_grad():
                for parameter in parameters:
                    assert parameter.grad is not None
                    parameter.sub_(schooling.learning_rate * parameter.grad)
        mean = sum(torch.stack(losses).tolist()) / len(losses)  # read once per epoch: reading waits for the device
        if not mean < float("inf"):
            raise BadInput(f"Expert {expert + 1} lost its numbers in epoch {epoch}. Lower learning_rate.")
        yield Epoch(epoch, mean, snapshot(network), tuple(updates.notes))
        updates.notes.clear()


def _loss(network: Network, seen: Tensor, places: Tensor, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Cross-entropy of rows of a batch."""
    seen, places = only(rows, (seen, places))
    loss = F.cross_entropy(network(seen), places)
    return loss, loss


def snapshot(network: Network) -> dict[str, Tensor]:
    """Copies of the parameters, which later training leaves alone."""
    return {name: parameter.detach().to("cpu", copy=True) for name, parameter in network.named_parameters()}


def write(path: Path, epochs: Sequence[Epoch]) -> None:
    """One expert's file; it appears complete or not at all."""
    names = epochs[0].parameters
    stacked = {name: torch.stack([epoch.parameters[name] for epoch in epochs]) for name in names}
    weightfile.write(path, {name: plain(tensor) for name, tensor in stacked.items()}, {"epochs": str(len(epochs) - 1)})


class Trajectories:
    """The experts of a set, read one snapshot at a time."""

    def __init__(self, files: Sequence[Path], network: Network) -> None:
        self.files = tuple(files)
        self.shapes = {name: parameter.shape for name, parameter in network.named_parameters()}
        self.epochs = min(int(weightfile.read_header(file).metadata.get("epochs", "0")) for file in files)
        for file in files:
            found = {n: torch.Size(e["shape"][1:]) for n, e in weightfile.read_header(file).tensors.items()}
            if found != self.shapes:
                raise BadInput(f"{file.name} holds another network than the one to be taught. Train experts for it.")

    def flat(self, expert: int, epoch: int) -> Tensor:
        """All parameters of an expert after an epoch, as one vector."""
        with safe_open(self.files[expert], framework="pt") as file:
            return torch.cat([file.get_slice(name)[epoch].flatten() for name in self.shapes])

    def named(self, flat: Tensor) -> dict[str, Tensor]:
        """Views of such a vector by parameter name."""
        sizes = [shape.numel() for shape in self.shapes.values()]
        parts = flat.split(sizes)
        return {name: part.view(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}
