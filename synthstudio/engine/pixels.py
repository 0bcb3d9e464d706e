"""Pictures and tensors: crop policies, PNG bytes."""

import io
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

CROPS = 8  # random crops kept of a picture that is not square


def read(data: bytes) -> Image.Image:
    """A stored picture in RGB; imports have already turned it upright."""
    return Image.open(io.BytesIO(data)).convert("RGB")


def squares(picture: Image.Image, size: int, crop: str, generator: torch.Generator) -> list[Image.Image]:
    """The square views a crop policy gives: `CROPS` of them for random crops of an oblong picture, else one."""
    if crop == "pad":
        return [ImageOps.pad(picture, (size, size), Image.Resampling.BICUBIC, color=_border_colour(picture))]
    if crop == "centre" or picture.width == picture.height:
        return [ImageOps.fit(picture, (size, size), Image.Resampling.BICUBIC)]
    at = torch.rand((CROPS, 2), generator=generator).tolist()
    return [ImageOps.fit(picture, (size, size), Image.Resampling.BICUBIC, centering=(x, y)) for x, y in at]


def to_tensor(pictures: Sequence[Image.Image]) -> Tensor:
    """(N, 3, H, W) in [-1, 1]."""
    array = np.stack([np.asarray(picture, np.uint8) for picture in pictures])
    return torch.from_numpy(array).permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous()


def to_uint8(images: Tensor) -> Tensor:
    """(N, 3, H, W) in [-1, 1] to (N, H, W, 3) bytes, rounded as diffusers rounds."""
    return images.float().div(2).add(0.5).clamp(0, 1).permute(0, 2, 3, 1).mul(255).round().to(torch.uint8).cpu()


def to_png(pixels: Iterable[Tensor]) -> list[bytes]:
    """PNG files of (H, W, 3) bytes; equal pixels give equal files."""
    files = []
    for one in pixels:
        out = io.BytesIO()
        Image.fromarray(one.numpy()).save(out, "PNG")
        files.append(out.getvalue())
    return files


def _border_colour(picture: Image.Image) -> tuple[int, ...]:
    array = np.asarray(picture)
    border = np.concatenate([array[0], array[-1], array[:, 0], array[:, -1]])
    return tuple(int(value) for value in np.median(border, axis=0))
