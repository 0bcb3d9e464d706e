"""`arms`: the table of an ablation. Every arm is a short `unet --arm NAME`; all are asked for the same pictures.

Agreement: the teacher names a sample by the nearest mean of its features of real pictures; the same on held-out real
pictures is the most that can be reached. KID: kernel distance of the same features to held-out pictures (Binkowski et
al. 2018, https://arxiv.org/abs/1801.01401, equation 4 and section 4), unbiased for few samples; smaller is better.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline

from synthstudio.engine.pretrain.assemble import write_pipeline
from synthstudio.engine.pretrain.captions import PLAIN
from synthstudio.engine.pretrain.data import Source, load_source
from synthstudio.engine.pretrain.evaluate import Share, sample, share
from synthstudio.engine.pretrain.loop import say
from synthstudio.engine.pretrain.roundtrip import teacher_features
from synthstudio.engine.pretrain.teacher import Teacher, load_teacher


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What to ask for, and what to compare with."""
    parser.add_argument(
        "--held", type=Path, action="append", required=True, help="parquet with both splits; repeatable"
    )
    parser.add_argument("--every", type=int, default=4, help="ask for one in so many names of a set of over 20 names")
    parser.add_argument("--samples", type=int, default=4, help="per name")
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)


def some(source: Source, names: list[str], each: int) -> Source:
    """The first `each` pictures of every name."""
    labels = np.array(source.labels)
    rows = np.concatenate([np.flatnonzero(labels == name)[:each] for name in names])
    return Source(source.name, source.pixels[rows], [source.labels[i] for i in rows])


def kid(first: np.ndarray, second: np.ndarray) -> float:
    """Unbiased squared kernel distance of two samples of unit features, kernel (1 + cosine)^3."""
    same = [((1 + x @ x.T) ** 3, len(x)) for x in (first, second)]
    within = sum((kernel.sum() - np.trace(kernel)) / (n * (n - 1)) for kernel, n in same)
    return float(within - 2 * ((1 + first @ second.T) ** 3).mean())


class Ruler:
    """The names that are asked for, and what the teacher sees in real pictures of them."""

    def __init__(self, teacher: Teacher, train: Source, test: Source, every: int) -> None:
        names = sorted(set(train.labels))
        self.teacher = teacher
        self.names = names[::every] if len(names) > 20 else names
        real, held = some(train, self.names, 40), some(test, self.names, 20)
        features = teacher_features(teacher, real.pixels)
        labels = np.array(real.labels)
        means = np.stack([features[labels == name].mean(0) for name in self.names])
        self.means = means / np.linalg.norm(means, axis=1, keepdims=True)
        self.held = teacher_features(teacher, held.pixels)
        self.ceiling = self.agreement(self.held, held.labels)

    def agreement(self, features: np.ndarray, asked: list[str]) -> Share:
        """How often the nearest mean is that of the asked name."""
        return share(np.array(self.names)[(features @ self.means.T).argmax(1)] == np.array(asked))

    def measure(self, pipe: StableDiffusionPipeline, given: argparse.Namespace) -> tuple[Share, float]:
        """Agreement and KID of samples of a pipeline."""
        asked = self.names * given.samples
        made = sample(pipe, [PLAIN.format(name) for name in asked], given.guidance, given.seed)
        features = teacher_features(self.teacher, made)
        return self.agreement(features, asked), kid(features, self.held)


def last_row(arm: Path) -> dict[str, float]:
    """The last line of an arm's log."""
    row: dict[str, float] = json.loads((arm / "log.jsonl").read_text().splitlines()[-1])
    return row


def load_arm(arm: Path) -> StableDiffusionPipeline:
    """The pipeline of a finished arm."""
    write_pipeline(arm / "vae", arm / "final", arm / "pipeline")
    pipe = StableDiffusionPipeline.from_pretrained(arm / "pipeline", local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def run(given: argparse.Namespace) -> None:
    """Print the table of all finished arms."""
    torch.set_num_threads(given.threads)
    teacher, cache = load_teacher(given.run / "cache"), given.run / "cache"
    rulers = [
        Ruler(teacher, load_source(p, cache, "train"), load_source(p, cache, "test"), given.every) for p in given.held
    ]
    titles = [title for path in given.held for title in (f"agreement {path.stem}", f"KID {path.stem}")]
    say("| arm | steps | minutes | plain loss | " + " | ".join(titles) + " |\n" + "|---" * (4 + len(titles)) + "|")
    say("| real pictures | | | | " + " | ".join(f"{ruler.ceiling} | 0" for ruler in rulers) + " |")
    for arm in sorted(path.parent for path in (given.run / "arms").glob("*/final")):
        pipe, last = load_arm(arm), last_row(arm)
        cells = [f"{found} | {apart:.4f}" for found, apart in (ruler.measure(pipe, given) for ruler in rulers)]
        say(f"| {arm.name} | {last['step']} | {last['minutes']} | {last['plain']} | " + " | ".join(cells) + " |")
