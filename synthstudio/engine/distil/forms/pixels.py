"""Pixels themselves, in normalised units, which is what published learning rates are for."""

from typing import ClassVar

import torch
from torch import Tensor

from synthstudio.engine.distil.form import Form, Materials
from synthstudio.engine.distil.real import Normalisation


class Pixels(Form):
    """Free pixels, kept within what a picture can show."""

    name: ClassVar[str] = "pixels"

    @classmethod
    def of(cls, materials: Materials) -> Form:
        """See `Form.of`."""
        return cls(materials.normalisation, materials.size)

    def __init__(self, normalisation: Normalisation, size: int) -> None:
        self.normalisation, self.size = normalisation, size

    def decode(self, variables: Tensor) -> Tensor:
        """See `Form.decode`."""
        return self.normalisation.undo(variables)

    def encode(self, images: Tensor) -> Tensor:
        """Exact."""
        return self.normalisation.apply(images)

    def noise(self, count: int, chance: torch.Generator) -> Tensor:
        """Normal noise of the set's own mean and deviation."""
        return torch.randn((count, 3, self.size, self.size), generator=chance)

    @torch.no_grad()
    def project(self, variables: Tensor) -> None:
        """Clamp to what is black and white."""
        low, high = (self.normalisation.apply(torch.full_like(variables[:1], bound)) for bound in (0.0, 1.0))
        variables.clamp_(low, high)
