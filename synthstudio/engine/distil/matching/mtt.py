"""MTT: matching training trajectories (Cazenavette et al. 2022, arXiv:2203.11932), in the form of constant memory.

A student starts where an expert stood after epoch t and takes N steps on the small set, theta <- theta − a·g_n. Then
L = ‖theta_N − expert_(t+M)‖² / ‖expert_t − expert_(t+M)‖². With the points theta_n held fixed (as TESLA, Cui et al.
2023, arXiv:2211.10586, and the GLaD code do), theta_N = expert_t − a·(g_1 + … + g_N) and each step pulls alone:
dL/dimages = sum over n of −2a·r·(dg_n/dimages) / ‖expert_t − expert_(t+M)‖², r = theta_N − expert_(t+M). The first pass
finds r, the second walks the same path again and keeps one step's graph at a time: memory does not grow with N.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from synthstudio.engine.distil.matching import Matching, Pull, Teaching
from synthstudio.engine.distil.siamese import draw
from synthstudio.engine.seeds import generator
from synthstudio.errors import BadInput

_STUDENT_BATCH = 256  # images of one student step
_MOMENTUM = 0.5  # of the learned rate
_SMALLEST_RATE = 1e-5


class TrajectoryMatching(Matching):
    """Learns the images, and beside them the student's learning rate."""

    name: ClassVar[str] = "mtt"

    def __init__(self, teaching: Teaching) -> None:
        super().__init__(teaching)
        if teaching.trajectories is None:
            raise BadInput("Matching trajectories needs experts. Run distil.experts on the same images first.")
        self.trajectories = teaching.trajectories
        if self.trajectories.epochs < teaching.expert_epochs:
            raise BadInput(
                f"The experts have {self.trajectories.epochs} epochs, fewer than expert_epochs = "
                f"{teaching.expert_epochs}. Ask for fewer, or train the experts longer."
            )
        self.skeleton = teaching.new_network(0).requires_grad_(False)
        self.rate = torch.tensor(teaching.student_rate)
        self.momentum = torch.zeros(())

    def pull(self, step: int, images: Tensor) -> Pull:
        """See `Matching.pull`."""
        start, target = self._endpoints(step)
        rate, steps = float(self.rate), self.teaching.student_steps
        flat = images.flatten(0, 1)
        walked = torch.zeros_like(start)
        for number in range(steps):
            walked += self._slope(start - rate * walked, flat, step, number)
        residual = start - rate * walked - target
        distance = (start - target).square().sum()
        direction = -2 * rate * residual / distance
        gradient, walked = torch.zeros_like(flat), torch.zeros_like(start)
        for number in range(steps):
            wanted = flat.detach().requires_grad_()
            slope = self._slope(start - rate * walked, wanted, step, number, differentiable=True)
            gradient += torch.autograd.grad(slope @ direction, wanted)[0]
            walked += slope.detach()
        told = torch.stack([residual.square().sum() / distance, -2 * (walked @ residual) / distance])
        loss, steep = told.tolist()
        self._learn_rate(steep)
        return Pull(loss, gradient.view_as(images), {"student_rate": float(self.rate)})

    def learned(self) -> dict[str, float]:
        """The rate at which the images are best learned from."""
        return {"student_rate": float(self.rate)}

    def state(self) -> dict[str, Tensor]:
        """The learned rate and its momentum."""
        return {"rate": self.rate, "momentum": self.momentum}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take the rate up again."""
        self.rate, self.momentum = state["rate"], state["momentum"]

    def _endpoints(self, step: int) -> tuple[Tensor, Tensor]:
        """Weights of a random expert after a random early epoch t, and after t + M."""
        chance = generator(self.teaching.seed, "expert", step)
        expert = int(torch.randint(len(self.trajectories.files), (1,), generator=chance))
        starts = min(self.teaching.latest_start, self.trajectories.epochs - self.teaching.expert_epochs + 1)
        epoch = int(torch.randint(starts, (1,), generator=chance))
        ends = (epoch, epoch + self.teaching.expert_epochs)
        first, last = (self.trajectories.flat(expert, one).to(self.teaching.device) for one in ends)
        return first, last

    def _slope(self, theta: Tensor, images: Tensor, step: int, number: int, differentiable: bool = False) -> Tensor:
        """Gradient of the loss of one student step at `theta`, as one vector. The same batch whenever it is asked."""
        chance = generator(self.teaching.seed, "student", step, number)
        each = self.teaching.images_per_class
        rows = torch.randperm(len(images), generator=chance)[:_STUDENT_BATCH]
        seen = draw(chance, self.teaching.operations, images=len(rows)).apply(images[rows])
        point = theta.detach().requires_grad_()
        with sdpa_kernel(SDPBackend.MATH):  # the fused attention has no second derivative
            logits = functional_call(self.skeleton, self.trajectories.named(point), (seen,))
            loss = F.cross_entropy(logits, (rows // each).to(logits.device))
            return torch.autograd.grad(loss, point, create_graph=differentiable)[0]

    def _learn_rate(self, slope: float) -> None:
        if slope == slope:  # a gradient that is no number ends the run elsewhere
            self.momentum = _MOMENTUM * self.momentum + slope
            moved = self.rate - self.teaching.rate_of_student_rate * self.momentum
            self.rate = moved.clamp(min=_SMALLEST_RATE)
