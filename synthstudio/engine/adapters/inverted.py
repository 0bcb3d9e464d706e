"""Diffusion Inversion: every photo as vectors that a frozen model attends to (Zhou et al. 2023, arXiv:2305.16316).

A photo's vectors stand where an encoded prompt would: no word, no text encoder. What draws them may move them a little
towards those of another photo and add noise; guidance then leads away from the mean of all vectors, since an empty
prompt is no image of such a set.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from synthstudio import weightfile
from synthstudio.engine.backbones import Backbone
from synthstudio.engine.diffusion import Vectors
from synthstudio.engine.families.base import Prompts
from synthstudio.engine.seeds import generator, normal
from synthstudio.engine.tensors import plain
from synthstudio.errors import BadInput

_MARK = "inverted_vectors"
_APART = 0.1  # deviation of what sets the vectors of a photo apart where they begin


class Inverted:
    """The vectors of photos in training; the trainer sees one flat vector, as of every adapter."""

    def __init__(self, backbone: Backbone, photos: Sequence[str], count: int, seed: int) -> None:
        self.backbone = backbone
        self.rows = {photo: row for row, photo in enumerate(dict.fromkeys(photos))}
        start = _empty(backbone)
        if count > len(start):
            raise BadInput(f"This model attends to {len(start)} vectors at most. Lower vectors to that.")
        begun = [
            start[:count] + _APART * normal(start[:count].shape, generator(seed, "vectors", photo), start.device)
            for photo in self.rows
        ]
        self.shape = (len(begun), count, start.shape[-1])
        self.flat = nn.Parameter(torch.stack(begun).flatten())
        self.flat.grad = torch.zeros_like(self.flat)

    def prompts(self, photos: Sequence[str]) -> Prompts:
        """What stands in the place of encoded prompts; gradients reach the vectors."""
        return self.backbone.attending(self._all()[[self.rows[photo] for photo in photos]])

    def table(self) -> "Table":
        """The vectors as they are now."""
        now = self._all().detach().clone()
        return Table(self.backbone, {photo: now[row] for photo, row in self.rows.items()})

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint needs beside the flat vector: nothing."""
        return {}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take `tensors()` of a checkpoint back."""

    def write(self, path: Path) -> None:
        """Write the vectors of every photo under its digest."""
        vectors = self.table().vectors
        weightfile.write(path, {photo: plain(one) for photo, one in vectors.items()}, {"format": "pt", _MARK: "1"})

    def remove(self) -> None:
        """Give the model back: nothing of it was changed."""

    def _all(self) -> Tensor:
        return self.flat.view(self.shape)


class Table:
    """Finished vectors of photos, on the device of a backbone. BadInput if another model learned them."""

    def __init__(self, backbone: Backbone, vectors: Mapping[str, Tensor]) -> None:
        self.device = backbone.device
        self.vectors = {photo: one.to(self.device) for photo, one in vectors.items()}
        if {one.shape[-1] for one in vectors.values()} != {_empty(backbone).shape[-1]}:
            raise BadInput(
                "These vectors were learned by another model. Choose the backbone they were learned with, or invert "
                "the photos with this one."
            )
        self.mean = Vectors(torch.stack([self.vectors[photo] for photo in sorted(vectors)]).mean(0))

    def drawn(
        self, photo: str, other: str | None = None, share: float = 0.0, noise: float = 0.0, seed: int = 0
    ) -> Vectors:
        """The vectors of a photo, `share` of the way to those of another, with noise of this deviation."""
        found = self.vectors[photo]
        if other is not None:
            found = torch.lerp(found, self.vectors[other], share)
        if noise:
            found = found + noise * normal(found.shape, generator(seed, "vectors"), self.device)
        return Vectors(found)


def read_vectors(path: Path) -> dict[str, Tensor]:
    """The vectors in a file written here, by the digests of their photos. BadInput if it holds none."""
    if _MARK not in weightfile.read_header(path).metadata:
        raise BadInput(f"{path.name} holds no inverted vectors; it was not made by this program.")
    return load_file(path)


def _empty(backbone: Backbone) -> Tensor:
    """(words, D) the empty prompt as it is attended to."""
    return backbone.attended(backbone.encode_prompts([""]))[0].float()
