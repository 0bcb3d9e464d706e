"""What all families of text-to-image models share: an autoencoder, prompts, layers that an adapter may change."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from synthstudio import modelfolder
from synthstudio.engine.devices import no_compiler
from synthstudio.engine.families.parts import Tokenizer
from synthstudio.engine.noising import Noising
from synthstudio.errors import BadInput, MemoryFull, ran_out_of_memory

_LATENTS_AT_ONCE = 1 << 20  # pixels the autoencoder sees at once: 4 images of 512, 256 of 64
_KEPT = 4  # times the memory that an image takes in the autoencoder where gradients go back through it

Prompts = Any  # encoded prompts: what `embed` of a family gives and its `predict` takes; nobody else looks inside
_Found = TypeVar("_Found")
Targets = Mapping[str, tuple[str, ...]]  # for 'attention' and for 'all': the endings of the names of adapted layers


class Backbone(ABC):
    """A model that denoises latents. Frozen; an adapter is merged in and taken out by name."""

    name: ClassVar[str]  # for people
    pipeline: ClassVar[str]  # the class of diffusers that draws with such a folder
    architecture: ClassVar[str]  # what `modelspec.architecture` calls an adapter of it
    targets: ClassVar[Mapping[str, Targets]]  # for each part that an adapter may change, the denoiser first
    writer: ClassVar[Any]  # diffusers' writer of LoRA files for this pipeline
    endings: ClassVar[bool] = True  # whether the endings in `targets` mean no layer but those that are adapted

    resolution: int  # pixels, each way, of the images it was made for
    channels: int  # of its latents
    factor: int  # pixels per latent pixel, each way
    step: int  # what a resolution must be a multiple of

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        self.folder, self.device, self.dtype = folder, device, dtype
        self.schedule: Mapping[str, Any] = modelfolder.read_config(folder, "scheduler/scheduler_config.json")
        self.adapter: object = None  # key of the adapter merged into the weights
        self.base_weights: dict[str, Tensor] = {}  # what merging changed
        self.learned: object = None  # key of the learned words it reads, see `adapters.learned`
        self._embeddings: dict[str, Prompts] = {}
        self.slicing = False  # whether the autoencoder sees one image at a time
        self.compiled = False
        self.notes: list[str] = []  # warnings for whoever follows
        self.facts: list[str] = []  # what is worth saying once and no warning

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
        """The denoiser's output for latents (N, C, h, w); row i follows prompts[rows[i]]."""

    @abstractmethod
    def noising(self) -> Noising:
        """How its latents are noised in training."""

    @abstractmethod
    def solver(self, sampler: str, steps: int, resolution: int) -> Any:
        """A fresh solver of diffusers for so many steps; it remembers earlier ones. BadInput if it is not for this."""

    @abstractmethod
    def encoded(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the latents of a few images on the device, in the scale the denoiser sees."""

    @abstractmethod
    def decoded(self, latents: Tensor) -> Tensor:
        """A few images in [-1, 1] of latents in float32."""

    def autoencoder(self) -> Any:
        """Its `AutoencoderKL`, for what optimises through the decoder; BadInput if it has another kind."""
        raise BadInput(f"The latents of {self.name} cannot be matched. Use a Stable Diffusion backbone, or pixels.")

    @classmethod
    def adapts_words(cls) -> bool:
        """Whether an adapter may change a text encoder of it."""
        return any(part.startswith("text_encoder") for part in cls.targets)

    @property
    def readers(self) -> Mapping[str, tuple[Any, Tokenizer]]:
        """The text encoders that can read learned words, with their tokenizers, by the name of the part."""
        return {}

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
        if resolution % self.step:
            raise BadInput(
                f"A resolution of {resolution} does not fit this backbone; it must be a multiple of {self.step}."
            )
        return (self.channels, resolution // self.factor, resolution // self.factor)

    def encode_prompts(self, prompts: Sequence[str]) -> Prompts:
        """As `embed`; every distinct prompt is encoded once, alone, so that it never depends on its neighbours."""
        with torch.no_grad():
            for prompt in dict.fromkeys(prompts):
                if prompt not in self._embeddings:
                    self._embeddings[prompt] = self.embed([prompt])
            return self.together([self._embeddings[prompt] for prompt in prompts])

    def between(self, one: Prompts, other: Prompts, share: float) -> Prompts:
        """Encoded prompts on the line from one to the other, `share` of the way."""
        if isinstance(one, Tensor):
            return torch.lerp(one, other, share)
        return type(one)(*(torch.lerp(*both, share) for both in zip(one, other, strict=True)))

    def attended(self, prompts: Prompts) -> Tensor:
        """(N, words, D): what the denoiser attends to of encoded prompts."""
        assert isinstance(prompts, Tensor)
        return prompts

    def attending(self, vectors: Tensor) -> Prompts:
        """Vectors (N, V, D) to be attended to, as encoded prompts of V words."""
        return vectors

    def forget_prompts(self) -> None:
        """Encode again from now on: the text encoder has changed."""
        self._embeddings.clear()

    @property
    def denoiser(self) -> Any:
        """The network that `predict` asks."""
        return self.modules[next(iter(self.targets))]

    def recompute(self, on: bool) -> None:
        """Whether activations of the denoiser are computed again in the backward pass instead of kept.

        (Chen et al. 2016, arXiv:1604.06174.) The gradients stay what they are.
        """
        if on:
            self.denoiser.enable_gradient_checkpointing(self._checkpointed)
        else:
            self.denoiser.disable_gradient_checkpointing()

    def _checkpointed(self, block: Callable[..., Any], *inputs: Any) -> Any:
        # Nothing here is drawn at random, so no state of a generator need be kept.
        return checkpoint(self.as_now(block), *inputs, use_reentrant=False, preserve_rng_state=False)

    def as_now(self, block: Callable[..., Any]) -> Callable[..., Any]:
        """A block of the denoiser that computes later what it computes now."""
        return block

    def compile(self, backend: str = "inductor") -> None:
        """Compile the denoiser when it is next asked; BadInput, with the reason, where that cannot be."""
        if reason := no_compiler(self.device):
            raise BadInput(f"The denoiser cannot be compiled: {reason} Leave out --compile.")
        self.denoiser.compile(backend=backend)
        self.compiled = True

    def restructured(self) -> None:
        """Compile anew: layers were put in or taken out, or run beside others, which compiled code does not look at."""
        if self.compiled:
            torch._dynamo.reset()

    def moments(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the latents of images in [-1, 1], in the scale the denoiser sees."""
        parts = self._some_at_once(lambda some: self.encoded(some.to(self.device)), pixels, pixels[0, 0].numel())
        means, deviations = zip(*parts, strict=True)
        return torch.cat(means).clone(), torch.cat(deviations).clone()

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Latents of images in [-1, 1]: the mean of the posterior."""
        return self.moments(pixels)[0]

    def decode(self, latents: Tensor) -> Tensor:
        """Images in [-1, 1]."""
        pixels = latents[0, 0].numel() * self.factor**2
        return torch.cat(self._some_at_once(lambda some: self.decoded(some.float()), latents, pixels))

    def decoded_with_gradients(self, latents: Tensor) -> int:
        """How many of these latents `decoded` should be given at once where its activations are kept."""
        pixels = latents[0, 0].numel() * self.factor**2
        return 1 if self.slicing else max(1, _LATENTS_AT_ONCE // (_KEPT * pixels))

    def _some_at_once(self, work: Callable[[Tensor], _Found], images: Tensor, pixels: int) -> list[_Found]:
        """What the autoencoder makes of images of so many pixels; of one after the other once several do not fit."""
        while True:
            most = 1 if self.slicing else max(1, _LATENTS_AT_ONCE // pixels)
            try:
                with torch.inference_mode():
                    return [work(some) for some in images.split(most)]
            except (RuntimeError, MemoryError) as error:
                if not ran_out_of_memory(error):
                    raise
                self._slice(min(most, len(images)), error)
            if self.device.type == "cuda":  # what the failed pass held is free only here
                torch.cuda.empty_cache()

    def _slice(self, most: int, error: BaseException) -> None:
        if most == 1:
            raise MemoryFull(
                f"The autoencoder cannot hold one image of this size in the memory of {self.device}. "
                "Choose a smaller resolution, or another device."
            ) from error
        self.slicing = True
        self.notes.append(
            f"The autoencoder cannot hold {most} images at once in the memory of {self.device}; it sees one after the "
            "other, which makes the same images. Ask for slicing (--slicing) to begin like that."
        )

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Within, all of it computes in float32; its weights are those of before, then and afterwards."""
        half = self.dtype
        networks = [one for one in vars(self).values() if isinstance(one, nn.Module)]
        lowered = [one for one in networks if next(one.parameters()).dtype is half]
        try:
            self._in(lowered, torch.float32)
            yield
        finally:
            self._in(lowered, half)

    def _in(self, networks: Sequence[nn.Module], dtype: torch.dtype) -> None:
        for one in networks:
            one.to(dtype)
        self.dtype = dtype
        self.forget_prompts()

    @contextmanager
    def remembering_prompts(self) -> Iterator[None]:
        """Within, what follows from prompts alone may be kept: weights, prompts and rows must not change."""
        yield
