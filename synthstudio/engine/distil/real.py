"""The real images a small set is distilled from: bytes in memory, one batch at a time as normalised numbers.

Published code keeps the whole set as float tensors on the accelerator; here it stays as bytes (a quarter of that, on
the host) and only the batches of a step are converted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from synthstudio.engine.seeds import generator
from synthstudio.errors import BadInput

_SMALLEST_DEVIATION = 0.01  # of a channel that hardly varies


@dataclass(frozen=True)
class Normalisation:
    """Channel means and deviations over all pixels of a set, both for images in [0, 1]."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def of(cls, pixels: Tensor) -> "Normalisation":
        """Measured on bytes (N, C, H, W), with sums in whole numbers, so the same on every machine."""
        count = pixels[:, 0].numel()
        whole = [pixels[:, channel].long() for channel in range(pixels.shape[1])]
        means = [int(one.sum()) / count for one in whole]
        squares = [int(one.square().sum()) / count for one in whole]
        deviations = [max(0.0, s - m * m) ** 0.5 / 255 for m, s in zip(means, squares, strict=True)]
        return cls(tuple(m / 255 for m in means), tuple(max(d, _SMALLEST_DEVIATION) for d in deviations))

    def apply(self, images: Tensor) -> Tensor:
        """Images in [0, 1] to mean 0 and deviation 1."""
        mean, deviation = self.columns(images)
        return (images - mean) / deviation

    def undo(self, images: Tensor) -> Tensor:
        """Back to [0, 1]; not clamped."""
        mean, deviation = self.columns(images)
        return images * deviation + mean

    def columns(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation as (C, 1, 1), with the device and type of `like`."""
        return like.new_tensor(self.mean).view(-1, 1, 1), like.new_tensor(self.deviation).view(-1, 1, 1)


@dataclass(frozen=True)
class RealImages:
    """Bytes (N, 3, S, S), and the rows of each class; `labels` names the classes in order."""

    pixels: Tensor
    rows: tuple[Tensor, ...]
    labels: tuple[str, ...]
    normalisation: Normalisation

    @classmethod
    def of(cls, pixels: Tensor, labels: Sequence[str]) -> "RealImages":
        """From bytes and the label of each row. BadInput unless there are two classes or more."""
        names = tuple(sorted(set(labels)))
        if len(names) < 2:
            raise BadInput("A set that teaches needs at least two classes. Import a data set with more of them.")
        places = torch.tensor([names.index(label) for label in labels])
        rows = tuple((places == place).nonzero().flatten() for place in range(len(names)))
        return cls(pixels, rows, names, Normalisation.of(pixels))

    @property
    def size(self) -> int:
        """Side of the images, in pixels."""
        return self.pixels.shape[-1]

    @property
    def places(self) -> Tensor:
        """The class of every row of `pixels`, as a number."""
        found = torch.empty(len(self.pixels), dtype=torch.long)
        for place, rows in enumerate(self.rows):
            found[rows] = place
        return found

    def unit(self, rows: Tensor) -> Tensor:
        """These images in [0, 1]."""
        return self.pixels[rows].float() / 255

    def batch(self, seed: int, step: int, size: int) -> Tensor:
        """Normalised images (classes, size, 3, S, S) of a step: shuffled passes through each class, one after another.

        A function of (seed, step). A class with fewer than `size` images appears more than once in the batch.
        """
        rows = torch.cat([self._chosen(seed, step, size, place) for place in range(len(self.rows))])
        return self.normalisation.apply(self.unit(rows)).unflatten(0, (len(self.rows), size))

    def _chosen(self, seed: int, step: int, size: int, place: int) -> Tensor:
        rows = self.rows[place]
        start, end = step * size, (step + 1) * size
        passes = range(start // len(rows), (end - 1) // len(rows) + 1)
        shuffled = [
            torch.randperm(len(rows), generator=generator(seed, "order", self.labels[place], one)) for one in passes
        ]
        return rows[torch.cat(shuffled)[start % len(rows) :][:size]]


def read(files: Iterable[bytes], size: int) -> Tensor:
    """Pictures as bytes (N, 3, size, size): the middle square, reduced over areas or enlarged smoothly."""
    return torch.from_numpy(np.stack([_square(file, size) for file in files])).permute(0, 3, 1, 2).contiguous()


def _square(file: bytes, size: int) -> np.ndarray:
    with Image.open(BytesIO(file)) as opened:
        picture = opened.convert("RGB")
    how = Image.Resampling.BOX if min(picture.size) % size == 0 else Image.Resampling.BICUBIC
    return np.asarray(ImageOps.fit(picture, (size, size), how), np.uint8)
