"""Differentiable Siamese augmentation (Zhao and Bilen 2021, arXiv:2102.08259).

One transform per draw, with the same numbers for the real and the synthetic batch, so that matching compares like with
like; gradients reach the images. All chance lies in the draw: `draw()` takes a generator and gives a value, `apply()`
is a pure function of it. The published code reseeds the global generator from the clock at every step instead.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from synthstudio.errors import UnknownName

_COLUMNS = 3  # uniform numbers a transform may use
_SHIFT = 0.125  # largest translation, in image sides
_HOLE = 0.5  # side of the square that is cut out, in image sides
_SCALE = 1.2  # largest stretch of an axis, either way
_DEGREES = 15.0
_ASKED = ("crop",)  # transforms that look at their numbers, which must not wait for a device


@dataclass(frozen=True)
class Augmentation:
    """One transform with its numbers in [0, 1), (1, 3) for a whole batch or (B, 3) for each image its own."""

    operation: str
    numbers: Tensor

    def apply(self, images: Tensor) -> Tensor:
        """Transformed images (B, C, H, W). Expects normalised pixels: what is cut out or comes in is 0, the mean."""
        if not self.operation:
            return images
        device = "cpu" if self.operation in _ASKED else images.device
        return OPERATIONS[self.operation](images, self.numbers.to(device, images.dtype))


def draw(generator: torch.Generator, operations: Sequence[str], images: int | None = None) -> Augmentation:
    """One of `operations`, chosen with equal chance, and its numbers: shared by all images, or for `images` images.

    No operations: the identity. UnknownName for an operation that does not exist.
    """
    if not operations:
        return Augmentation("", torch.zeros(1, _COLUMNS))
    for name in operations:
        if name not in OPERATIONS:
            raise UnknownName.among("augmentation", name, OPERATIONS)
    chosen = operations[int(torch.randint(len(operations), (1,), generator=generator))]
    return Augmentation(chosen, torch.rand((images or 1, _COLUMNS), generator=generator))


def _colour(images: Tensor, numbers: Tensor) -> Tensor:
    """Brightness +-0.5, saturation 0 to 2 times, contrast 0.5 to 1.5 times, in this order."""
    bright, saturation, contrast = (numbers[:, i].view(-1, 1, 1, 1) for i in range(_COLUMNS))
    images = images + (bright - 0.5)
    grey = images.mean(dim=1, keepdim=True)
    images = (images - grey) * (2 * saturation) + grey
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - mean) * (contrast + 0.5) + mean


def _crop(images: Tensor, numbers: Tensor) -> Tensor:
    """A translation by whole pixels; what comes in is 0."""
    height, width = images.shape[-2:]
    down, right = int(height * _SHIFT + 0.5), int(width * _SHIFT + 0.5)
    padded = F.pad(images, (right, right, down, down))
    tops = (numbers[:, 0] * (2 * down + 1)).long().tolist()
    lefts = (numbers[:, 1] * (2 * right + 1)).long().tolist()
    if len(tops) == 1:
        return padded[..., tops[0] : tops[0] + height, lefts[0] : lefts[0] + width]
    places = zip(padded, tops, lefts, strict=True)
    return torch.stack([one[:, top : top + height, left : left + width] for one, top, left in places])


def _cutout(images: Tensor, numbers: Tensor) -> Tensor:
    """A square of 0 whose centre is anywhere, so that the border cuts some of it off."""
    inside = None
    for axis, size in enumerate(images.shape[-2:]):
        side = int(size * _HOLE + 0.5)
        start = (numbers[:, axis] * size).floor() - side // 2
        places = torch.arange(size, device=images.device)
        within = (places >= start[:, None]) & (places < start[:, None] + side)
        inside = within[:, :, None] if inside is None else inside & within[:, None, :]
    assert inside is not None
    return images * ~inside[:, None]


def _flip(images: Tensor, numbers: Tensor) -> Tensor:
    """Left and right exchanged, half of the time."""
    return torch.where((numbers[:, 0] < 0.5).view(-1, 1, 1, 1), images.flip(3), images)


def _scale(images: Tensor, numbers: Tensor) -> Tensor:
    """Each axis on its own stretched or shrunk by up to 1.2."""
    factors = numbers[:, :2] * (_SCALE - 1 / _SCALE) + 1 / _SCALE
    zero = torch.zeros_like(factors[:, 0])
    return _warp(images, torch.stack([factors[:, 0], zero, zero, zero, factors[:, 1], zero], 1))


def _rotate(images: Tensor, numbers: Tensor) -> Tensor:
    """A turn by up to 15 degrees either way."""
    angle = (numbers[:, 0] - 0.5) * 2 * math.radians(_DEGREES)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    return _warp(images, torch.stack([cos, -sin, zero, sin, cos, zero], 1))


def _warp(images: Tensor, rows: Tensor) -> Tensor:
    matrices = rows.view(-1, 2, 3).expand(len(images), 2, 3)
    grid = F.affine_grid(matrices, list(images.shape), align_corners=True)
    return F.grid_sample(images, grid, align_corners=True)


OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "color": _colour,
    "crop": _crop,
    "cutout": _cutout,
    "flip": _flip,
    "scale": _scale,
    "rotate": _rotate,
}
