"""Adapters of a backbone: their file, and their weights merged into the model.

The file is what diffusers writes and `StableDiffusionPipeline.load_lora_weights` reads. Sampling merges W + s·(α/r)·B·A
into the weights: the same function as running B and A beside every layer, without their cost.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from synthstudio import weightfile
from synthstudio.engine.backbones import ADAPTED, StableDiffusion
from synthstudio.errors import BadInput

FILE = "pytorch_lora_weights.safetensors"
Factors = Mapping[str, tuple[Tensor, Tensor]]  # A and B of each layer, by its full name
_METADATA = "lora_adapter_metadata"


@dataclass(frozen=True)
class Adapter:
    """Low-rank factors by full layer name ('unet.…'): A (r, in, …) and B (out, r, …); the update is scale · B A."""

    factors: Factors
    scale: float


def write_adapter(path: Path, factors: Factors, rank: int, alpha: float, targets: str) -> None:
    """Write the factors so that plain diffusers loads them; equal factors give equal bytes."""
    tensors = {}
    for name, pair in factors.items():
        # Older transformers keep a text encoder's layers one level deeper; diffusers takes that name with any version.
        place = re.sub(r"^text_encoder\.", "text_encoder.text_model.", name)
        for letter, factor in zip("AB", pair, strict=True):
            tensors[f"{place}.lora_{letter}.weight"] = plain(factor)
    metadata: dict[str, object] = {}
    for part in sorted({name.partition(".")[0] for name in factors}):
        settings = {"r": rank, "lora_alpha": alpha, "target_modules": list(ADAPTED[part][targets])}
        metadata |= {f"{part}.{key}": value for key, value in settings.items()}
    weightfile.write(path, tensors, {"format": "pt", _METADATA: json.dumps(metadata, sort_keys=True)})


def read_adapter(path: Path) -> Adapter:
    """The adapter in a file written by `write_adapter`. UnsafeInput unless it is safetensors."""
    settings = json.loads(weightfile.read_header(path).metadata.get(_METADATA, "{}"))
    if "unet.r" not in settings:
        raise BadInput(f"{path.name} does not say its rank and alpha; it was not made by this program.")
    tensors = load_file(path)
    names = sorted(name.removesuffix(".lora_A.weight") for name in tensors if name.endswith(".lora_A.weight"))
    factors = {
        name.replace("text_encoder.text_model.", "text_encoder.", 1): (
            tensors[f"{name}.lora_A.weight"],
            tensors[f"{name}.lora_B.weight"],
        )
        for name in names
    }
    return Adapter(factors, settings["unet.lora_alpha"] / settings["unet.r"])


def plain(tensor: Tensor) -> tuple[str, tuple[int, ...], bytes]:
    """A float32 tensor as a weight file holds it."""
    array = tensor.detach().to("cpu", torch.float32).contiguous().numpy()
    return "F32", tuple(array.shape), array.astype("<f4", copy=False).tobytes()


def use_adapter(backbone: StableDiffusion, key: object, adapter: Adapter | None, scale: float) -> None:
    """Have exactly this adapter merged into the backbone, whatever was there; none restores the base weights.

    `key` names adapter and scale: the same key again costs nothing.
    """
    if backbone.adapter == key:
        return
    layers = {
        f"{part}.{name}": layer for part, module in backbone.modules.items() for name, layer in module.named_modules()
    }
    with torch.no_grad():
        for name, weight in backbone.base_weights.items():
            _weight(layers[name]).copy_(weight)
        backbone.base_weights.clear()
        backbone.adapter = None
        backbone.forget_prompts()
        for name, (down, up) in adapter.factors.items() if adapter else ():
            if name not in layers:
                raise BadInput(f"The adapter changes {name}, which this backbone lacks; it was trained on another one.")
            weight = _weight(layers[name])
            update = (up.flatten(1) @ down.flatten(1)).mul(scale * adapter.scale if adapter else 0)
            if update.numel() != weight.numel():
                raise BadInput(f"The adapter does not fit {name} of this backbone; it was trained on another one.")
            backbone.base_weights[name] = weight.clone()
            weight.copy_(weight.float() + update.view(weight.shape).to(weight.device))
    backbone.adapter = key


def _weight(layer: nn.Module) -> Tensor:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight
