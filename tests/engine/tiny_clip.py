"""Small open_clip folders with random weights: the architectures of the real ones, read by the same code."""

import json
from pathlib import Path

import torch
from open_clip.model import CLIP
from safetensors.torch import save_file

_TEXT = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}
_VISION = {
    "vit": {"image_size": 32, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16},
    "resnet": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 16},
}
SIZE = {"vit": 32, "resnet": 64}


def make_clip(folder: Path, tower: str, seed: int = 0) -> Path:
    """Write an open_clip folder whose image tower is a `vit` or a `resnet`."""
    config = {"embed_dim": 24, "vision_cfg": _VISION[tower], "text_cfg": _TEXT}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CLIP(**{**config, "init_logit_scale": 2.3})
        if tower == "resnet":
            _open_residual_branches(model)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}})
    )
    return folder


def _open_residual_branches(model: CLIP) -> None:
    """A fresh residual tower multiplies its branches by zero; a trained one does not."""
    for name, weight in model.visual.named_parameters():
        if name.endswith("bn3.weight"):
            torch.nn.init.constant_(weight, 0.5)
