"""The gates of the model card: what the autoencoder loses, what the denoiser draws, what the CLIP sees.

Every number comes with its n and a 95 % interval; every random choice has a fixed seed.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from open_clip.model import CLIP
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch.nn import functional as F

from synthstudio.engine.pretrain.captions import PLAIN
from synthstudio.engine.pretrain.data import Source, load_source, to_float
from synthstudio.engine.pretrain.judge import Judge

EMPTY_SEED = 1_000_003


@dataclass(frozen=True)
class Share:
    """Hits out of n, with Wilson's 95 % interval."""

    hits: int
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        z, p = 1.96, self.hits / self.n
        middle = (p + z * z / (2 * self.n)) / (1 + z * z / self.n)
        half = z * np.sqrt(p * (1 - p) / self.n + z * z / (4 * self.n**2)) / (1 + z * z / self.n)
        return float(middle - half), float(middle + half)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.hits / self.n:.3f} [{low:.3f}, {high:.3f}] n={self.n}"

    def row(self) -> dict[str, object]:
        return {"share": self.hits / self.n, "interval95": self.interval, "n": self.n}


def share(hits: np.ndarray) -> Share:
    """Count the hits."""
    return Share(int(hits.sum()), len(hits))


def digits_source(split: str) -> Source:
    """scikit-learn's digits at 64 px, bicubic; even rows are `train`, odd rows `test`."""
    bundle = load_digits()
    rows = slice(0, None, 2) if split == "train" else slice(1, None, 2)
    small = np.clip(bundle.images[rows] * 255 / 16, 0, 255).astype(np.uint8)
    big = [np.asarray(Image.fromarray(x).convert("RGB").resize((64, 64), Image.Resampling.BICUBIC)) for x in small]
    return Source("digits", np.stack(big), [str(y) for y in bundle.target[rows]])


def unseen(path: Path | None, split: str, cache: Path) -> Source:
    """A data set pico never saw; without a path, the digits."""
    return load_source(path, cache, split) if path else digits_source(split)


