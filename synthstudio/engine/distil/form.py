"""What a form is: what is optimised in the place of an image, and how it becomes one. The forms are in `forms/`."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from synthstudio.engine.distil.real import Normalisation

FORMS: dict[str, type["Form"]] = {}


@dataclass(frozen=True)
class Materials:
    """What a form may be made of; models are read only by the form that asks for them."""

    normalisation: Normalisation
    size: int  # side of the images, in pixels
    level: int  # how far into a decoder the variables enter
    made: int  # side at which a decoder works
    device: torch.device
    folder: Callable[[], Path]  # of the backbone
    autoencoder: Callable[[], Any]  # of the backbone


class Form(ABC):
    """Variables of shape (N, ...), one entry per image, and a differentiable way to images (N, 3, S, S) near [0, 1]."""

    name: ClassVar[str]
    chunk: int = 64  # images decoded at once

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            FORMS[cls.name] = cls

    @classmethod
    @abstractmethod
    def of(cls, materials: Materials) -> "Form":
        """The form that a request asks for."""

    @abstractmethod
    def decode(self, variables: Tensor) -> Tensor:
        """Images; differentiable, and not clamped."""

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """Variables that come near these images in [0, 1]. BadInput if this form has no way back."""

    @abstractmethod
    def noise(self, count: int, chance: torch.Generator) -> Tensor:
        """Variables that know nothing of any image."""

    def project(self, variables: Tensor) -> None:
        """Move variables in place to where they are valid, after a step."""
        return


@torch.no_grad()
def images_of(form: Form, variables: Tensor) -> Tensor:
    """Images (N, 3, S, S) in [0, 1], a chunk at a time and without a graph: the first of two passes."""
    return torch.cat([form.decode(part) for part in variables.split(form.chunk)]).clamp(0, 1)


def pull_back(form: Form, variables: Tensor, gradient: Tensor) -> Tensor:
    """The gradient with respect to the variables, from that with respect to the images: the second pass.

    One chunk's graph lives at a time, so memory does not grow with the number of images (GLaD; Cazenavette et al.
    2023, arXiv:2305.01649). The clamp to [0, 1] passes gradients straight through.
    """
    found = []
    for part, pull in zip(variables.split(form.chunk), gradient.split(form.chunk), strict=True):
        leaf = part.detach().requires_grad_()
        found.append(torch.autograd.grad(form.decode(leaf), leaf, pull)[0])
    return torch.cat(found)
