"""Guidance towards what a classifier is unsure of (Deliberate Practice; Askari-Hemmat et al. 2025, arXiv:2502.15588).

To the score is added ω ∇H(f(x̂₀)): the gradient, with respect to the noised latents, of the entropy of what a classifier
says of the image that the network expects at this moment. It goes through the decoder and through the network itself.
For an ideal network ∇x̂₀ is (α/σ²) · covariance of x₀, so that the expected latents move by ω · covariance · ∇H, at
every noise level by what they are still free to be; held constant, the network would let the first steps burst.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from synthstudio.engine.backbones import Backbone
from synthstudio.engine.classifier import Fitted, standalone
from synthstudio.engine.encoders import Encoder
from synthstudio.errors import BadInput

Predict = Callable[[Tensor, Tensor], Tensor]  # of noised latents and a timestep

_RESIZED = ("bicubic", "bilinear")  # what torch does as Pillow does


class Judge:
    """A trained classifier, asked in such a way that gradients reach the pixels. BadInput if it cannot be."""

    def __init__(self, fitted: Fitted, encoder: Encoder) -> None:
        how = encoder.pictures
        if how is None or how["interpolation"] not in _RESIZED:
            raise BadInput(
                "This classifier's encoder prepares pictures in a way that no gradient passes. Train one on pico-clip, "
                "lite0, or another that resizes and crops."
            )
        self._how, self._features = how, _Features(encoder)
        state, weight, bias = standalone(fitted, encoder)
        self._state = {f"model.{name}": value for name, value in state.items()}
        self._weight, self._bias = weight.to(encoder.device), bias.to(encoder.device)
        self._resizing: dict[int, Tensor] = {}

    def entropy(self, images: Tensor) -> Tensor:
        """(N,) nats of what it says of square images in [-1, 1]."""
        logs = self.logits(images).log_softmax(1)
        return -(logs.exp() * logs).sum(1)

    def logits(self, images: Tensor) -> Tensor:
        """(N, classes) of square images in [-1, 1]."""
        pixels = self.pixels(images)
        vectors = functional_call(self._features, self._state, (pixels,))
        return F.linear(F.normalize(vectors.float(), dim=-1), self._weight, self._bias)

    def pixels(self, images: Tensor) -> Tensor:
        """Images in [-1, 1] as the encoder sees them, in [0, 1]: resized and cut as it does with files, unrounded."""
        side = images.shape[-1]
        if side not in self._resizing:
            self._resizing[side] = _resizing(side, **self._how).to(images.device)
        rows = self._resizing[side]
        return (rows @ (images / 2 + 0.5).clamp(0, 1) @ rows.T).clamp(0, 1)


@dataclass(frozen=True, eq=False)
class Lack:
    """A judge, and ω: how hard images are pulled to where it is unsure."""

    judge: Judge
    strength: float

    def guided(self, backbone: Backbone, predict: Predict) -> Predict:
        """What is predicted of noised latents, so changed. Images do not see each other: each has its own gradient."""
        noising = backbone.noising()

        def towards(seen: Tensor, t: Tensor) -> Tensor:
            told = t.to(seen.device)
            with torch.enable_grad():
                seen = seen.detach().requires_grad_()
                predicted = predict(seen, t)
                clean = noising.expected(seen, predicted, told)
                slope = self._slope(backbone, clean.detach())
                # Half precision holds no small numbers, so what goes back through the network has size one.
                size = slope.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-20)
                (found,) = torch.autograd.grad(clean, seen, slope / size)
            return noising.moved(predicted.detach(), self.strength * size * found, told)

        return towards

    def _slope(self, backbone: Backbone, latents: Tensor) -> Tensor:
        """The gradient of the entropy with respect to clean latents; few at once, since the decoder is the largest."""
        found = []
        for some in latents.split(backbone.decoded_with_gradients(latents)):
            some = some.detach().requires_grad_()
            entropy = self.judge.entropy(backbone.decoded(some.float())).sum()
            found += torch.autograd.grad(entropy, some)
        return torch.cat(found)


class _Features(nn.Module):
    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.model = encoder.model
        self._encoder = encoder

    def forward(self, pixels: Tensor) -> Tensor:
        return self._encoder.features(self._encoder.normalised(pixels))


def _resizing(side: int, size: int, shorter_side: int, interpolation: str, **_: object) -> Tensor:
    """(size, side): each row says of what a row of the resized and cut picture is made.

    A product of matrices has the same gradient every time; torch's own interpolation has not on every device.
    """
    rows = torch.eye(side)
    if shorter_side != side:
        rows = F.interpolate(rows[None, None], (shorter_side, side), mode=interpolation, antialias=True)[0, 0]
    begin = round((shorter_side - size) / 2)
    return rows[begin : begin + size].contiguous()