@torch.no_grad()
def round_trip(vae: AutoencoderKL, pixels: np.ndarray, batch: int = 50) -> np.ndarray:
    """Encode to the posterior mean and decode."""
    parts = []
    for start in range(0, len(pixels), batch):
        image = to_float(np.ascontiguousarray(pixels[start : start + batch]))
        made = vae.decode(vae.encode(image).latent_dist.mean).sample
        parts.append(((made.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy())
    return np.concatenate(parts)


def psnr(made: np.ndarray, real: np.ndarray) -> float:
    """Peak signal to noise of uint8 pictures, in dB over all of them together; infinite where they are equal."""
    error = float(((made.astype(float) - real) ** 2).mean())
    return 10 * math.log10(255**2 / error) if error else math.inf


@torch.no_grad()
def clip_features(clip: CLIP, pixels: np.ndarray, batch: int = 100) -> np.ndarray:
    """Image features of unit length."""
    parts = [
        clip.encode_image(to_float(np.ascontiguousarray(pixels[i : i + batch]))) for i in range(0, len(pixels), batch)
    ]
    return F.normalize(torch.cat(parts), dim=-1).numpy()


def plain_features(pixels: np.ndarray, cells: int = 8, bins: int = 8) -> np.ndarray:
    """Features no network made: 16x16 colours, and histograms of gradient directions over 8x8 px cells."""
    small = np.stack([np.asarray(Image.fromarray(x).resize((16, 16), Image.Resampling.BOX)) for x in pixels]) / 255.0
    gray = pixels.astype(np.float32).mean(3) / 255
    down, across = np.gradient(gray, axis=(1, 2))
    strength, angle = np.hypot(down, across), np.mod(np.arctan2(down, across), np.pi)
    which = np.minimum((angle / np.pi * bins).astype(int), bins - 1)
    side = gray.shape[1] // cells
    planes = [(strength * (which == b)).reshape(-1, cells, side, cells, side).sum((2, 4)) for b in range(bins)]
    histograms = np.stack(planes, -1)
    histograms /= np.linalg.norm(histograms, axis=-1, keepdims=True) + 0.1
    return np.concatenate([small.reshape(len(pixels), -1), histograms.reshape(len(pixels), -1)], 1)


def probe(train: np.ndarray, labels: list[str], tests: list[np.ndarray], truth: list[str]) -> list[np.ndarray]:
    """Hits of one logistic regression on several versions of the same test pictures."""
    scaler = StandardScaler().fit(train)
    model = LogisticRegression(C=0.01 if train.shape[1] > 500 else 0.3, max_iter=500).fit(
        scaler.transform(train), labels
    )
    return [model.predict(scaler.transform(test)) == np.array(truth) for test in tests]


def paired(before: np.ndarray, after: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """Mean difference of two hit vectors over the same pictures, with a bootstrap 95 % interval."""
    difference = after.astype(float) - before.astype(float)
    rng = np.random.default_rng(seed)
    means = difference[rng.integers(0, len(difference), (2000, len(difference)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(difference.mean()), float(low), float(high)


def vae_gate(pipe: StableDiffusionPipeline, clip: CLIP, train: Source, test: Source) -> dict[str, object]:
    """Probes fitted on untouched training pictures, scored on test pictures before and after the round trip.

    `both` fits and scores on round-tripped pictures: what a classifier can still learn from them.
    """
    kept_train, kept_test = np.asarray(train.pixels), np.asarray(test.pixels)
    made_train, made_test = round_trip(pipe.vae, kept_train), round_trip(pipe.vae, kept_test)
    result: dict[str, object] = {"psnr": psnr(made_test, kept_test)}
    for name, features in (("clip", lambda x: clip_features(clip, x)), ("plain", plain_features)):
        sides = [features(x) for x in (kept_train, kept_test, made_train, made_test)]
        before, after = probe(sides[0], train.labels, [sides[1], sides[3]], test.labels)
        (both,) = probe(sides[2], train.labels, [sides[3]], test.labels)
        result[name] = {
            "real": share(before).row(),
            "round_trip": share(after).row(),
            "both": share(both).row(),
            "change": paired(before, after),
            "change_both": paired(before, both),
        }
    return result


@torch.no_grad()
def zero_shot(clip: CLIP, source: Source, template: str = PLAIN) -> Share:
    """Nearest class prompt."""
    names = sorted(set(source.labels))
    tokens = open_clip.SimpleTokenizer(context_length=clip.context_length)([template.format(n) for n in names])
    texts = F.normalize(clip.encode_text(tokens), dim=-1).numpy()
    best = (clip_features(clip, np.asarray(source.pixels)) @ texts.T).argmax(1)
    return share(np.array([names[i] for i in best]) == np.array(source.labels))


def sample(
    pipe: StableDiffusionPipeline, prompts: list[str], guidance: float, seed: int, steps: int = 20
) -> np.ndarray:
    """One uint8 picture per prompt; the noise of each depends on its own seed only."""
    parts = []
    for start in range(0, len(prompts), 50):
        some = prompts[start : start + 50]
        noise = [torch.Generator().manual_seed(seed * EMPTY_SEED + start + i) for i in range(len(some))]
        made = pipe(some, guidance_scale=guidance, num_inference_steps=steps, generator=noise, output_type="np").images
        parts.append((made * 255).round().astype(np.uint8))
    return np.concatenate(parts)


def base_gate(pipe: StableDiffusionPipeline, judge: Judge, guidance: float, budget: int, seed: int) -> dict[str, Share]:
    """Agreement of the judge with the asked name, about `budget` pictures per group."""
    found = {}
    for group, names in judge.names.items():
        asked = names * max(1, round(budget / len(names)))
        made = sample(pipe, [PLAIN.format(name) for name in asked], guidance, seed)
        found[group] = share(np.array(judge.answers(made, group)) == np.array(asked))
    return found


def ceiling(judge: Judge, source: Source, group: str, limit: int = 2000) -> Share:
    """The judge's own accuracy on held-out real pictures of a group."""
    rows = [i for i, name in enumerate(source.labels) if name in judge.names[group]]
    rows = sorted(np.random.default_rng(0).permutation(rows)[:limit].tolist())
    return share(
        np.array(judge.answers(np.asarray(source.pixels[rows]), group)) == np.array([source.labels[i] for i in rows])
    )


def sheet(pipe: StableDiffusionPipeline, names: list[str], guidance: float, path: Path, per_name: int = 4) -> None:
    """A picture of samples: one column per name."""
    prompts = [PLAIN.format(name) for _ in range(per_name) for name in names]
    made = sample(pipe, prompts, guidance, 7).reshape(per_name, len(names), 64, 64, 3)
    wide = made.transpose(0, 2, 1, 3, 4).reshape(per_name * 64, len(names) * 64, 3)
    Image.fromarray(wide).save(path, optimize=True)


def load_pico(folder: Path) -> tuple[StableDiffusionPipeline, CLIP]:
    """The pipeline and the CLIP of a pico folder."""
    pipe = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    clip, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder / 'clip'}")
    return pipe, clip.eval()


def save_json(path: Path, value: object) -> None:
    """Write results; shares become rows."""
    path.write_text(json.dumps(value, indent=1, default=lambda x: x.row() if isinstance(x, Share) else float(x)) + "\n")
