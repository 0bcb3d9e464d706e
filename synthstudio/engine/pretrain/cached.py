"""What networks say of every training picture, computed once: latents, and the teacher's features.

Rows are kept in files of `STEP`, each written aside: a process may be killed at any moment and goes on where it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from synthstudio.engine.pretrain.data import Mixture, Source, to_float
from synthstudio.engine.pretrain.loop import say, write_aside
from synthstudio.engine.pretrain.settings import setting
from synthstudio.engine.pretrain.teacher import Teacher, enlarged

STEP = 2048
Network = Callable[[Tensor], Tensor]
LOOK = 128  # px at which the teacher looks: its last grid is then 4x4, as the denoiser's middle


class Rows:
    """Arrays of `STEP` rows each, read from disk when asked for."""

    def __init__(self, parts: Sequence[np.ndarray]) -> None:
        self.parts = parts

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    def __getitem__(self, index: int) -> np.ndarray:
        part, row = divmod(int(index), STEP)
        return self.parts[part][row]


def _save(values: np.ndarray, path: Path) -> None:
    with path.open("wb") as handle:
        np.save(handle, values)


def rows(folder: Path, chosen: np.ndarray, make: Callable[[np.ndarray], np.ndarray]) -> Rows:
    """`make(chosen)` from `folder`, made there on first use."""
    parts = []
    for start in range(0, len(chosen), STEP):
        file = folder / f"{start:08d}.npy"
        if not file.exists():
            write_aside(file, partial(_save, make(chosen[start : start + STEP])))
            say(f"{folder.name}: {min(start + STEP, len(chosen))} of {len(chosen)}")
        parts.append(np.load(file, mmap_mode="r"))
    return Rows(parts)


def digest(module: nn.Module) -> str:
    """What tells this network's answers from another's."""
    found = hashlib.sha256()
    for name, value in module.state_dict().items():
        found.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:12]


def chosen_rows(data: Mixture, limit: int) -> list[np.ndarray]:
    """A fixed random part of each source: `limit` of the one with the largest share, the others in proportion."""
    shares = data.shares / data.shares.max()
    return [
        np.sort(np.random.default_rng(0).permutation(len(source))[: round(limit * share)])
        for source, share in zip(data.sources, shares, strict=True)
    ]


@torch.no_grad()
def answers(network: Network, pixels: np.ndarray, device: str, chosen: np.ndarray, batch: int = 64) -> np.ndarray:
    """What `network` says of the chosen uint8 images, float16."""
    parts = []
    for start in range(0, len(chosen), batch):
        image = to_float(pixels[chosen[start : start + batch]]).to(device)
        parts.append(network(image).half().cpu().numpy())
    return np.concatenate(parts)


def latents(data: Mixture, vae: AutoencoderKL, folder: Path, limit: int, device: str) -> tuple[Mixture, float]:
    """The mixture as mean latents of unit variance, and the factor that made it so. `limit` as in `chosen_rows`."""
    folder = folder / digest(vae)
    vae.to(device)
    parts = []
    for source, chosen in zip(data.sources, chosen_rows(data, limit), strict=True):
        encode = partial(answers, lambda image: vae.encode(image).latent_dist.mean, source.pixels, device)
        kept = rows(folder / f"{source.name}-{len(chosen)}", chosen, encode)
        parts.append((source, chosen, np.concatenate(kept.parts)))
    factors = [values.astype(np.float32).var() for _, _, values in parts]
    scale = float(1 / np.sqrt(np.average(factors, weights=data.shares)))
    sources = [of_rows(source, chosen, values * np.float16(scale)) for source, chosen, values in parts]
    return Mixture(sources, list(data.shares)), scale


def of_rows(source: Source, chosen: np.ndarray, values: np.ndarray) -> Source:
    """Some rows of a source with other values for their pixels; photographs get words for their setting."""
    looks = source.looks and [source.looks[i] for i in chosen]
    settings = None if source.is_glyphs else [setting(source.pixels[i]) for i in chosen]
    return replace(source, pixels=values, labels=[source.labels[i] for i in chosen], looks=looks, settings=settings)


def embeddings(data: Mixture, teacher: Teacher, folder: Path, limit: int, device: str) -> Mixture:
    """The mixture as the teacher's pooled features, N x 1,280. `limit` as in `chosen_rows`."""
    sources = []
    for source, chosen in zip(data.sources, chosen_rows(data, limit), strict=True):
        see = partial(answers, lambda image: teacher.embed(enlarged(image, LOOK)), source.pixels, device)
        kept = rows(folder / f"{source.name}-{len(chosen)}", chosen, see)
        sources.append(of_rows(source, chosen, np.concatenate(kept.parts)))
    return Mixture(sources, list(data.shares))


def teacher_maps(data: Mixture, teacher: Teacher, folder: Path, limit: int, device: str) -> list[Rows | None]:
    """The deepest of the teacher's maps (320 x 4 x 4) of the photographs that `latents` keeps, by source.

    None for glyphs: the teacher never saw any.
    """
    found: list[Rows | None] = []
    for source, chosen in zip(data.sources, chosen_rows(data, limit), strict=True):
        see = partial(answers, lambda image: teacher.maps(enlarged(image, LOOK))[-1], source.pixels, device)
        found.append(None if source.is_glyphs else rows(folder / f"{source.name}-{len(chosen)}", chosen, see))
    return found
