"""What all families of text-to-image models share: an autoencoder, prompts, layers that an adapter may change."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import torch
from diffusers.models import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn

from synthstudio import modelfolder
from synthstudio.engine.attention import PromptRows
from synthstudio.engine.families.parts import part
from synthstudio.errors import BadInput

_PREDICTIONS = ("epsilon", "v_prediction")
_LATENTS_AT_ONCE = 1 << 20  # pixels the autoencoder sees at once: 4 images of 512, 256 of 64

Prompts = Any  # encoded prompts: what `embed` of a family gives and its `predict` takes; nobody else looks inside
Targets = Mapping[str, tuple[str, ...]]  # for 'attention' and for 'all': the endings of the names of adapted layers

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


class Backbone(ABC):
    """A latent-diffusion model with a UNet. Frozen; an adapter is merged in and taken out by name.

    The autoencoder stays in float32 everywhere: in half precision the original one can overflow to black images.
    """

    name: ClassVar[str]  # for people
    pipeline: ClassVar[str]  # the class of diffusers that draws with such a folder
    architecture: ClassVar[str]  # what `modelspec.architecture` calls an adapter of it
    targets: ClassVar[Mapping[str, Targets]]  # for each part that an adapter may change, the UNet's first
    writer: ClassVar[Any]  # diffusers' writer of LoRA files for this pipeline

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        self.folder, self.device, self.dtype = folder, device, dtype
        self.schedule: Mapping[str, Any] = modelfolder.read_config(folder, "scheduler/scheduler_config.json")
        self.prediction = self.schedule.get("prediction_type", "epsilon")
        if self.prediction not in _PREDICTIONS:
            raise BadInput(
                f"{folder.name} predicts {self.prediction!r}; only {' and '.join(_PREDICTIONS)} are supported."
            )
        self.unet = part(UNet2DConditionModel, folder, "unet", dtype).to(device)
        self.vae = part(AutoencoderKL, folder, "vae", torch.float32).to(device)
        self.scale: float = self.vae.config.scaling_factor
        self.factor = 2 ** (len(self.vae.config.block_out_channels) - 1)  # pixels per latent pixel, each way
        self.resolution: int = int(self.unet.config.sample_size) * self.factor
        self.rows = PromptRows(self.unet)
        self.adapter: object = None  # key of the adapter merged into the weights
        self.base_weights: dict[str, Tensor] = {}  # what merging changed
        self._embeddings: dict[str, Prompts] = {}

    @property
    @abstractmethod
    def words(self) -> int:
        """How many tokens of a prompt are read, those at its ends included."""

    @abstractmethod
    def too_long(self, prompt: str) -> bool:
        """Whether the end of this prompt would be cut off."""

    @abstractmethod
    def embed(self, prompts: Sequence[str]) -> Prompts:
        """Each prompt encoded anew: gradients reach the text encoder."""

    @abstractmethod
    def together(self, prompts: Sequence[Prompts]) -> Prompts:
        """Several results of `embed` as one."""

    @abstractmethod
    def predict(self, latents: Tensor, timestep: Tensor, prompts: Prompts, rows: Tensor) -> Tensor:
        """The UNet's output for latents (N, C, h, w); row i follows prompts[rows[i]]."""

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The parts an adapter may change, under the names that adapter files use."""
        return {name: getattr(self, name) for name in self.targets}

    def adapter_layers(self, targets: str, text_encoder: bool) -> dict[str, nn.Module]:
        """The layers that get an update, by full name: 'unet.…', 'text_encoder.…'."""
        return {
            f"{name}.{inside}": layer
            for name, module in self.modules.items()
            for inside, layer in module.named_modules()
            if (text_encoder or not name.startswith("text_encoder"))
            and any(f".{inside}".endswith(f".{target}") for target in self.targets[name][targets])
            and isinstance(layer, nn.Linear | nn.Conv2d)
        }

    def latent_shape(self, resolution: int) -> tuple[int, int, int]:
        """Channels, height and width of the latents of one image; BadInput if the size does not divide."""
        step = self.factor * 2 ** (len(self.unet.config.block_out_channels) - 1)
        if resolution % step:
            raise BadInput(f"A resolution of {resolution} does not fit this backbone; it must be a multiple of {step}.")
        return (self.unet.config.in_channels, resolution // self.factor, resolution // self.factor)

    def encode_prompts(self, prompts: Sequence[str]) -> Prompts:
        """As `embed`; every distinct prompt is encoded once, alone, so that it never depends on its neighbours."""
        with torch.no_grad():
            for prompt in dict.fromkeys(prompts):
                if prompt not in self._embeddings:
                    self._embeddings[prompt] = self.embed([prompt])
            return self.together([self._embeddings[prompt] for prompt in prompts])

    def forget_prompts(self) -> None:
        """Encode again from now on: the text encoder has changed."""
        self._embeddings.clear()

    def moments(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the latents of images in [-1, 1], in the scale the UNet sees."""
        means, deviations = [], []
        with torch.inference_mode():
            for some in pixels.split(max(1, _LATENTS_AT_ONCE // pixels[0, 0].numel())):
                found = self.vae.encode(some.to(self.device)).latent_dist
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
            return torch.cat([self.vae.decode(some.float() / self.scale).sample for some in latents.split(most)])

    @contextmanager
    def remembering_prompts(self) -> Iterator[None]:
        """Within, the keys and values of the prompts are computed once: weights, prompts and rows must not change."""
        with self.rows.remembered():
            yield
