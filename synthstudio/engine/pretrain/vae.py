"""Stage 1: the autoencoder. 64 px to 8x8 latents, no attention, so that crops train it as well as whole images.

Loss: L1 on pixels, L1 on image gradients at three scales (it keeps edges, which is what a plain L1 blurs first), L1 on
the mean colours of cells, and a very small KL term as in latent diffusion (Rombach et al. 2022,
https://arxiv.org/abs/2112.10752, section 3.1). Where texture counts, a perceptual term (Zhang et al. 2018,
https://arxiv.org/abs/1801.03924, equation 1) on the convolutional stages of the CLIP that stage 2 trained: no other
network's weights enter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from open_clip.model import CLIP
from torch import Tensor, nn
from torch.nn import functional as F

from synthstudio.engine.pretrain.data import Mixture, Source, to_float
from synthstudio.engine.pretrain.loop import Draw, write_aside


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


class Perception:
    """How far two images are apart in the convolutional stages of a CLIP's ResNet, at any size from 32 px."""

    def __init__(self, clip: CLIP) -> None:
        self.tower = clip.visual.requires_grad_(False).eval()

    def stages(self, image: Tensor) -> list[Tensor]:
        """Features after the stem and each stage, every position scaled to unit length."""
        found, value = [], self.tower.stem(image)
        for stage in (None, self.tower.layer1, self.tower.layer2, self.tower.layer3):
            value = stage(value) if stage is not None else value
            found.append(F.normalize(value, dim=1, eps=1e-3))
        return found

    def __call__(self, made: Tensor, real: Tensor) -> Tensor:
        """Mean squared distance of unit features, averaged over positions, summed over stages."""
        with torch.no_grad():
            wanted = self.stages(real)
        distances = [(a - b).pow(2).sum(1).mean() for a, b in zip(self.stages(made), wanted, strict=True)]
        return torch.stack(distances).sum()


class VaeStage:
    """Crops of 32 px until `whole_from` of the budget is used, whole images afterwards.

    `decoder_only` keeps the latents as they are, so that a denoiser trained on them stays valid.
    """

    whole_from = 0.75
    kl = 1e-5
    colour = 3.0

    def __init__(
        self,
        data: Mixture,
        vae: AutoencoderKL,
        batch: int = 32,
        decoder_only: bool = False,
        perception: tuple[Perception, float] | None = None,
    ) -> None:
        self.data, self.batch, self.decoder_only = data, batch, decoder_only
        self.perception = perception
        self.vae = vae
        self.modules = nn.ModuleDict({"vae": vae})
        if decoder_only:
            vae.encoder.requires_grad_(False)
            vae.quant_conv.requires_grad_(False)

    def images(self, draw: Draw) -> Tensor:
        whole = draw.progress >= self.whole_from
        drawn = self.data.draw(draw.rng, self.batch // 4 if whole else self.batch)
        pixels = drawn.pixels
        if not whole:
            top, left = draw.rng.integers(0, pixels.shape[1] - 31, 2)
            pixels = pixels[:, top : top + 32, left : left + 32]
        if draw.rng.random() < 0.5:
            pixels = pixels[:, :, ::-1]
        return to_float(np.ascontiguousarray(pixels)).to(draw.device)

    def loss(self, draw: Draw) -> tuple[Tensor, dict[str, float]]:
        image = self.images(draw)
        with torch.set_grad_enabled(not self.decoder_only):
            posterior = self.vae.encode(image).latent_dist
        latent = posterior.mean + posterior.std * draw.normal(*posterior.mean.shape)
        made = self.vae.decode(latent).sample
        pixel, edge, kl = F.l1_loss(made, image), edge_loss(made, image), posterior.kl().mean()
        colour = colour_loss(made, image)
        numbers = {"l1": pixel.item(), "edge": edge.item(), "kl": kl.item(), "mse": F.mse_loss(made, image).item()}
        numbers["colour"] = colour.item()
        loss = pixel + edge + self.colour * colour + self.kl * kl
        if self.perception is not None:
            perceive, weight = self.perception
            distance = perceive(made, image)
            numbers["perceived"] = distance.item()
            loss = loss + weight * distance
        return loss, numbers


def _save(values: np.ndarray, path: Path) -> None:
    with path.open("wb") as handle:
        np.save(handle, values)


@torch.no_grad()
def encode_all(vae: AutoencoderKL, pixels: np.ndarray, index: np.ndarray, device: str, batch: int = 64) -> np.ndarray:
    """Mean latents of some uint8 images, unscaled, float16."""
    parts = []
    for start in range(0, len(index), batch):
        image = to_float(pixels[index[start : start + batch]]).to(device)
        parts.append(vae.encode(image).latent_dist.mean.half().cpu().numpy())
    return np.concatenate(parts)


def latents(data: Mixture, vae: AutoencoderKL, folder: Path, limit: int, device: str) -> tuple[Mixture, float]:
    """The mixture as latents of unit variance, and the factor that made it so.

    `limit` bounds the images of the source with the largest share; the others are kept in proportion.
    """
    folder.mkdir(parents=True, exist_ok=True)
    vae.to(device)
    parts, factors = [], []
    for source, share in zip(data.sources, data.shares / data.shares.max(), strict=True):
        chosen = np.sort(np.random.default_rng(0).permutation(len(source))[: round(limit * share)])
        file = folder / f"{source.name}-{len(chosen)}.npy"
        if not file.exists():
            values = encode_all(vae, source.pixels, chosen, device)
            write_aside(file, partial(_save, values))
        parts.append((source, chosen, np.load(file)))
        factors.append(parts[-1][2].astype(np.float32).var())
    scale = float(1 / np.sqrt(np.average(factors, weights=data.shares)))
    sources = [
        Source(
            s.name, values * np.float16(scale), [s.labels[i] for i in chosen], s.looks and [s.looks[i] for i in chosen]
        )
        for s, chosen, values in parts
    ]
    return Mixture(sources, list(data.shares)), scale
