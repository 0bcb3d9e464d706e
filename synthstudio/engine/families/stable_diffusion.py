"""Stable Diffusion 1.x and 2.x, BK-SDM and the bundled pico: one CLIP text encoder, which the UNet attends to."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from diffusers.loaders import StableDiffusionLoraLoaderMixin
from torch import Tensor
from transformers import CLIPTextModel

from synthstudio.engine.families.base import Targets
from synthstudio.engine.families.parts import Tokenizer, part
from synthstudio.engine.families.unet import CLIP, UNET, UNetBackbone
from synthstudio.errors import BadInput


class StableDiffusion(UNetBackbone):
    """Prompts are tensors (N, words, D): the text encoder's last layer."""

    name: ClassVar[str] = "Stable Diffusion 1.x and 2.x"
    pipeline: ClassVar[str] = "StableDiffusionPipeline"
    architecture: ClassVar[str] = "stable-diffusion/lora"
    targets: ClassVar[Mapping[str, Targets]] = {"unet": UNET, "text_encoder": CLIP}
    writer: ClassVar[Any] = StableDiffusionLoraLoaderMixin

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__(folder, device, dtype)
        self.text_encoder = part(CLIPTextModel, folder, "text_encoder", dtype).to(device)
        self.tokenizer = Tokenizer(folder, "tokenizer", self.text_encoder.config.max_position_embeddings)
        if self.unet.config.addition_embed_type or self.unet.config.class_embed_type:
            raise BadInput(
                f"{folder.name} needs more than a prompt, which this family does not give. Choose another backbone."
            )

    @property
    def words(self) -> int:
        """See `Backbone.words`."""
        return self.tokenizer.words

    def too_long(self, prompt: str) -> bool:
        """See `Backbone.too_long`."""
        return self.tokenizer.too_long(prompt)

    @property
    def readers(self) -> Mapping[str, tuple[Any, Tokenizer]]:
        """See `Backbone.readers`."""
        return {"text_encoder": (self.text_encoder, self.tokenizer)}

    def embed(self, prompts: Sequence[str]) -> Tensor:
        """(N, words, D) of each prompt, computed anew: gradients reach the text encoder."""
        return self.text_encoder(self.tokenizer.tokens(prompts, self.device))[0]

    def together(self, prompts: Sequence[Tensor]) -> Tensor:
        """(N, words, D) of several results of `embed`."""
        return torch.cat(list(prompts))

    def predict(self, latents: Tensor, timestep: Tensor, prompts: Tensor, rows: Tensor) -> Tensor:
        """See `Backbone.predict`."""
        with self.rows.of(rows):
            return self.unet(latents, timestep, prompts.to(latents.dtype), return_dict=False)[0]
