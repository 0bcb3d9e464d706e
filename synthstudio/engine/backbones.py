"""Text-to-image models. One small class per family says in what the families differ; so far there is one family.

`load()` reads any diffusers folder of the Stable-Diffusion family: the bundled pico, SD 1.x, SD 2.x, BK-SDM. Only the
parts needed are imported: a whole pipeline would also load a safety checker and its processor.

diffusers and transformers never see the folder itself. Its configurations can name code (`auto_map`), kernels of the
Hub (`attn_implementation`), adapters elsewhere (`adapter_config.json`) and more with each version; they read a
temporary folder with links to the weights and the few settings that are known here.
"""

import inspect
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers.models import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from synthstudio import modelfolder
from synthstudio.engine import devices
from synthstudio.engine.attention import PromptRows
from synthstudio.errors import BadInput, Missing, UnsafeInput

_PREDICTIONS = ("epsilon", "v_prediction")
_LATENTS_AT_ONCE = 1 << 20  # pixels the autoencoder sees at once: 4 images of 512, 256 of 64


class StableDiffusion:
    """A latent-diffusion model with one CLIP text encoder. Frozen; an adapter is merged in and taken out by name.

    The autoencoder stays in float32 everywhere: in half precision the original one can overflow to black images.
    """

    family = "stable-diffusion"

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        self.folder, self.device, self.dtype = folder, device, dtype
        self.schedule: Mapping[str, Any] = modelfolder.read_config(folder, "scheduler/scheduler_config.json")
        self.prediction = self.schedule.get("prediction_type", "epsilon")
        if self.prediction not in _PREDICTIONS:
            raise BadInput(
                f"{folder.name} predicts {self.prediction!r}; only {' and '.join(_PREDICTIONS)} are supported."
            )
        self.unet = _part(UNet2DConditionModel, folder, "unet", dtype).to(device)
        self.vae = _part(AutoencoderKL, folder, "vae", torch.float32).to(device)
        self.text_encoder = _part(CLIPTextModel, folder, "text_encoder", dtype).to(device)
        self.tokenizer = _tokenizer(folder)
        if self.unet.config.addition_embed_type or self.unet.config.class_embed_type:
            raise BadInput(
                f"{folder.name} needs more than a prompt, which this family does not give. Choose another backbone."
            )
        self.scale: float = self.vae.config.scaling_factor
        self.factor = 2 ** (len(self.vae.config.block_out_channels) - 1)  # pixels per latent pixel, each way
        self.resolution: int = int(self.unet.config.sample_size) * self.factor
        self.words = min(int(self.tokenizer.model_max_length), self.text_encoder.config.max_position_embeddings)
        self.rows = PromptRows(self.unet)
        self.adapter: object = None  # key of the adapter merged into the weights
        self.base_weights: dict[str, Tensor] = {}  # what merging changed
        self._embeddings: dict[str, Tensor] = {}

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The parts an adapter may change, under the names that adapter files use."""
        return {"unet": self.unet, "text_encoder": self.text_encoder}

    def adapter_layers(self, targets: str, text_encoder: bool) -> dict[str, nn.Module]:
        """The layers that get a low-rank update, by full name: 'unet.…', 'text_encoder.…'."""
        wanted = {
            "unet": ADAPTED["unet"][targets],
            "text_encoder": ADAPTED["text_encoder"][targets] if text_encoder else (),
        }
        return {
            f"{part}.{name}": layer
            for part, module in self.modules.items()
            for name, layer in module.named_modules()
            if any(f".{name}".endswith(f".{target}") for target in wanted[part])
            and isinstance(layer, nn.Linear | nn.Conv2d)
        }

    def latent_shape(self, resolution: int) -> tuple[int, int, int]:
        """Channels, height and width of the latents of one image; BadInput if the size does not divide."""
        step = self.factor * 2 ** (len(self.unet.config.block_out_channels) - 1)
        if resolution % step:
            raise BadInput(f"A resolution of {resolution} does not fit this backbone; it must be a multiple of {step}.")
        return (self.unet.config.in_channels, resolution // self.factor, resolution // self.factor)

    def tokens(self, prompts: Sequence[str]) -> Tensor:
        """Token ids, padded or cut to what the text encoder takes."""
        found = self.tokenizer(
            list(prompts), padding="max_length", max_length=self.words, truncation=True, return_tensors="pt"
        )
        return found.input_ids.to(self.device)

    def too_long(self, prompt: str) -> bool:
        """Whether the end of this prompt would be cut off."""
        return len(self.tokenizer(prompt).input_ids) > self.words

    def embed(self, prompts: Sequence[str]) -> Tensor:
        """(N, words, D) of each prompt, computed anew: gradients reach the text encoder."""
        return self.text_encoder(self.tokens(prompts))[0]

    def encode_prompts(self, prompts: Sequence[str]) -> Tensor:
        """(N, words, D); every distinct prompt is encoded once, alone, so that it never depends on its neighbours."""
        with torch.no_grad():
            for prompt in dict.fromkeys(prompts):
                if prompt not in self._embeddings:
                    self._embeddings[prompt] = self.embed([prompt])[0]
            return torch.stack([self._embeddings[prompt] for prompt in prompts])

    def forget_prompts(self) -> None:
        """Encode again from now on: the text encoder has changed."""
        self._embeddings.clear()

    def moments(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the latents of images in [-1, 1], in the scale the UNet sees."""
        means, deviations = [], []
        with torch.inference_mode():
            for part in pixels.split(max(1, _LATENTS_AT_ONCE // pixels[0, 0].numel())):
                found = self.vae.encode(part.to(self.device)).latent_dist
                means.append(found.mean * self.scale)
                deviations.append(found.std * self.scale)
        return torch.cat(means).clone(), torch.cat(deviations).clone()

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Latents of images in [-1, 1]: the mean of the posterior."""
        return self.moments(pixels)[0]

    def decode(self, latents: Tensor) -> Tensor:
        """Images in [-1, 1]."""
        most = max(1, _LATENTS_AT_ONCE // (latents[0, 0].numel() * self.factor**2))
        with torch.inference_mode():
            return torch.cat([self.vae.decode(part.float() / self.scale).sample for part in latents.split(most)])

    def predict(self, latents: Tensor, timestep: Tensor, prompts: Tensor, rows: Tensor) -> Tensor:
        """The UNet's output for latents (N, C, h, w); row i follows prompts[rows[i]]."""
        with self.rows.of(rows):
            return self.unet(latents, timestep, prompts, return_dict=False)[0]

    @contextmanager
    def remembering_prompts(self) -> Iterator[None]:
        """Within, the keys and values of the prompts are computed once: weights, prompts and rows must not change."""
        with self.rows.remembered():
            yield


ADAPTED = {
    "unet": {
        "attention": ("to_q", "to_k", "to_v", "to_out.0"),
        "all": (
            *("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2"),
            *("conv1", "conv2", "conv_shortcut", "time_emb_proj", "time_embedding.linear_1", "time_embedding.linear_2"),
        ),
    },
    "text_encoder": {
        "attention": ("q_proj", "k_proj", "v_proj", "out_proj"),
        "all": ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
    },
}

# What is read of a text encoder's and of a tokenizer's configuration; of the others what their constructors name.
_TEXT_SETTINGS = frozenset(
    {
        *("vocab_size", "hidden_size", "intermediate_size", "projection_dim", "num_hidden_layers"),
        *("num_attention_heads", "max_position_embeddings", "hidden_act", "layer_norm_eps", "attention_dropout"),
        *("initializer_range", "initializer_factor", "pad_token_id", "bos_token_id", "eos_token_id"),
    }
)
_TOKENIZER_SETTINGS = frozenset(
    {
        *("model_max_length", "unk_token", "bos_token", "eos_token", "pad_token", "additional_special_tokens"),
        *("added_tokens_decoder", "add_prefix_space", "do_lower_case", "errors", "clean_up_tokenization_spaces"),
    }
)

_FAMILIES = {"StableDiffusionPipeline": StableDiffusion}
_LATER = {"StableDiffusionXL": "SDXL", "StableDiffusion3": "Stable Diffusion 3", "Flux": "FLUX", "PixArt": "PixArt"}


def load(folder: Path, device: torch.device, dtype: torch.dtype | None = None) -> StableDiffusion:
    """The model in a diffusers folder, frozen and ready. BadInput names what is not supported."""
    pipeline = modelfolder.pipeline_of(folder)
    if pipeline not in _FAMILIES:
        family = next(
            (name for start, name in _LATER.items() if pipeline.startswith(start)), pipeline or "This kind of model"
        )
        raise BadInput(
            f"{family} is not supported yet ({folder.name}). Use a Stable Diffusion 1.x or 2.x folder, or pico."
        )
    modelfolder.examine(folder, "backbone")
    return _FAMILIES[pipeline](folder, device, dtype or working_dtype(device))


def working_dtype(device: torch.device) -> torch.dtype:
    """What every model computes in on this device."""
    return devices.working_dtype(device)


def training_dtype(device: torch.device) -> torch.dtype:
    """As `working_dtype`, but never float16: there the weights stay in float32, and `updates` computes in float16."""
    dtype = working_dtype(device)
    return torch.float32 if dtype is torch.float16 else dtype


def _part(cls: Any, folder: Path, part: str, dtype: torch.dtype) -> Any:
    """One part, from safetensors only, without gradients."""
    here = folder / part
    files = sorted(file.name for file in here.glob("*.safetensors"))
    if not files:
        if any(here.glob("*.bin")):
            raise UnsafeInput(f"{here} holds pickled weights only, which can run code. Convert them to safetensors.")
        raise Missing(f"{here} holds no weights. Fetch or copy the model again.")
    variant = None if any(".fp16." not in name and "non_ema" not in name for name in files) else "fp16"
    how = {"dtype": dtype} if cls is CLIPTextModel else {"torch_dtype": dtype, "low_cpu_mem_usage": True}
    known = _TEXT_SETTINGS if cls is CLIPTextModel else frozenset(inspect.signature(cls).parameters)
    config = modelfolder.read_config(folder, f"{part}/config.json")
    weights = [*files, *(file.name for file in here.glob("*.safetensors.index*.json"))]
    with _quiet(), _cleaned(here, weights, {"config.json": _of(config, known)}) as clean:
        loaded = cls.from_pretrained(clean, use_safetensors=True, local_files_only=True, variant=variant, **how)
    return loaded.eval().requires_grad_(False)


def _tokenizer(folder: Path) -> CLIPTokenizer:
    """CLIP's tokenizer with the folder's vocabulary."""
    settings = {
        name: _of(modelfolder.read_config(folder, f"tokenizer/{name}"), _TOKENIZER_SETTINGS)
        for name in ("tokenizer_config.json", "special_tokens_map.json")
        if (folder / "tokenizer" / name).is_file()
    }
    words = ("vocab.json", "merges.txt", "tokenizer.json", "added_tokens.json")
    with _cleaned(folder / "tokenizer", words, settings) as clean:
        return CLIPTokenizer.from_pretrained(clean, local_files_only=True)


def _of(config: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name in known}


@contextmanager
def _cleaned(here: Path, files: Sequence[str], configs: Mapping[str, Mapping[str, Any]]) -> Iterator[Path]:
    """A temporary folder with links to these files of `here`, as far as they exist, and these configurations."""
    with tempfile.TemporaryDirectory(prefix="synthstudio-") as made:
        for name in files:
            if (here / name).is_file():
                (Path(made) / name).symlink_to((here / name).resolve())
        for name, config in configs.items():
            (Path(made) / name).write_text(json.dumps(config), encoding="utf-8")
        yield Path(made)


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar for a load of a second."""
    from transformers.utils import logging  # noqa: PLC0415 - a name too general for the top of a module

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if bars:
            logging.enable_progress_bar()
