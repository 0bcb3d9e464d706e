"""Matching losses: what a small set has to have in common with the real one.

A loss is one file called by its name with a subclass of `Matching`, one import line at the end of this file, and one
test; `distil.match` offers every file of this folder. It is asked for its pull on the images, step by step, and never
sees how the images are made.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from synthstudio.engine.distil.networks import Network, make_network
from synthstudio.engine.distil.real import RealImages
from synthstudio.engine.distil.siamese import Augmentation, draw
from synthstudio.engine.seeds import generator
from synthstudio.seeds import derived_seed

if TYPE_CHECKING:
    from synthstudio.engine.distil.trajectories import Trajectories
    from synthstudio.engine.encoders import Encoder

METHODS: dict[str, type["Matching"]] = {}
_CACHE = 4 << 20  # bytes of one layer's activations on a CPU: larger batches leave its cache and take twice as long
_ACCELERATOR = 1 << 30  # the same on an accelerator, where larger is better until memory ends


@dataclass(frozen=True)
class Teaching:
    """What the methods read. Fields of one method only say so; `outer` and `inner` of None follow the publication."""

    real: RealImages
    images_per_class: int
    seed: int = 0
    network: str = "convnet"
    width: int = 32
    real_batch: int = 64
    operations: tuple[str, ...] = ()
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    outer: int | None = None  # DC: updates of the images per network
    inner: int | None = None  # DC: epochs a network learns from the images between two updates
    network_rate: float = 0.01  # DC: learning rate of these epochs
    encoder: "Encoder | None" = None  # DM: frozen features in the place of random networks
    trajectories: "Trajectories | None" = None  # MTT
    student_steps: int = 20  # MTT: N
    expert_epochs: int = 2  # MTT: M
    latest_start: int = 5  # MTT: an expert's epoch the student starts from lies below this
    student_rate: float = 0.01  # MTT: where the learned rate starts
    rate_of_student_rate: float = 1e-5  # MTT: step size of the learned rate

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.real.labels)

    def new_network(self, number: int) -> Network:
        """The `number`-th random network of a run, on the device, in evaluation mode."""
        seed = derived_seed(self.seed, "network", number)
        made = make_network(
            self.network, channels=3, classes=self.classes, image_size=self.real.size, width=self.width, seed=seed
        )
        return made.to(self.device).eval()

    def real_batches(self, step: int) -> Tensor:
        """Normalised real images of a step, (classes, batch, 3, S, S), on the device."""
        return self.real.batch(self.seed, step, self.real_batch).to(self.device)

    def augmentations(self, step: int) -> list[Augmentation]:
        """One draw per class, to be applied to the real and to the synthetic images of that class."""
        chance = generator(self.seed, "siamese", step)
        return [draw(chance, self.operations) for _ in range(self.classes)]

    @property
    def images_at_once(self) -> int:
        """Images whose widest activations fit the cache of a CPU, or the memory of an accelerator."""
        budget = _CACHE if self.device.type == "cpu" else _ACCELERATOR
        return max(1, budget // (4 * self.width * self.real.size**2))


@dataclass(frozen=True)
class Pull:
    """The loss, its gradient with respect to the normalised images, and numbers worth a curve."""

    loss: float
    gradient: Tensor
    values: dict[str, float] = field(default_factory=dict)


class Matching(ABC):
    """One matching loss. `step` counts updates of the images; everything random is a function of (seed, step)."""

    name: ClassVar[str]

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        METHODS[cls.name] = cls

    def __init__(self, teaching: Teaching) -> None:
        self.teaching = teaching

    @abstractmethod
    def pull(self, step: int, images: Tensor) -> Pull:
        """Loss and gradient at normalised images (classes, per class, 3, S, S)."""

    def wants_images_after(self, step: int) -> bool:
        """Whether `follow` is to be called once the images have moved."""
        return False

    def follow(self, step: int, images: Tensor) -> None:
        """Learn from the moved images what the next step needs."""
        return

    def learned(self) -> dict[str, float]:
        """What was learned beside the images and belongs to them, such as the student's learning rate."""
        return {}

    def state(self) -> dict[str, Tensor]:
        """What a resumed run needs besides the images."""
        return {}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take up what `state` gave."""
        return


def apply_by_class(augmentations: Sequence[Augmentation], images: Tensor) -> Tensor:
    """Images (classes, n, 3, S, S), each class under its own augmentation."""
    return torch.stack([one.apply(part) for one, part in zip(augmentations, images, strict=True)])


def in_groups(count: int, size: int) -> Iterator[slice]:
    """0 … count in runs of at most `size`."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


# The table of methods: one line per loss, at the end because each needs Matching.
from synthstudio.engine.distil.matching import dc, dm, mtt  # noqa: E402, F401
