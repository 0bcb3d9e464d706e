"""Latents of the backbone's autoencoder, or the feature after some stages of its decoder."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from synthstudio.engine.distil.decoded import Decoded, resized
from synthstudio.engine.distil.form import Form, Materials
from synthstudio.errors import BadInput


class Latents(Decoded):
    """Latents of the autoencoder of a backbone, in the scale its UNet sees; level 1 follows the middle block."""

    name: ClassVar[str] = "latents"

    @classmethod
    def of(cls, materials: Materials) -> Form:
        """See `Form.of`."""
        return cls(materials.autoencoder(), level=materials.level, made=materials.made, size=materials.size)

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
