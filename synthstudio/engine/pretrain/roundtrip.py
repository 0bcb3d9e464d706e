"""`roundtrip`: what an autoencoder loses of what the teacher sees; a table, and one JSON line per autoencoder and set.

One logistic regression on the teacher's features, fitted on untouched training pictures, is scored on test pictures
before and after encoding and decoding.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch.nn import functional as F

from synthstudio.engine.pretrain.cached import LOOK
from synthstudio.engine.pretrain.data import Source, to_float
from synthstudio.engine.pretrain.evaluate import paired, probe, psnr, round_trip, share, unseen
from synthstudio.engine.pretrain.loop import say
from synthstudio.engine.pretrain.teacher import Teacher, enlarged, load_teacher
from synthstudio.engine.pretrain.vae import load_coder


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What to measure, on what."""
    parser.add_argument(
        "--coder", type=Path, action="append", required=True, help="vae folder or checkpoint of `vae`; repeatable"
    )
    parser.add_argument(
        "--unseen", type=Path, action="append", default=[], help="labelled parquet beside the digits; repeatable"
    )
    parser.add_argument("--json", type=Path, default=Path("roundtrip.jsonl"), help="lines are added to this file")
    parser.add_argument("--threads", type=int, default=1)


@torch.no_grad()
def teacher_features(teacher: Teacher, pixels: np.ndarray, batch: int = 50) -> np.ndarray:
    """The teacher's pooled features of uint8 pictures, N x 1,280, each of unit length."""
    parts = [
        teacher.embed(enlarged(to_float(np.ascontiguousarray(pixels[i : i + batch])), LOOK))
        for i in range(0, len(pixels), batch)
    ]
    return F.normalize(torch.cat(parts), dim=1).numpy()


class Trip:
    """One data set, and what the teacher sees in it untouched."""

    def __init__(self, teacher: Teacher, train: Source, test: Source) -> None:
        self.teacher, self.train, self.test = teacher, train, test
        self.fitted, self.before = (teacher_features(teacher, np.asarray(s.pixels)) for s in (train, test))

    def measure(self, vae: AutoencoderKL) -> dict[str, object]:
        """Peak signal to noise in dB, and hits of the probe before and after the round trip."""
        pixels = np.asarray(self.test.pixels)
        made = round_trip(vae, pixels)
        seen = [self.before, teacher_features(self.teacher, made)]
        before, after = probe(self.fitted, self.train.labels, seen, self.test.labels)
        hits = {"real": share(before).row(), "round_trip": share(after).row()}
        return {"psnr": psnr(made, pixels), **hits, "change": paired(before, after)}


def rows(given: argparse.Namespace) -> Iterator[dict[str, object]]:
    """One row per set and autoencoder."""
    teacher, cache = load_teacher(given.run / "cache"), given.run / "cache"
    coders = {str(path): load_coder(path) for path in given.coder}
    for path in [None, *given.unseen]:
        trip = Trip(teacher, unseen(path, "train", cache), unseen(path, "test", cache))
        for name, (vae, reached) in coders.items():
            yield {"coder": name, **reached, "set": trip.test.name, **trip.measure(vae)}


def run(given: argparse.Namespace) -> None:
    """Measure what autoencoders lose of what the teacher sees."""
    torch.set_num_threads(given.threads)
    say("| autoencoder | step | set | PSNR dB | real | round trip | change in points |\n|---|---|---|---|---|---|---|")
    for row in rows(given):
        with given.json.open("a") as handle:
            handle.write(json.dumps(row) + "\n")
        say(as_line(row))


def as_line(row: dict[str, object]) -> str:
    """A row of the table."""
    change, low, high = (100 * value for value in row["change"])  # type: ignore[attr-defined]
    real, after = (f"{row[side]['share']:.3f}" for side in ("real", "round_trip"))  # type: ignore[index]
    numbers = f"{row['psnr']:.1f} | {real} | {after} | {change:+.1f} [{low:+.1f}, {high:+.1f}]"
    return f"| {row['coder']} | {row.get('step', '')} | {row['set']} (n={row['real']['n']}) | {numbers} |"  # type: ignore[index]
