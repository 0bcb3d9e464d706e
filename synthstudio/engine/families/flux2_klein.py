"""FLUX.2 [klein] base (Black Forest Labs, 2026): a transformer that predicts the flow, told by a Qwen3 language model.

Latents are those of an autoencoder of 32 channels, cut into patches of 2 by 2 (128 channels) and normalised by its
batch statistics. A prompt is a chat of one turn; what the language model thinks of it after three of its layers is
attended to, padding included, as in the plain pipeline. The chat's form stands here: a template in a folder is a
program, and is not read. An adapter changes the transformer alone, which is all that diffusers' files of it hold.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from diffusers.loaders import Flux2LoraLoaderMixin
from diffusers.models import AutoencoderKLFlux2, Flux2Transformer2DModel
from torch import Tensor
from transformers import Qwen2Tokenizer, Qwen3Model

from synthstudio import modelfolder
from synthstudio.engine.families.base import Backbone, Targets
from synthstudio.engine.families.parts import part, tokenizer
from synthstudio.engine.noising import Flow
from synthstudio.engine.solvers import flow_solver
from synthstudio.errors import BadInput

_WORDS = 512  # tokens of a chat, padded or cut to
_LAYERS = (9, 18, 27)  # after which the language model is listened to
_SIDE = 128  # latents of the autoencoder that an image of the published size has, each way
_PATCH = 2

_QWEN_SETTINGS = frozenset(
    {
        *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "head_dim"),
        *("num_key_value_heads", "hidden_act", "max_position_embeddings", "initializer_range", "rms_norm_eps"),
        *("attention_bias", "attention_dropout", "tie_word_embeddings"),
        *("pad_token_id", "bos_token_id", "eos_token_id"),
    }
)
_ATTENTION = (
    *("attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out", "attn.to_out.0", "attn.to_qkv_mlp_proj"),
    *("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out"),
)
_FEED_FORWARD = ("ff.linear_in", "ff.linear_out", "ff_context.linear_in", "ff_context.linear_out")


class Flux2Klein(Backbone):
    """Prompts are tensors (N, 512, 3 · D)."""

    name: ClassVar[str] = "FLUX.2 klein base"
    pipeline: ClassVar[str] = "Flux2KleinPipeline"
    architecture: ClassVar[str] = "flux.2-klein/lora"
    targets: ClassVar[Mapping[str, Targets]] = {
        "transformer": {
            "attention": _ATTENTION,
            "all": (*_ATTENTION, *_FEED_FORWARD, "x_embedder", "context_embedder", "proj_out"),
        }
    }
    writer: ClassVar[Any] = Flux2LoraLoaderMixin
    endings: ClassVar[bool] = False  # `attn.to_out` is a layer in one kind of block and a list of them in the other

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        _refuse_others(folder)
        super().__init__(folder, device, dtype)
        self.transformer = part(Flux2Transformer2DModel, folder, "transformer", dtype).to(device)
        self.vae = part(AutoencoderKLFlux2, folder, "vae", torch.float32).to(device)
        self.text_encoder = part(Qwen3Model, folder, "text_encoder", dtype, _language_model(folder)).to(device)
        self.tokenizer: Any = tokenizer(Qwen2Tokenizer, folder, "tokenizer")
        pixels = 2 ** (len(self.vae.config.block_out_channels) - 1)
        self.factor = self.step = pixels * _PATCH
        self.channels = self.transformer.config.in_channels
        self.resolution = _SIDE * pixels
        norm = self.vae.bn
        self.middle = norm.running_mean.view(1, -1, 1, 1)
        self.spread = torch.sqrt(norm.running_var + self.vae.config.batch_norm_eps).view(1, -1, 1, 1)

    @property
    def words(self) -> int:
        """See `Backbone.words`."""
        return _WORDS

    def too_long(self, prompt: str) -> bool:
        """See `Backbone.too_long`."""
        return len(self.tokenizer(_chat(prompt)).input_ids) > _WORDS

    def embed(self, prompts: Sequence[str]) -> Tensor:
        """(N, 512, 3 · D) of each prompt."""
        chats = [_chat(prompt) for prompt in prompts]
        found = self.tokenizer(chats, padding="max_length", max_length=_WORDS, truncation=True, return_tensors="pt")
        ids, mask = found.input_ids.to(self.device), found.attention_mask.to(self.device)
        said = self.text_encoder(ids, attention_mask=mask, output_hidden_states=True, use_cache=False).hidden_states
        return torch.cat([said[layer] for layer in _LAYERS], dim=-1)

    def together(self, prompts: Sequence[Tensor]) -> Tensor:
        """Several results of `embed` as one."""
        return torch.cat(list(prompts))

    def predict(self, latents: Tensor, timestep: Tensor, prompts: Tensor, rows: Tensor) -> Tensor:
        """See `Backbone.predict`; timestep 1000 is pure noise."""
        count, _, height, width = latents.shape
        words = torch.index_select(prompts, 0, rows).to(latents.dtype)
        flow = self.transformer(
            hidden_states=latents.flatten(2).transpose(1, 2),
            timestep=timestep.expand(count).to(latents.dtype) / 1000,
            encoder_hidden_states=words,
            img_ids=_places(height, width, 1).to(self.device),
            txt_ids=_places(1, 1, words.shape[1]).to(self.device),
            return_dict=False,
        )[0]
        return flow.transpose(1, 2).unflatten(2, (height, width))

    def noising(self) -> Flow:
        """See `Backbone.noising`."""
        return Flow(int(self.schedule.get("num_train_timesteps", 1000)))

    def solver(self, sampler: str, steps: int, resolution: int) -> Any:
        """See `Backbone.solver`."""
        tokens = (resolution // self.factor) ** 2
        return flow_solver(sampler, self.schedule, steps, _shift(tokens, steps))

    def encoded(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """See `Backbone.encoded`."""
        found = self.vae.encode(pixels).latent_dist
        return (_cut(found.mean) - self.middle) / self.spread, _cut(found.std) / self.spread

    def decoded(self, latents: Tensor) -> Tensor:
        """See `Backbone.decoded`."""
        whole = torch.nn.functional.pixel_shuffle(latents * self.spread + self.middle, _PATCH)
        return self.vae.decode(whole).sample


def _chat(prompt: str) -> str:
    """A chat of one turn as Qwen3 writes it, without thinking."""
    return f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"


def _cut(latents: Tensor) -> Tensor:
    """(N, C, 2 h, 2 w) as patches (N, 4 C, h, w)."""
    return torch.nn.functional.pixel_unshuffle(latents, _PATCH)


def _places(height: int, width: int, words: int) -> Tensor:
    """(tokens, 4) where each token stands: time, row, column, word."""
    return torch.cartesian_prod(*(torch.arange(count) for count in (1, height, width, words)))


def _shift(tokens: int, steps: int) -> float:
    """How far the noise levels of a solver are shifted: a line in the steps, between two that were fitted.

    As published with FLUX.2; of larger images, the line of 200 steps alone.
    """
    many = 0.00016927 * tokens + 0.45666666
    if tokens > 4300:
        return many
    few = 8.73809524e-05 * tokens + 1.89833333
    slope = (many - few) / 190
    return slope * steps + many - 200 * slope


def _language_model(folder: Path) -> dict[str, Any]:
    """The known settings of the language model; BadInput for positions that are encoded in another way."""
    config = modelfolder.read_config(folder, "text_encoder/config.json")
    turning = config.get("rope_parameters") or {}
    turning = turning if isinstance(turning, dict) else {"rope_type": "unknown"}
    theta = turning.get("rope_theta", config.get("rope_theta", 10_000.0))
    scaled = config.get("rope_scaling") or turning.get("rope_type", "default") != "default"
    if scaled or not isinstance(theta, int | float) or not 1 <= theta <= 1e12:
        raise BadInput(f"{folder.name}/text_encoder scales its positions: not supported. Use FLUX.2 klein base.")
    known = {name: value for name, value in config.items() if name in _QWEN_SETTINGS}
    return {**known, "rope_parameters": {"rope_type": "default", "rope_theta": float(theta)}}


def _refuse_others(folder: Path) -> None:
    """BadInput for a folder that wants what is not given here; said before gigabytes are read."""
    index = modelfolder.read_config(folder, modelfolder.INDEX)
    network = modelfolder.read_config(folder, "transformer/config.json")
    language = modelfolder.read_config(folder, "text_encoder/config.json")
    if index.get("is_distilled"):
        wants = "is distilled to a few steps without guidance"
    elif network.get("guidance_embeds", True):
        wants = "is told a guidance scale"
    elif language.get("use_sliding_window") or language.get("num_hidden_layers", 0) < max(_LAYERS):
        wants = "is told by another language model"
    else:
        return
    raise BadInput(f"{folder.name} {wants}: that is not supported. Use a folder like FLUX.2 klein base 4B.")
