"""Stage 1: the autoencoder. 64 px to 8x8 latents, no attention, so that crops train it as well as whole images.

Loss: L1 on pixels, L1 on image gradients at three scales (it keeps edges, which is what a plain L1 blurs first), L1 on
the mean colours of cells, and a very small KL term as in latent diffusion (Rombach et al. 2022,
https://arxiv.org/abs/2112.10752, section 3.1). Where texture counts, a perceptual term (Zhang et al. 2018,
https://arxiv.org/abs/1801.03924, equation 1, without learned weights) on the features of an eye: the CLIP that stage 2
trained, or a teacher that has seen ImageNet. Two more terms are there on demand: latents from which the eye's features
can be read (Yao et al. 2025, https://arxiv.org/abs/2501.01423, equation 5), which a denoiser learns faster, and late in
training a discriminator of patches (`patches.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from diffusers import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from open_clip.model import CLIP
from torch import Tensor, nn
from torch.nn import functional as F

from synthstudio.engine.pretrain.data import Mixture, to_float
from synthstudio.engine.pretrain.loop import Draw, averaged
from synthstudio.engine.pretrain.patches import Patches, balanced, fooling, telling
from synthstudio.engine.pretrain.teacher import enlarged


@dataclass(frozen=True)
class VaeShape:
    """Width per resolution and the size of the latent.

    Few groups: a norm over two channels keeps of a flat area only which of them is larger, so colours are lost.
    """

    channels: tuple[int, ...] = (16, 32, 64, 128)
    latent_channels: int = 12
    layers: int = 1
    groups: int = 2

    def build(self) -> AutoencoderKL:
        """A fresh autoencoder whose residual branches start at zero: it then learns about twice as fast."""
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * len(self.channels),
            up_block_types=("UpDecoderBlock2D",) * len(self.channels),
            block_out_channels=self.channels,
            layers_per_block=self.layers,
            latent_channels=self.latent_channels,
            norm_num_groups=self.groups,
            mid_block_add_attention=False,
            sample_size=64,
        )
        for module in vae.modules():
            if isinstance(module, ResnetBlock2D):
                nn.init.zeros_(module.conv2.weight)
                nn.init.zeros_(module.conv2.bias)
        return vae


def edges(image: Tensor) -> tuple[Tensor, Tensor]:
    """Differences between neighbouring pixels, down and across."""
    return image[..., 1:, :] - image[..., :-1, :], image[..., :, 1:] - image[..., :, :-1]


def edge_loss(made: Tensor, real: Tensor, scales: int = 3) -> Tensor:
    """Mean L1 between image gradients, averaged over a pyramid."""
    total = made.new_zeros(())
    for _ in range(scales):
        total = total + sum(
            (F.l1_loss(a, b) for a, b in zip(edges(made), edges(real), strict=True)), total.new_zeros(())
        )
        made, real = F.avg_pool2d(made, 2), F.avg_pool2d(real, 2)
    return total / scales


def colour_loss(made: Tensor, real: Tensor) -> Tensor:
    """L1 between the mean colours of 4 and 8 px cells: a small network otherwise spends its latents on edges first."""
    cells = [F.l1_loss(F.avg_pool2d(made, side), F.avg_pool2d(real, side)) for side in (4, 8)]
    return torch.stack(cells).mean()


class Eye(Protocol):
    """Whatever turns pictures into features at several depths, at any size from 32 px."""

    @property
    def channels(self) -> Sequence[int]: ...

    def maps(self, images: Tensor, /) -> list[Tensor]: ...

    def to(self, device: torch.device, /) -> Any: ...


class ClipEye:
    """The stem and the convolutional stages of a CLIP's ResNet."""

    def __init__(self, clip: CLIP) -> None:
        self.tower = clip.visual.requires_grad_(False).eval()
        probe = next(self.tower.parameters()).new_zeros(1, 3, 32, 32)
        self.channels = [value.shape[1] for value in self.maps(probe)]

    def to(self, device: torch.device) -> ClipEye:
        self.tower.to(device)
        return self

    def maps(self, images: Tensor) -> list[Tensor]:
        found = [self.tower.stem(images)]
        for stage in (self.tower.layer1, self.tower.layer2, self.tower.layer3):
            found.append(stage(found[-1]))
        return found


def distance(made: list[Tensor], real: list[Tensor]) -> Tensor:
    """How far two pictures are apart in an eye's features.

    Every position is scaled to unit length; squared distance, mean over positions, summed over depths.
    """
    pairs = zip(made, real, strict=True)
    apart = [(F.normalize(a, dim=1, eps=1e-3) - F.normalize(b, dim=1, eps=1e-3)).pow(2).sum(1).mean() for a, b in pairs]
    return torch.stack(apart).sum()


def unread(read: Tensor, wanted: Tensor, margin: float = 0.5) -> Tensor:
    """How much of the wanted features can't be read: 1 - margin - cosine, not below 0, mean over positions.

    Positions within the margin are left alone, so that latents stay free to reconstruct.
    """
    read = F.adaptive_avg_pool2d(read, (wanted.shape[-2], wanted.shape[-1]))
    return F.relu(1 - margin - F.cosine_similarity(read, wanted, dim=1)).mean()


@dataclass(frozen=True)
class Terms:
    """Weights of the loss terms beside L1 and edges. A term of weight 0 is not computed."""

    kl: float = 1e-5
    colour: float = 3.0
    perceptual: float = 0.0
    align: float = 0.0
    adversarial: float = 0.0


