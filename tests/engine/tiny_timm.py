"""A small timm folder with random weights: a residual network, read by the same code as real ones."""

import json
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file

SIZE = 64


def make_timm(folder: Path, architecture: str = "test_resnet", seed: int = 0, **about) -> Path:
    """Write a timm folder, as timm itself would."""
    known = {k: v for k, v in about.get("model_args", {}).items() if k == "img_size"}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = timm.create_model(architecture, pretrained=False, num_classes=10, **known)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):  # as after a training, where folding is not the identity
                torch.nn.init.normal_(module.running_mean, std=0.1)
                torch.nn.init.uniform_(module.running_var, 0.5, 2)
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: tensor.contiguous() for name, tensor in network.state_dict().items()}, folder / "model.safetensors"
    )
    prepared = {"input_size": [3, SIZE, SIZE], "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic",
                "crop_pct": 0.9, "url": "https://example.org/never", "hf_hub_id": "somebody/never"}  # fmt: skip
    config = {"architecture": architecture, "num_classes": 10, "num_features": network.num_features,
              "pretrained_cfg": prepared, **about}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    return folder
