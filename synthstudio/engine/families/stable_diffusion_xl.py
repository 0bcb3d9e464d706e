"""Stable Diffusion XL (Podell et al. 2023, arXiv:2307.01952): two CLIP text encoders, and a UNet that is told sizes.

The UNet attends to the last but one layer of both encoders. Beside the timestep it is told the second encoder's pooled
text and six numbers: the size of the original image, where the crop began, and the size that is wanted. Here an image
is always what was asked for, whole: original and wanted size are its own, the crop begins at 0, while training as in
sampling. That is what the plain pipeline says too where nobody says more.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from diffusers.loaders import StableDiffusionXLLoraLoaderMixin
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from synthstudio import modelfolder
from synthstudio.engine.families.base import Targets
from synthstudio.engine.families.parts import Tokenizer, part
from synthstudio.engine.families.unet import CLIP, UNET, UNetBackbone
from synthstudio.errors import BadInput

_PROJECTION = 512  # the width of pooled text where a configuration does not say it


class Texts(NamedTuple):
    """Encoded prompts: what is attended to (N, words, D1 + D2), and the pooled text (N, P)."""

    attended: Tensor
    pooled: Tensor


class StableDiffusionXL(UNetBackbone):
    """Prompts are `Texts`. An empty prompt is zeros where the folder says so, as in the plain pipeline."""

    name: ClassVar[str] = "Stable Diffusion XL"
    pipeline: ClassVar[str] = "StableDiffusionXLPipeline"
    architecture: ClassVar[str] = "stable-diffusion-xl-v1-base/lora"
    targets: ClassVar[Mapping[str, Targets]] = {
        "unet": {**UNET, "all": (*UNET["all"], "add_embedding.linear_1", "add_embedding.linear_2")},
        "text_encoder": CLIP,
        "text_encoder_2": CLIP,
    }
    writer: ClassVar[Any] = StableDiffusionXLLoraLoaderMixin

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        index = modelfolder.read_config(folder, modelfolder.INDEX)
        _refuse_others(folder, index)
        super().__init__(folder, device, dtype)
        self.text_encoder = part(CLIPTextModel, folder, "text_encoder", dtype).to(device)
        self.text_encoder_2 = part(CLIPTextModelWithProjection, folder, "text_encoder_2", dtype).to(device)
        self.encoders = tuple(
            (encoder, Tokenizer(folder, name, encoder.config.max_position_embeddings))
            for encoder, name in ((self.text_encoder, "tokenizer"), (self.text_encoder_2, "tokenizer_2"))
        )
        self.empty_is_zero = bool(index.get("force_zeros_for_empty_prompt", True))

    @property
    def words(self) -> int:
        """See `Backbone.words`."""
        return min(tokenizer.words for _, tokenizer in self.encoders)

    def too_long(self, prompt: str) -> bool:
        """See `Backbone.too_long`."""
        return any(tokenizer.too_long(prompt) for _, tokenizer in self.encoders)

    @property
    def readers(self) -> Mapping[str, tuple[Any, Tokenizer]]:
        """See `Backbone.readers`."""
        return dict(zip(("text_encoder", "text_encoder_2"), self.encoders, strict=True))

    def embed(self, prompts: Sequence[str]) -> Texts:
        """Each prompt encoded anew: gradients reach both text encoders."""
        said = [
            encoder(tokenizer.tokens(prompts, self.device), output_hidden_states=True)
            for encoder, tokenizer in self.encoders
        ]
        texts = Texts(torch.cat([one.hidden_states[-2] for one in said], dim=-1), said[1].text_embeds)
        if not self.empty_is_zero or all(prompts):
            return texts
        kept = torch.tensor([float(bool(prompt)) for prompt in prompts]).to(self.device, texts.pooled.dtype)
        return Texts(texts.attended * kept.view(-1, 1, 1), texts.pooled * kept.view(-1, 1))

    def together(self, prompts: Sequence[Texts]) -> Texts:
        """Several results of `embed` as one."""
        return Texts(*(torch.cat(tensors) for tensors in zip(*prompts, strict=True)))

    def attended(self, prompts: Texts) -> Tensor:
        """See `Backbone.attended`."""
        return prompts.attended

    def attending(self, vectors: Tensor) -> Texts:
        """See `Backbone.attending`; the pooled text is that of the empty prompt."""
        return Texts(vectors, self.encode_prompts([""]).pooled.expand(len(vectors), -1))

    def predict(self, latents: Tensor, timestep: Tensor, prompts: Texts, rows: Tensor) -> Tensor:
        """See `Backbone.predict`."""
        height, width = (side * self.factor for side in latents.shape[-2:])
        sizes = torch.tensor([height, width, 0, 0, height, width], dtype=torch.float32).to(self.device)
        more = {
            "text_embeds": torch.index_select(prompts.pooled, 0, rows).to(latents.dtype),
            "time_ids": sizes.expand(len(latents), -1),
        }
        attended = prompts.attended.to(latents.dtype)
        with self.rows.of(rows):
            return self.unet(latents, timestep, attended, added_cond_kwargs=more, return_dict=False)[0]


def _refuse_others(folder: Path, index: Mapping[str, Any]) -> None:
    """BadInput for a folder whose networks want what is not given here; said before gigabytes are read."""
    unet, vae, pooling = (
        modelfolder.read_config(folder, f"{part}/config.json") for part in ("unet", "vae", "text_encoder_2")
    )
    told = 6 * (unet.get("addition_time_embed_dim") or 0) + pooling.get("projection_dim", _PROJECTION)
    if index.get("requires_aesthetics_score") or index.get("text_encoder") == [None, None]:
        wants = "is a refiner, which draws nothing from a prompt alone"
    elif (unet.get("addition_embed_type"), unet.get("projection_class_embeddings_input_dim")) != ("text_time", told):
        wants = "is not told the pooled text and six sizes, as the base model is"
    elif unet.get("class_embed_type") or unet.get("time_cond_proj_dim"):
        wants = "is told a class or a guidance scale, as distilled models are"
    elif vae.get("latents_mean") is not None or vae.get("latents_std") is not None:
        wants = "has latents with a mean and a deviation of their own"
    else:
        return
    raise BadInput(f"{folder.name} {wants}: that is not supported. Use a folder like Stable Diffusion XL base 1.0.")