@dataclass(frozen=True)
class Schedule:
    """What is looked at when; `..._from` in shares of the budget.

    Crops of 32 px teach four times as many pictures per second, whole pictures what borders look like.
    """

    crops: float = 1.0  # share of the steps before `whole_from` that see crops
    whole_from: float = 0.75
    adversarial_from: float = 2 / 3
    zooms: tuple[int, ...] = (1,)  # factors at which the eye looks, one drawn per step


class VaeStage:
    """One step sees `batch` crops of 32 px or a quarter as many whole pictures.

    `decoder_only` keeps the latents as they are, so that a denoiser trained on them stays valid.
    """

    depth = -2  # of the features that latents are aligned to: the teacher's 1/16 grid at zoom 2 is the latents' grid

    def __init__(
        self,
        data: Mixture,
        vae: AutoencoderKL,
        batch: int = 32,
        decoder_only: bool = False,
        eye: Eye | None = None,
        terms: Terms = Terms(),
        schedule: Schedule = Schedule(),
    ) -> None:
        if eye is None and (terms.perceptual or terms.align):
            raise ValueError("the perceptual term and the alignment need an eye")
        self.data, self.batch, self.decoder_only = data, batch, decoder_only
        self.eye, self.terms, self.schedule = eye, terms, schedule
        self.vae = vae
        self.modules = nn.ModuleDict({"vae": vae})
        if eye is not None and terms.align:
            self.modules["reader"] = nn.Conv2d(vae.config.latent_channels, eye.channels[self.depth], 1)
        self.patches = Patches() if terms.adversarial else None
        if self.patches is not None:
            self.modules["patches"] = self.patches
        if decoder_only:
            vae.encoder.requires_grad_(False)
            vae.quant_conv.requires_grad_(False)

    def images(self, draw: Draw) -> Tensor:
        whole = draw.progress >= self.schedule.whole_from
        if not whole and self.schedule.crops < 1:
            whole = draw.rng.random() >= self.schedule.crops
        drawn = self.data.draw(draw.rng, self.batch // 4 if whole else self.batch)
        pixels = drawn.pixels
        if not whole:
            top, left = draw.rng.integers(0, pixels.shape[1] - 31, 2)
            pixels = pixels[:, top : top + 32, left : left + 32]
        if draw.rng.random() < 0.5:
            pixels = pixels[:, :, ::-1]
        return to_float(np.ascontiguousarray(pixels)).to(draw.device)

    def seen(self, made: Tensor, image: Tensor, latent: Tensor, draw: Draw) -> dict[str, Tensor]:
        """The terms for which the eye looks at the pictures."""
        if self.eye is None:
            return {}
        self.eye.to(image.device)  # no part of the stage's modules, which are what is saved
        zooms = self.schedule.zooms
        side = image.shape[-1] * (zooms[int(draw.rng.integers(len(zooms)))] if len(zooms) > 1 else zooms[0])
        with torch.no_grad():
            wanted = self.eye.maps(enlarged(image, side))
        terms = {}
        if self.terms.perceptual:
            terms["perceptual"] = distance(self.eye.maps(enlarged(made, side)), wanted)
        if self.terms.align:
            terms["align"] = unread(self.modules["reader"](latent), wanted[self.depth])
        return terms

    def fooled(self, loss: Tensor, made: Tensor, image: Tensor, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        """`loss` with the discriminator's pull and its own loss added, once its time has come."""
        if self.patches is None or draw.progress < self.schedule.adversarial_from:
            return loss, {}
        push, own = fooling(self.patches, made), telling(self.patches, made, image)
        last = self.vae.decoder.conv_out.weight
        both = balanced(loss, push, made, last, self.terms.adversarial) + own
        return both, {"fooling": push, "telling": own}

    def loss(self, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        image = self.images(draw)
        with torch.set_grad_enabled(not self.decoder_only):
            posterior = self.vae.encode(image).latent_dist
        latent = posterior.mean + posterior.std * draw.normal(*posterior.mean.shape)
        made = self.vae.decode(latent).sample
        parts = {"l1": F.l1_loss(made, image), "edge": edge_loss(made, image), "colour": colour_loss(made, image)}
        parts |= self.seen(made, image, latent, draw)
        of_latents = {"kl": posterior.kl().mean()} | ({"align": parts.pop("align")} if "align" in parts else {})
        weights = {"l1": 1.0, "edge": 1.0, **asdict(self.terms)}
        loss, told = self.fooled(_weighed(parts, weights), made, image, draw)
        numbers = parts | of_latents | told | {"mse": F.mse_loss(made, image)}
        return loss + _weighed(of_latents, weights), {name: value.detach() for name, value in numbers.items()}


def _weighed(parts: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
    return torch.stack([weights[name] * value for name, value in parts.items()]).sum()


def load_coder(path: Path) -> tuple[AutoencoderKL, dict[str, float]]:
    """An autoencoder from a diffusers folder, or the averaged one of a checkpoint with how far it has come."""
    if path.is_dir():
        return AutoencoderKL.from_pretrained(path, torch_dtype=torch.float32, local_files_only=True).eval(), {}
    values, reached = averaged(path)
    vae = AutoencoderKL.from_config(json.loads((path.parent / "config.json").read_text()))
    vae.load_state_dict({k.removeprefix("vae."): v for k, v in values.items() if k.startswith("vae.")})
    return vae.eval(), reached
