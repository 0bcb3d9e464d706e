"""Mosaics of the patches that a trained network is surest of (RDED, Sun et al. 2024, arXiv:2312.03526)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from synthstudio.engine.distil.judge import Training, answers, enlarged, train
from synthstudio.engine.distil.networks import Network
from synthstudio.engine.distil.real import Normalisation
from synthstudio.engine.pixels import to_png
from synthstudio.engine.seeds import generator

_AT_ONCE = 256
_CHECKED = 4  # one image of so many is kept from the observer, to see whether it can be believed


@dataclass(frozen=True)
class Cutting:
    """How patches are cut: how many random squares of each image, and the least share of its area in a square."""

    crops: int
    smallest: float
    tiles: int  # patches along a side of a mosaic
    seed: int

    @property
    def patches(self) -> int:
        """Patches in one mosaic."""
        return self.tiles**2


@dataclass(frozen=True)
class Patches:
    """One patch per image, bytes (N, 3, side, side), and what the observer lost on it."""

    pixels: Tensor
    loss: Tensor


@dataclass(frozen=True)
class Observer:
    """A network trained on three quarters of some images, and how many of the others it was asked and had right."""

    network: Network
    right: int
    asked: int


def observer(
    architecture: str, pixels: Tensor, places: Tensor, how: Training, scale: Normalisation, seed: int
) -> Observer:
    """Train on bytes (N, 3, S, S). Images of a class stand together, so every fourth of them shows every class."""
    kept = torch.arange(len(pixels)) % _CHECKED == _CHECKED - 1
    network = train(architecture, pixels[~kept], places[~kept], int(places.max()) + 1, how, scale, seed)
    given = torch.tensor(answers(network, pixels[kept], scale))
    return Observer(network, int((given == places[kept]).sum()), int(kept.sum()))


def best_patches(observer: Network, pixels: Tensor, places: Tensor, scale: Normalisation, how: Cutting) -> Patches:
    """The square of every image that the observer takes for its class most surely: the lowest cross-entropy.

    `pixels` are bytes (N, 3, S, S). A square is shown to the observer at the size it will have in a mosaic, in the
    middle of an empty (mean-coloured) image.
    """
    side = pixels.shape[-1] // how.tiles
    found, losses = [], []
    for start in range(0, len(pixels), _AT_ONCE):
        some = pixels[start : start + _AT_ONCE].to(observer.device).float() / 255
        labels = places[start : start + _AT_ONCE].to(observer.device)
        squares = torch.stack([_square(some, side, how, start, crop) for crop in range(how.crops)])
        loss = torch.stack([_loss(observer, one, labels, pixels.shape[-1], scale) for one in squares])
        best = loss.argmin(0)
        rows = torch.arange(len(some), device=best.device)
        found.append((squares[best, rows] * 255).round().to(torch.uint8).cpu())
        losses.append(loss[best, rows].cpu())
    return Patches(torch.cat(found), torch.cat(losses))


def rows_of_mosaics(patches: Patches, places: Tensor, per_class: int, how: Cutting) -> Tensor:
    """Rows of the surest patches of each class, (C, per_class, patches): dealt out in turn, so mosaics are alike sure.

    A class with too few images has its patches repeated, in the same order.
    """
    found = []
    for label in range(int(places.max()) + 1):
        own = (places == label).nonzero()[:, 0]
        surest = own[patches.loss[own].argsort(stable=True)]
        needed = per_class * how.patches
        dealt = surest.repeat(-(-needed // len(surest)))[:needed]
        found.append(dealt.view(how.patches, per_class).T)
    return torch.stack(found)


def tiled(patches: Tensor, tiles: int) -> Tensor:
    """One image (3, tiles · side, tiles · side) of tiles² patches (tiles², 3, side, side), row by row."""
    rows = [torch.cat(list(patches[row * tiles : (row + 1) * tiles]), dim=2) for row in range(tiles)]
    return torch.cat(rows, dim=1)


def files(patches: Patches, rows: Tensor, tiles: int) -> list[bytes]:
    """PNG files of mosaics, one per row of patches (N, tiles²)."""
    return to_png([tiled(patches.pixels[parts], tiles).permute(1, 2, 0).contiguous() for parts in rows])


def _square(images: Tensor, side: int, how: Cutting, start: int, crop: int) -> Tensor:
    """A random square of each image, resized to `side`; which one depends on (seed, row, crop) alone."""
    numbers = torch.stack(
        [torch.rand(3, generator=generator(how.seed, "crop", start + row, crop)) for row in range(len(images))]
    )
    # Enlarged at full size and then averaged down: sampling straight at a smaller size would skip pixels.
    whole = enlarged(images, numbers, how.smallest)
    return F.interpolate(whole, (side, side), mode="area").clamp(0, 1)


@torch.inference_mode()
def _loss(observer: Network, squares: Tensor, places: Tensor, size: int, scale: Normalisation) -> Tensor:
    """Cross-entropy (N,) of squares in the middle of images that are 0, the mean, elsewhere."""
    before = (size - squares.shape[-1]) // 2
    after = size - squares.shape[-1] - before
    shown = F.pad(scale.apply(squares), (before, after, before, after))
    return F.cross_entropy(observer(shown), places, reduction="none")
