"""Tensors as a weight file holds them."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from synthstudio import weightfile
from synthstudio.errors import StudioError


def plain(tensor: Tensor) -> tuple[str, tuple[int, ...], bytes]:
    """A tensor as float32 for `weightfile.write`: type, shape, bytes."""
    array = tensor.detach().to("cpu", torch.float32).contiguous().numpy()
    return "F32", tuple(array.shape), array.astype("<f4", copy=False).tobytes()


def write_tensors(path: Path, tensors: dict[str, Tensor], about: dict[str, Any] | None = None) -> None:
    """A safetensors file of float32 tensors that is there whole or not at all; equal tensors give equal bytes."""
    rows = {
        name: ("F32", tuple(tensor.shape), tensor.detach().cpu().float().contiguous().numpy().tobytes())
        for name, tensor in tensors.items()
    }
    weightfile.write(path, rows, {"about": json.dumps(about, sort_keys=True)} if about else {})


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and notes of `write_tensors`; None if there is no such file or it is damaged."""
    try:
        about = json.loads(weightfile.read_header(path).metadata.get("about", "{}"))
        return load_file(path), about
    except (OSError, ValueError, SafetensorError, StudioError):
        return None
