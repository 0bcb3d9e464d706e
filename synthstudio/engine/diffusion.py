"""From prompts, or prompts and source images, to pictures.

Every image draws its noise from its own seed on the CPU, so its neighbours in a batch change nothing but the last bits
of its floats. Guidance is classifier-free (Ho & Salimans 2022), in diffusers' sense: 1 is off.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from synthstudio.engine.backbones import Backbone
from synthstudio.engine.pixels import squares, to_png, to_tensor, to_uint8
from synthstudio.engine.seeds import exactly, generator, normal
from synthstudio.errors import BadInput


@dataclass(frozen=True)
class Settings:
    """What all images of a batch share."""

    guidance_scale: float = 2.0
    inference_steps: int = 50
    sampler: str = "dpm++"
    strength: float = 1.0  # below 1 the images start from sources
    resolution: int = 512


@dataclass(frozen=True)
class Request:
    """One image."""

    prompt: str
    negative_prompt: str
    seed: int
    source: Image.Image | None = None


@torch.inference_mode()
def sample(backbone: Backbone, requests: Sequence[Request], settings: Settings) -> list[bytes]:
    """PNG files, one per request, in order. What is no number in half precision is drawn once more in float32."""
    pictures, numbers = _drawn(backbone, requests, settings)
    if not numbers and backbone.dtype is not torch.float32:
        half = str(backbone.dtype).removeprefix("torch.")
        backbone.notes.append(
            f"A batch of {len(requests)} was no numbers in {half}, the half precision of this device; it was drawn "
            "again in float32. If that happens often, use --device cpu or a card with bfloat16."
        )
        with backbone.whole():
            pictures, numbers = _drawn(backbone, requests, settings)
    if not numbers:
        raise BadInput(
            "The model draws no numbers with these settings. Lower guidance_scale or adapter_scale; if it does so with "
            "others too, its weights or the adapter are damaged: fetch the one again, or train the other."
        )
    return to_png(pictures)


def _drawn(backbone: Backbone, requests: Sequence[Request], settings: Settings) -> tuple[Tensor, bool]:
    """Pictures as bytes, and whether all of their latents are numbers: asked when the pictures were waited for."""
    latents = denoise(backbone, requests, settings)
    pictures = to_uint8(backbone.decode(latents))
    return pictures, bool(latents.isfinite().all())


@torch.inference_mode()
def denoise(backbone: Backbone, requests: Sequence[Request], settings: Settings) -> Tensor:
    """Latents (N, C, h, w) of the finished images."""
    steps = backbone.solver(settings.sampler, settings.inference_steps, settings.resolution)
    first = first_step(settings.inference_steps, settings.strength)
    latents = _start(backbone, requests, settings, steps, first)
    guided = settings.guidance_scale > 1
    texts = [r.prompt for r in requests]
    if guided:
        texts = [r.negative_prompt for r in requests] + texts
    distinct = list(dict.fromkeys(texts))
    prompts = backbone.encode_prompts(distinct)
    rows = torch.tensor([distinct.index(text) for text in texts], device=backbone.device)
    with backbone.remembering_prompts():
        for t in steps.timesteps[first:]:
            seen = steps.scale_model_input(latents, t).to(backbone.dtype)
            seen = torch.cat([seen, seen]) if guided else seen
            output = backbone.predict(seen, t.to(backbone.device), prompts, rows).float()
            if guided:
                away, towards = output.chunk(2)
                output = away + settings.guidance_scale * (towards - away)
            latents = steps.step(output, t, latents, return_dict=False)[0]
    return latents


def side(backbone: Backbone, resolution: int | None) -> int:
    """The side of the images in pixels: what was asked for, or the backbone's own size."""
    return resolution or backbone.resolution


def default_batch(backbone: Backbone, resolution: int | None) -> int:
    """Images per batch when nobody chose: as many as fill the device without filling its memory."""
    budget = {"cpu": 32 * 64**2, "mps": 4 * 512**2, "cuda": 16 * 512**2}[backbone.device.type]
    return max(1, min(128, budget // side(backbone, resolution) ** 2))


def first_step(inference_steps: int, strength: float) -> int:
    """Where on the schedule SDEdit starts (Meng et al. 2021, arXiv:2108.01073): floor(steps · strength) steps remain.

    At least one step remains, so that a low strength never returns the source itself under a new name.
    """
    return inference_steps - max(1, int(inference_steps * strength + 1e-9))


def _start(backbone: Backbone, requests: Sequence[Request], settings: Settings, steps: Any, first: int) -> Tensor:
    """Pure noise, or the sources noised to where the schedule starts."""
    shape = backbone.latent_shape(settings.resolution)
    noise = torch.stack([normal(shape, exactly(r.seed), backbone.device) for r in requests])
    if settings.strength >= 1 or requests[0].source is None:
        return noise * steps.init_noise_sigma
    views = [
        squares(r.source, settings.resolution, "centre", generator(r.seed, "crop"))[0] for r in requests if r.source
    ]
    if hasattr(steps, "set_begin_index"):
        steps.set_begin_index(first)
    when = steps.timesteps[first : first + 1]
    return steps.add_noise(backbone.encode_images(to_tensor(views)), noise, when.repeat(len(requests)))
