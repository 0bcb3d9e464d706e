"""What the families with a UNet share: it predicts noise or velocity in the latents of an `AutoencoderKL`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers.models import AutoencoderKL, UNet2DConditionModel
from torch import Tensor

from synthstudio.engine.attention import PromptRows
from synthstudio.engine.families.base import Backbone, Targets
from synthstudio.engine.families.parts import part
from synthstudio.engine.noising import Diffusion
from synthstudio.engine.solvers import signal_share, solver
from synthstudio.errors import BadInput

_PREDICTIONS = ("epsilon", "v_prediction")

UNET: Targets = {
    "attention": ("to_q", "to_k", "to_v", "to_out.0"),
    "all": (
        *("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2"),
        *("conv1", "conv2", "conv_shortcut", "time_emb_proj", "time_embedding.linear_1", "time_embedding.linear_2"),
    ),
}
CLIP: Targets = {
    "attention": ("q_proj", "k_proj", "v_proj", "out_proj"),
    "all": ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
}


class UNetBackbone(Backbone):
    """A latent-diffusion model with a UNet.

    The autoencoder stays in float32 everywhere: in half precision the original one can overflow to black images.
    """

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__(folder, device, dtype)
        self.prediction = self.schedule.get("prediction_type", "epsilon")
        if self.prediction not in _PREDICTIONS:
            raise BadInput(
                f"{folder.name} predicts {self.prediction!r}; only {' and '.join(_PREDICTIONS)} are supported."
            )
        self.unet = part(UNet2DConditionModel, folder, "unet", dtype).to(device)
        self.vae = part(AutoencoderKL, folder, "vae", torch.float32).to(device)
        self.scale: float = self.vae.config.scaling_factor
        self.factor = 2 ** (len(self.vae.config.block_out_channels) - 1)
        self.step = self.factor * 2 ** (len(self.unet.config.block_out_channels) - 1)
        self.channels = self.unet.config.in_channels
        self.resolution = int(self.unet.config.sample_size) * self.factor
        self.rows = PromptRows(self.unet)

    def noising(self) -> Diffusion:
        """See `Backbone.noising`."""
        return Diffusion(signal_share(self.schedule).to(self.device), self.prediction == "v_prediction")

    def solver(self, sampler: str, steps: int, resolution: int) -> Any:
        """See `Backbone.solver`."""
        return solver(sampler, self.schedule, steps)

    def autoencoder(self) -> AutoencoderKL:
        """See `Backbone.autoencoder`."""
        return self.vae

    def encoded(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """See `Backbone.encoded`."""
        found = self.vae.encode(pixels).latent_dist
        return found.mean * self.scale, found.std * self.scale

    def decoded(self, latents: Tensor) -> Tensor:
        """See `Backbone.decoded`."""
        return self.vae.decode(latents / self.scale).sample

    def as_now(self, block: Callable[..., Any]) -> Callable[..., Any]:
        """See `Backbone.as_now`: a backward pass comes when nobody says any more which prompt a row follows."""
        rows = self.rows.rows
        assert rows is not None

        def again(*inputs: Any) -> Any:
            with self.rows.of(rows):
                return block(*inputs)

        return again

    @contextmanager
    def remembering_prompts(self) -> Iterator[None]:
        """Within, the keys and values of the prompts are computed once: weights, prompts and rows must not change.

        Not where the network is compiled: a program for the first pass and one for the others would take twice as long.
        """
        if self.compiled:
            yield
            return
        with self.rows.remembered():
            yield
