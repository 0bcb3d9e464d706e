"""Weights from a package of the registry become an ordinary folder: timm's, or with a text tower beside it open_clip's.

EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excitation): the 296 tensors of the package are those of timm's
`tf_efficientnet_lite0`, in the same order and shapes, for inputs scaled to [-1, 1]. It was trained at 224 px.
"""

import json
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor

from synthstudio import weightfile
from synthstudio.errors import Damaged
from synthstudio.packages import Package, checked

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
TEXT = "text.safetensors"  # half as wide as it is read: rounding moves no answer, and a clone is half as long
CLIP_WEIGHTS = "open_clip_model.safetensors"
CLIP_CONFIG = "open_clip_config.json"
_KINDS = {torch.float32: "F32", torch.int64: "I64"}
SIDE = 160  # px: half the work of 224 px


def read(file: Path, package: Package) -> dict[str, Tensor]:
    """The tensors of the package's file under timm's names.

    Read only if its SHA-256 is the known one, and only as tensors. Damaged if they do not fit the network.
    """
    tensors = torch.load(checked(file, package), map_location="cpu", weights_only=True).values()
    with torch.device("meta"):
        wanted = timm.create_model(package.network, pretrained=False).state_dict()
    if [tensor.shape for tensor in tensors] != [tensor.shape for tensor in wanted.values()]:
        raise Damaged(
            f"{file} does not hold the tensors of {package.network} as the installed timm knows it. Install timm 1.0."
        )
    return dict(zip(wanted, (tensor.contiguous() for tensor in tensors), strict=True))


def convert(file: Path, package: Package, folder: Path) -> None:
    """Write the folder of the package's network, or of the CLIP that it is with its words; equal files, equal bytes."""
    pictures = read(file, package)
    if package.words is None:
        _write(folder / WEIGHTS, pictures, package)
        (folder / CONFIG).write_bytes(_config(package))
        return
    tower = {f"visual.trunk.{name}": one for name, one in pictures.items() if not name.startswith("classifier.")}
    texts = {name: one.float() for name, one in load_file(package.words / TEXT).items()}
    _write(folder / CLIP_WEIGHTS, tower | texts, package)
    (folder / CLIP_CONFIG).write_bytes((package.words / CLIP_CONFIG).read_bytes())


def _write(path: Path, tensors: dict[str, Tensor], package: Package) -> None:
    rows = {
        name: (_KINDS[tensor.dtype], tuple(tensor.shape), tensor.numpy().tobytes()) for name, tensor in tensors.items()
    }
    weightfile.write(path, rows, {"format": "pt", "source": package.source})


def _config(package: Package) -> bytes:
    """What timm reads."""
    config = {
        "architecture": package.network,
        "num_classes": 1000,
        "pretrained_cfg": {
            "input_size": [3, SIDE, SIDE], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
            "interpolation": "bicubic", "crop_pct": 1.0,
        },
    }  # fmt: skip
    return json.dumps(config, indent=1).encode()
