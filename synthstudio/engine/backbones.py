"""Text-to-image models: which families there are, and in which precision they work.

`load()` reads any diffusers folder of a family below. Only the parts needed are imported: a whole pipeline would also
load a safety checker and its processor.
"""

from collections.abc import Mapping
from pathlib import Path

import torch

from synthstudio import modelfolder
from synthstudio.engine import devices
from synthstudio.engine.families.base import Backbone
from synthstudio.engine.families.flux2_klein import Flux2Klein
from synthstudio.engine.families.stable_diffusion import StableDiffusion
from synthstudio.engine.families.stable_diffusion_xl import StableDiffusionXL
from synthstudio.errors import BadInput

__all__ = ["FAMILIES", "Backbone", "load", "training_dtype", "working_dtype"]

FAMILIES: Mapping[str, type[Backbone]] = {one.pipeline: one for one in (StableDiffusion, StableDiffusionXL, Flux2Klein)}
_LATER = {
    "StableDiffusionXL": "This kind of SDXL",
    "StableDiffusion3": "Stable Diffusion 3",
    "Flux": "This kind of FLUX",
    "PixArt": "PixArt",
}


def load(folder: Path, device: torch.device, dtype: torch.dtype | None = None) -> Backbone:
    """The model in a diffusers folder, frozen and ready. BadInput names what is not supported, and what is."""
    pipeline = modelfolder.pipeline_of(folder)
    if pipeline not in FAMILIES:
        family = next(
            (name for start, name in _LATER.items() if pipeline.startswith(start)), pipeline or "This kind of model"
        )
        here = ", ".join(one.name for one in FAMILIES.values())
        raise BadInput(f"{family} is not supported yet ({folder.name}). Use a folder of {here}, or pico.")
    modelfolder.examine(folder, "backbone")
    return FAMILIES[pipeline](folder, device, dtype or working_dtype(device))


def working_dtype(device: torch.device) -> torch.dtype:
    """What every model computes in on this device."""
    return devices.working_dtype(device)


def training_dtype(device: torch.device) -> torch.dtype:
    """As `working_dtype`, but never float16: there the weights stay in float32, and `updates` computes in float16."""
    dtype = working_dtype(device)
    return torch.float32 if dtype is torch.float16 else dtype
