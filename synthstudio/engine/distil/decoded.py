"""What the forms share whose images come out of a frozen decoder: GLaD without a GAN.

GLaD (Cazenavette et al. 2023, arXiv:2305.01649) optimises a feature inside a StyleGAN. Here the decoder is that of the
backbone's autoencoder, which knows no classes, so it serves any data set; or a generator that a person brings. `level`
is the dial between prior and freedom: 0 optimises latents, n what the n-th stage gives, the last is close to pixels.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from synthstudio.engine.distil.form import Form
from synthstudio.engine.seeds import normal
from synthstudio.errors import BadInput

_PIXELS_AT_ONCE = 1 << 15  # decoded together on a CPU: 8 images of 64 px
_ON_A_CARD = 1 << 19  # the same on an accelerator: 2 images of 512 px, 128 of 64


class Decoded(Form):
    """A form whose images come out of a decoder cut into stages; the variables enter stage `level`."""

    device: torch.device

    def __init__(
        self,
        stages: Sequence[Callable[[Tensor], Tensor]],
        latent: tuple[int, int, int],
        level: int,
        made: int,
        size: int,
    ) -> None:
        """`made` is the side the decoder gives, `size` the side that is wanted."""
        if not 0 <= level < len(stages):
            raise BadInput(f"Level {level} is beyond this decoder; its levels go from 0 to {len(stages) - 1}.")
        self.stages, self.latent, self.level, self.size = tuple(stages), latent, level, size
        self.chunk = max(1, (_PIXELS_AT_ONCE if self.device.type == "cpu" else _ON_A_CARD) // made**2)

    def decode(self, variables: Tensor) -> Tensor:
        """See `Form.decode`."""
        for stage in self.stages[self.level :]:
            variables = stage(variables)
        return resized(variables / 2 + 0.5, self.size)

    def noise(self, count: int, chance: torch.Generator) -> Tensor:
        """Normal latents, taken to the level."""
        return self._to_level(normal((count, *self.latent), chance, self.device))

    @torch.no_grad()
    def _to_level(self, latents: Tensor) -> Tensor:
        found = []
        for part in latents.split(self.chunk):
            reached = part
            for stage in self.stages[: self.level]:
                reached = stage(reached)
            found.append(reached)
        return torch.cat(found)

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """See `Form.encode`."""


def resized(images: Tensor, size: int) -> Tensor:
    """Square images at another size: mean over areas when it divides, else smoothly with antialiasing."""
    now = images.shape[-1]
    if now == size:
        return images
    if now % size == 0:
        return F.avg_pool2d(images, now // size)
    return F.interpolate(images, size=(size, size), mode="bicubic", antialias=True, align_corners=False)
