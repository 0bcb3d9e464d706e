"""A network that has seen ImageNet: EfficientNet-Lite0, see `packaged`."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from synthstudio.engine import packaged
from synthstudio.packages import LITE0, installed

TAPS = (1, 2, 4, 6)  # blocks whose output is looked at, besides the stem


class Teacher(nn.Module):
    """Frozen, in evaluation mode. Images are NCHW in [-1, 1] and at least 32 px wide; it was trained at 224 px."""

    channels = (32, 24, 40, 112, 320)  # of each of `maps`
    classes = 1000
    width = 1280  # of `embed`

    def __init__(self) -> None:
        super().__init__()
        self.network = timm.create_model(LITE0.network, pretrained=False)
        self.to(memory_format=torch.channels_last)  # depthwise convolutions take about two thirds of the time this way
        self.requires_grad_(False).eval()

    def maps(self, images: Tensor) -> list[Tensor]:
        """Features at five depths, whose sides are 1/2, 1/4, 1/8, 1/16 and 1/32 of the picture's."""
        value = self.network.bn1(self.network.conv_stem(images.contiguous(memory_format=torch.channels_last)))
        found = [value]
        for depth, block in enumerate(self.network.blocks):
            value = block(value)
            if depth in TAPS:
                found.append(value)
        return found

    def embed(self, images: Tensor) -> Tensor:
        """The pooled features before the classifier, N x 1,280."""
        return self.network.forward_head(self.network.forward_features(images), pre_logits=True)

    def classify(self, images: Tensor) -> Tensor:
        """Logits of ImageNet's 1,000 classes, in ImageNet's order."""
        return self.network(images)


def enlarged(images: Tensor, side: int) -> Tensor:
    """Square pictures brought to `side` pixels: small ones show the teacher too little of its 1/32 grid."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(images, (side, side), mode="bicubic", align_corners=False).clamp(-1, 1)


def load_teacher(folder: Path) -> Teacher:
    """The teacher from `folder`; converted from the installed package on first use."""
    kept = folder / LITE0.network
    if not (kept / packaged.CONFIG).exists():
        kept.mkdir(parents=True, exist_ok=True)
        packaged.convert(installed(LITE0), LITE0, kept)
    teacher = Teacher()
    teacher.network.load_state_dict(load_file(kept / packaged.WEIGHTS))
    return teacher
