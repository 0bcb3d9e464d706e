"""DC and DSA: gradient matching (Zhao, Mopuri and Bilen 2021, arXiv:2006.05929; Zhao and Bilen 2021, arXiv:2102.08259).

For each class and each weight matrix, D = sum over output units of 1 − cos(gradient on real, gradient on synthetic).
A network lives for `outer` updates of the images; in between it learns from them for `inner` epochs.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from synthstudio.engine.distil.class_gradients import class_gradients
from synthstudio.engine.distil.matching import Matching, Pull, Teaching, apply_by_class, in_groups
from synthstudio.engine.distil.networks import Network
from synthstudio.engine.distil.siamese import draw
from synthstudio.engine.seeds import generator

_PUBLISHED = {1: (1, 1), 10: (10, 50), 20: (20, 25), 30: (30, 20), 40: (40, 15), 50: (50, 10)}  # by images per class
_INNER_BATCH = 256


def cosine_distance(real: Tensor, synthetic: Tensor) -> Tensor:
    """Sum over classes and output units of 1 − cos, for gradients (C, out, rest)."""
    lengths = real.norm(dim=-1) * synthetic.norm(dim=-1) + 1e-6
    return (1 - (real * synthetic).sum(-1) / lengths).sum()


def published_loops(images_per_class: int) -> tuple[int, int]:
    """(outer, inner) of the publication; between its entries, those of the next smaller."""
    return _PUBLISHED[max(known for known in _PUBLISHED if known <= images_per_class)]


class GradientMatching(Matching):
    """Classes go through in groups: one forward, one backward and one double backward for each group."""

    name: ClassVar[str] = "dc"

    def __init__(self, teaching: Teaching) -> None:
        super().__init__(teaching)
        outer, inner = published_loops(teaching.images_per_class)
        self.outer = outer if teaching.outer is None else teaching.outer
        self.inner = inner if teaching.inner is None else teaching.inner
        self.network: Network | None = None

    def pull(self, step: int, images: Tensor) -> Pull:
        """See `Matching.pull`."""
        teaching = self.teaching
        network = self._network(step)
        augmentations = teaching.augmentations(step)
        real = apply_by_class(augmentations, teaching.real_batches(step))
        classes = torch.arange(teaching.classes, device=teaching.device)
        losses, gradient = [], torch.empty_like(images)
        for some in in_groups(teaching.classes, max(1, teaching.images_at_once // images.shape[1])):
            targets = class_gradients(network, real[some], classes[some], teaching.images_at_once)
            synthetic = images[some].detach().requires_grad_()
            seen = apply_by_class(augmentations[some], synthetic)
            found = class_gradients(network, seen, classes[some], differentiable=True)
            distance = torch.stack([cosine_distance(r, s) for r, s in zip(targets, found, strict=True)]).sum()
            gradient[some] = torch.autograd.grad(distance, synthetic)[0]
            losses.append(distance.detach())
        return Pull(sum(torch.stack(losses).tolist()), gradient)

    def wants_images_after(self, step: int) -> bool:
        """Unless the network has served its time."""
        return self.inner > 0 and (step + 1) % self.outer != 0

    def follow(self, step: int, images: Tensor) -> None:
        """Train the network on the images: plain SGD, shuffled passes."""
        network = self._network(step)
        flat = images.flatten(0, 1)
        labels = torch.arange(self.teaching.classes, device=flat.device).repeat_interleave(images.shape[1])
        for epoch in range(self.inner):
            chance = generator(self.teaching.seed, "inner", step, epoch)
            for rows in torch.randperm(len(flat), generator=chance).split(_INNER_BATCH):
                seen = draw(chance, self.teaching.operations, images=len(rows)).apply(flat[rows])
                _descend(network, F.cross_entropy(network(seen), labels[rows]), self.teaching.network_rate)

    def state(self) -> dict[str, Tensor]:
        """The network between two of its updates."""
        return {} if self.network is None else dict(self.network.state_dict())

    def load(self, state: dict[str, Tensor]) -> None:
        """Take the network up again."""
        if state:
            self.network = self.teaching.new_network(0)
            self.network.load_state_dict(state)

    def _network(self, step: int) -> Network:
        if self.network is None or step % self.outer == 0:
            self.network = self.teaching.new_network(step // self.outer)
        return self.network


def _descend(network: Network, loss: Tensor, rate: float) -> None:
    parameters = list(network.parameters())
    with torch.no_grad():
        for parameter, slope in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.sub_(rate * slope)
