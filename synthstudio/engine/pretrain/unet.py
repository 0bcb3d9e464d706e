"""Stage 3: denoiser and its text encoder, trained together on cached latents.

v-prediction (Salimans and Ho 2022, https://arxiv.org/abs/2202.00512), loss weights min(SNR, 5) / (SNR + 1) (Hang et al.
2023, https://arxiv.org/abs/2303.09556), one caption in ten empty for classifier-free guidance (Ho and Salimans 2022,
https://arxiv.org/abs/2207.12598), average of the weights. On demand, timesteps from the middle more often than from the
ends (logit-normal, Esser et al. 2024, https://arxiv.org/abs/2403.03206, section 3.1), and in the first part of training
the denoiser's middle aligned to the teacher's map of the clean picture (REPA, Yu et al. 2024,
https://arxiv.org/abs/2410.06940, equation 8).
The text encoder starts as a text tower that knows the names: they are then already apart, which saves thousands of
steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import open_clip
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from open_clip.model import CLIP
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel

from synthstudio.engine.pretrain.cached import Rows
from synthstudio.engine.pretrain.captions import caption, rich_caption
from synthstudio.engine.pretrain.clip import CONTEXT, VOCABULARY
from synthstudio.engine.pretrain.data import Batch, Mixture
from synthstudio.engine.pretrain.loop import Draw

END = VOCABULARY - 1
NOISE = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
         "prediction_type": "v_prediction"}  # fmt: skip


@dataclass(frozen=True)
class UnetShape:
    """Sizes of the denoiser."""

    channels: tuple[int, ...] = (96, 192)
    layers: int = 1
    head_dim: int = 32
    groups: int = 16

    def build(self, latent_channels: int, text_width: int) -> UNet2DConditionModel:
        """A fresh denoiser whose residual branches and output start at zero."""
        levels = len(self.channels)
        unet = UNet2DConditionModel(
            sample_size=8,
            in_channels=latent_channels,
            out_channels=latent_channels,
            down_block_types=("CrossAttnDownBlock2D",) * levels,
            up_block_types=("CrossAttnUpBlock2D",) * levels,
            block_out_channels=self.channels,
            layers_per_block=self.layers,
            cross_attention_dim=text_width,
            attention_head_dim=tuple(width // self.head_dim for width in self.channels),
            norm_num_groups=self.groups,
            use_linear_projection=True,
        )
        for module in unet.modules():
            if isinstance(module, ResnetBlock2D):
                _zero(module.conv2)
            elif isinstance(module, Transformer2DModel):
                _zero(module.proj_out)
        _zero(unet.conv_out)
        return unet


def _zero(module: nn.Module) -> None:
    for parameter in module.parameters():
        nn.init.zeros_(parameter)


def text_config(width: int, heads: int, layers: int) -> CLIPTextConfig:
    """A CLIP text encoder of this size, on the ids of the shipped tokenizer."""
    return CLIPTextConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=CONTEXT,
        hidden_act="gelu",
        bos_token_id=END - 1,
        eos_token_id=END,
        pad_token_id=END,
    )


def text_encoder_from(clip: CLIP) -> CLIPTextModel:
    """The text tower of an open_clip model as a transformers model."""
    source = clip.state_dict()
    width = source["token_embedding.weight"].shape[1]
    layers = len(clip.transformer.resblocks)
    heads = clip.transformer.resblocks[0].attn.num_heads
    target = CLIPTextModel(text_config(width, heads, layers))
    top = "text_model." if any(name.startswith("text_model.") for name in target.state_dict()) else ""
    moved = {
        f"{top}embeddings.token_embedding.weight": source["token_embedding.weight"],
        f"{top}embeddings.position_embedding.weight": source["positional_embedding"],
    }
    for suffix in ("weight", "bias"):
        moved[f"{top}final_layer_norm.{suffix}"] = source[f"ln_final.{suffix}"]
        for i in range(layers):
            old, new = f"transformer.resblocks.{i}", f"{top}encoder.layers.{i}"
            for part, value in zip("qkv", source[f"{old}.attn.in_proj_{suffix}"].chunk(3), strict=True):
                moved[f"{new}.self_attn.{part}_proj.{suffix}"] = value
            moved[f"{new}.self_attn.out_proj.{suffix}"] = source[f"{old}.attn.out_proj.{suffix}"]
            moved[f"{new}.layer_norm1.{suffix}"] = source[f"{old}.ln_1.{suffix}"]
            moved[f"{new}.layer_norm2.{suffix}"] = source[f"{old}.ln_2.{suffix}"]
            moved[f"{new}.mlp.fc1.{suffix}"] = source[f"{old}.mlp.c_fc.{suffix}"]
            moved[f"{new}.mlp.fc2.{suffix}"] = source[f"{old}.mlp.c_proj.{suffix}"]
    missing, unexpected = target.load_state_dict(moved, strict=False)
    if unexpected or any("position_ids" not in name for name in missing):
        raise ValueError(f"the text tower does not fit: missing {missing}, unexpected {unexpected}")
    return target


@dataclass(frozen=True)
class Recipe:
    """How the denoiser is taught."""

    empty: float = 0.1  # share of captions left empty
    spread: float = 0.0  # of logit-normal timesteps; 0 draws them uniformly
    centre: float = 0.0  # of logit-normal timesteps: above 0, more noise
    align: float = 0.0  # weight of the alignment to the teacher's maps
    align_until: float = 0.5  # share of the budget after which it stops
    rich: bool = False  # captions with synonyms and words for light and background


def draw_timesteps(count: int, recipe: Recipe, draw: Draw, steps: int = 1000) -> Tensor:
    """Whole timesteps from 0 to `steps` - 1."""
    if not recipe.spread:
        return torch.randint(0, steps, (count,), generator=draw.torch).to(draw.device)
    share = torch.sigmoid(recipe.centre + recipe.spread * draw.normal(count))
    return (share * steps).long().clamp(max=steps - 1)


class Reader(nn.Module):
    """Reads the teacher's map from the denoiser's middle: three layers at every position, dropped after training."""

    def __init__(self, before: int, after: int, width: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(before, width, 1), nn.SiLU(), nn.Conv2d(width, width, 1), nn.SiLU(), nn.Conv2d(width, after, 1)
        )

    def forward(self, hidden: Tensor) -> Tensor:
        return self.layers(hidden)


class UnetStage:
    """`data` holds scaled latents instead of pixels, `maps` the teacher's maps of the same pictures by source."""

    def __init__(
        self,
        data: Mixture,
        unet: UNet2DConditionModel,
        text: CLIPTextModel,
        batch: int = 64,
        recipe: Recipe = Recipe(),
        maps: list[Rows | None] | None = None,
    ) -> None:
        self.data, self.batch, self.recipe, self.maps = data, batch, recipe, maps or []
        self.tokenizer = open_clip.SimpleTokenizer(context_length=CONTEXT)
        self.noise = DDPMScheduler(**NOISE)
        self.unet, self.text = unet, text
        self.modules = nn.ModuleDict({"unet": unet, "text_encoder": text})
        self.middle: Tensor | None = None
        if recipe.align:
            after = next(rows[0].shape[0] for rows in self.maps if rows is not None)
            self.modules["reader"] = Reader(unet.config.block_out_channels[-1], after)
            unet.mid_block.register_forward_hook(self._keep_middle)

    def _keep_middle(self, module: nn.Module, given: object, hidden: Tensor) -> None:
        self.middle = hidden

    def tokens(self, drawn: Batch, rng: np.random.Generator) -> Tensor:
        """Captions padded with the end token, as the pipeline's tokenizer pads."""
        rows = zip(drawn.labels, drawn.looks, drawn.settings, strict=True)
        said = [rich_caption(n, s, w, rng) if self.recipe.rich else caption(n, s, rng) for n, s, w in rows]
        texts = [one.text if rng.random() >= self.recipe.empty else "" for one in said]
        ids = self.tokenizer(texts)
        return ids.masked_fill(ids == 0, END)

    def unaligned(self, drawn: Batch, draw: Draw) -> Tensor | None:
        """1 - cosine between the middle and the teacher's map; None where there is nothing to align (any more)."""
        seen = [i for i, source in enumerate(drawn.source) if self.maps and self.maps[source] is not None]
        if not self.recipe.align or draw.progress >= self.recipe.align_until or not seen:
            return None
        wanted = np.stack([self.maps[drawn.source[i]][drawn.index[i]] for i in seen])  # type: ignore[index]
        read = self.modules["reader"](self.middle[seen])  # type: ignore[index]
        return 1 - F.cosine_similarity(read, torch.from_numpy(wanted).to(read), dim=1).mean()

    def loss(self, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        drawn = self.data.draw(draw.rng, self.batch)
        latent = torch.from_numpy(drawn.pixels).to(draw.device).float()
        ids = self.tokens(drawn, draw.rng).to(draw.device)
        noise = draw.normal(*latent.shape)
        t = draw_timesteps(len(latent), self.recipe, draw, self.noise.config.num_train_timesteps)
        noisy = self.noise.add_noise(latent, noise, t)
        target = self.noise.get_velocity(latent, noise, t)
        context = self.text(ids).last_hidden_state
        made = self.unet(noisy, t, context).sample
        signal = self.noise.alphas_cumprod.to(t.device)[t]
        snr = signal / (1 - signal)
        error = (made.float() - target).pow(2).mean((1, 2, 3))
        loss = (error * snr.clamp(max=5.0) / (snr + 1)).mean()
        numbers = {"plain": error.mean().detach()}
        unaligned = self.unaligned(drawn, draw)
        if unaligned is not None:
            loss = loss + self.recipe.align * unaligned
            numbers["align"] = unaligned.detach()
        return loss, numbers
