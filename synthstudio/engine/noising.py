"""How latents are noised while an adapter is trained, and what a network is asked to predict of them.

Timesteps are whole numbers below `len`, drawn uniformly. `share` is the signal's share of the power of noised latents.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from synthstudio.errors import BadInput


class Noising(ABC):
    """What training asks. Latents are (N, C, h, w), timesteps (N,)."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def share(self, timesteps: Tensor) -> Tensor:
        """(N,) the share of the signal."""

    @abstractmethod
    def told(self, timesteps: Tensor) -> Tensor:
        """(N,) what the network is told of these timesteps."""

    @abstractmethod
    def noised(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Latents with so much noise."""

    @abstractmethod
    def target(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """What the network should say."""

    @abstractmethod
    def clean(self, noised: Tensor, predicted: Tensor, timesteps: Tensor) -> Tensor:
        """The clean latents that a prediction means."""

    @abstractmethod
    def weights(self, timesteps: Tensor, gamma: float | None) -> Tensor:
        """(N,) weights of the loss: 1, or min-SNR-γ weights."""

    # ---- in sampling, where the network is told what need not be a timestep of training

    @abstractmethod
    def parts(self, told: Tensor) -> tuple[Tensor, Tensor]:
        """α and σ of noised latents, α · clean + σ · noise, as the network is told of them."""

    @abstractmethod
    def expected(self, noised: Tensor, predicted: Tensor, told: Tensor) -> Tensor:
        """The clean latents that a prediction means."""

    @abstractmethod
    def moved(self, predicted: Tensor, score: Tensor, told: Tensor) -> Tensor:
        """The prediction under a score with so much more: the clean latents it means move by σ²/α · `score`.

        (Dhariwal & Nichol 2021, arXiv:2105.05233, eq. 14, for noise.) Where no signal is left, it stays as it is.
        """


class Diffusion(Noising):
    """Variance-preserving noise; the network predicts it, or the velocity (Salimans & Ho 2022)."""

    def __init__(self, signal: Tensor, velocity: bool) -> None:
        self.signal, self.velocity = signal, velocity

    def __len__(self) -> int:
        return len(self.signal)

    def share(self, timesteps: Tensor) -> Tensor:
        """See `Noising.share`."""
        return self.signal[timesteps]

    def told(self, timesteps: Tensor) -> Tensor:
        """See `Noising.told`."""
        return timesteps

    def noised(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """See `Noising.noised`."""
        share = _wide(self.share(timesteps))
        return share.sqrt() * latents + (1 - share).sqrt() * noise

    def target(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """See `Noising.target`."""
        share = _wide(self.share(timesteps))
        return share.sqrt() * noise - (1 - share).sqrt() * latents if self.velocity else noise

    def clean(self, noised: Tensor, predicted: Tensor, timesteps: Tensor) -> Tensor:
        """See `Noising.clean`."""
        share = _wide(self.share(timesteps))
        away = (1 - share).sqrt() * predicted
        return share.sqrt() * noised - away if self.velocity else (noised - away) / share.sqrt()

    def weights(self, timesteps: Tensor, gamma: float | None) -> Tensor:
        """1, or min-SNR-γ weights (Hang et al. 2023, arXiv:2303.09556)."""
        share = self.share(timesteps)
        if gamma is None:
            return torch.ones_like(share)
        snr = share / (1 - share)
        return snr.clamp(max=gamma) / (snr + 1 if self.velocity else snr)

    def parts(self, told: Tensor) -> tuple[Tensor, Tensor]:
        """See `Noising.parts`; between two timesteps the share of the signal is on the line between theirs."""
        at = told.float().clamp(0, len(self) - 1)
        below, above = at.floor().long(), at.ceil().long()
        share = torch.lerp(self.signal[below], self.signal[above], at - below)
        return share.sqrt(), (1 - share).sqrt()

    def expected(self, noised: Tensor, predicted: Tensor, told: Tensor) -> Tensor:
        """See `Noising.expected`."""
        alpha, sigma = self.parts(told)
        return alpha * noised - sigma * predicted if self.velocity else (noised - sigma * predicted) / alpha

    def moved(self, predicted: Tensor, score: Tensor, told: Tensor) -> Tensor:
        """See `Noising.moved`."""
        alpha, sigma = self.parts(told)
        factor = sigma / alpha if self.velocity else sigma
        return torch.where(alpha > 0, predicted - factor * score, predicted)


class Flow(Noising):
    """A straight line from latents to noise (Lipman et al. 2023, arXiv:2210.02747); the network predicts its slope."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def share(self, timesteps: Tensor) -> Tensor:
        """See `Noising.share`."""
        sigma = self._sigma(timesteps)
        return (1 - sigma).square() / ((1 - sigma).square() + sigma.square())

    def told(self, timesteps: Tensor) -> Tensor:
        """See `Noising.told`: 1000 is pure noise."""
        return self._sigma(timesteps) * 1000

    def noised(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """See `Noising.noised`."""
        sigma = _wide(self._sigma(timesteps))
        return (1 - sigma) * latents + sigma * noise

    def target(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """See `Noising.target`."""
        return noise - latents

    def clean(self, noised: Tensor, predicted: Tensor, timesteps: Tensor) -> Tensor:
        """See `Noising.clean`."""
        return noised - _wide(self._sigma(timesteps)) * predicted

    def weights(self, timesteps: Tensor, gamma: float | None) -> Tensor:
        """1. BadInput for min-SNR weights, which are of diffusion."""
        if gamma is not None:
            raise BadInput("Min-SNR weights are for models that predict noise or velocity; leave them out here.")
        return torch.ones(len(timesteps), device=timesteps.device)

    def parts(self, told: Tensor) -> tuple[Tensor, Tensor]:
        """See `Noising.parts`."""
        sigma = told.float() / 1000
        return 1 - sigma, sigma

    def expected(self, noised: Tensor, predicted: Tensor, told: Tensor) -> Tensor:
        """See `Noising.expected`."""
        return noised - self.parts(told)[1] * predicted

    def moved(self, predicted: Tensor, score: Tensor, told: Tensor) -> Tensor:
        """See `Noising.moved`."""
        alpha, sigma = self.parts(told)
        return torch.where(alpha > 0, predicted - sigma / alpha * score, predicted)

    def _sigma(self, timesteps: Tensor) -> Tensor:
        return (timesteps + 1).float() / self.count


def _wide(per_image: Tensor) -> Tensor:
    return per_image.view(-1, 1, 1, 1)
