"""Latents of a frozen decoder, or the feature after some of its blocks: GLaD without a GAN.

GLaD (Cazenavette et al. 2023, arXiv:2305.01649) optimises a feature inside a StyleGAN. Here the decoder is that of the
backbone's autoencoder, which knows no classes, so it serves any data set; or a generator that a person brings. `level`
is the dial between prior and freedom: 0 optimises latents, n what the n-th stage gives, the last is close to pixels.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from synthstudio.engine.distil import generators
from synthstudio.engine.distil.forms import Form
from synthstudio.errors import BadInput

_PIXELS_AT_ONCE = 1 << 15  # decoded together on a CPU: 8 images of 64 px


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
        self.chunk = max(1, _PIXELS_AT_ONCE // made**2)

    def decode(self, variables: Tensor) -> Tensor:
        """See `Form.decode`."""
        for stage in self.stages[self.level :]:
            variables = stage(variables)
        return resized(variables / 2 + 0.5, self.size)

    def noise(self, count: int, chance: torch.Generator) -> Tensor:
        """Normal latents, taken to the level."""
        return self._to_level(torch.randn((count, *self.latent), generator=chance).to(self.device))

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


class Latents(Decoded):
    """Latents of the autoencoder of a backbone, in the scale its UNet sees; level 1 follows the middle block."""

    name: ClassVar[str] = "latents"

    def __init__(self, vae: Any, *, level: int, made: int, size: int) -> None:
        self.vae, self.made, self.device = vae, made, vae.device
        decoder, self.scale = vae.decoder, vae.config.scaling_factor
        factor = 2 ** (len(vae.config.block_out_channels) - 1)
        if made % factor:
            raise BadInput(f"Images of {made} px do not fit this autoencoder; the size must be a multiple of {factor}.")
        stages = [self._enter, *(self._up(block) for block in decoder.up_blocks)]
        last = stages.pop()
        stages.append(lambda feature: self._leave(last(feature)))
        latent = (vae.config.latent_channels, made // factor, made // factor)
        super().__init__(stages, latent, level, made, size)

    def encode(self, images: Tensor) -> Tensor:
        """The mean of the posterior, taken to the level."""
        found = []
        with torch.no_grad():
            for part in images.split(self.chunk):
                seen = resized(part.to(self.device), self.made) * 2 - 1
                found.append(self.vae.encode(seen).latent_dist.mean * self.scale)
        return self._to_level(torch.cat(found))

    def _enter(self, latents: Tensor) -> Tensor:
        vae = self.vae
        latents = latents / self.scale
        latents = latents if vae.post_quant_conv is None else vae.post_quant_conv(latents)
        return vae.decoder.mid_block(vae.decoder.conv_in(latents), None)

    @staticmethod
    def _up(block: Any) -> Callable[[Tensor], Tensor]:
        return lambda feature: block(feature, None)

    def _leave(self, feature: Tensor) -> Tensor:
        decoder = self.vae.decoder
        return decoder.conv_out(decoder.conv_act(decoder.conv_norm_out(feature)))


class Generator(Decoded):
    """Latents of a generator from a safetensors file (see `generators.py`); there is no way back from images."""

    name: ClassVar[str] = "generator"

    def __init__(self, folder: Path, device: torch.device, *, level: int, size: int) -> None:
        generator, self.device = generators.load(folder, device), device
        super().__init__(generator.stages(), generator.about.latent, level, generator.about.size, size)

    def encode(self, images: Tensor) -> Tensor:
        """Refused."""
        raise BadInput("A generator cannot start from images, as it has no encoder. Set initialisation to noise.")


def resized(images: Tensor, size: int) -> Tensor:
    """Square images at another size: mean over areas when it divides, else smoothly with antialiasing."""
    now = images.shape[-1]
    if now == size:
        return images
    if now % size == 0:
        return F.avg_pool2d(images, now // size)
    return F.interpolate(images, size=(size, size), mode="bicubic", antialias=True, align_corners=False)
