"""Latents of a generator that a person brings, or the feature after some of its blocks."""

from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from synthstudio.engine.distil import generators
from synthstudio.engine.distil.decoded import Decoded
from synthstudio.engine.distil.form import Form, Materials
from synthstudio.errors import BadInput


class Generator(Decoded):
    """Latents of a generator from a safetensors file (see `generators.py`); there is no way back from images."""

    name: ClassVar[str] = "generator"

    @classmethod
    def of(cls, materials: Materials) -> Form:
        """See `Form.of`."""
        return cls(materials.folder(), materials.device, level=materials.level, size=materials.size)

    def __init__(self, folder: Path, device: torch.device, *, level: int, size: int) -> None:
        generator, self.device = generators.load(folder, device), device
        super().__init__(generator.stages(), generator.about.latent, level, generator.about.size, size)

    def encode(self, images: Tensor) -> Tensor:
        """Refused."""
        raise BadInput("A generator cannot start from images, as it has no encoder. Set initialisation to noise.")
