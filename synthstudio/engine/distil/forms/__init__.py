"""Forms: what is optimised in the place of an image, and how it becomes one.

A form (a parameterisation) is one file with a subclass of `Form` under a name, one import line at the end of this file,
and one test. Matching losses never see it: they pull at images, and `pull_back` carries the pull to the variables.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

FORMS: dict[str, type["Form"]] = {}


class Form(ABC):
    """Variables of shape (N, ...), one entry per image, and a differentiable way to images (N, 3, S, S) near [0, 1]."""

    name: ClassVar[str]
    chunk: int = 64  # images decoded at once

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            FORMS[cls.name] = cls

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


# The table of forms: one line each, at the end because each needs Form.
from synthstudio.engine.distil.forms import decoders, pixels  # noqa: E402, F401
