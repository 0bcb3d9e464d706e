"""`evaluate`: runs the gates asked for and writes one JSON file."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from synthstudio.engine.pretrain import evaluate as gates
from synthstudio.engine.pretrain.data import Source, load_glyphs, load_source
from synthstudio.engine.pretrain.fonts import DIGITS
from synthstudio.engine.pretrain.judge import Judge
from synthstudio.engine.pretrain.loop import say

GATES = ("vae", "clip", "base", "sheet")
SHEET = [*"0123456789abcdefgh", "airplane", "automobile", "horse", "ship", "goldfish", "school bus"]


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What to measure, on what."""
    parser.add_argument("--pico", type=Path, default=Path("assets/pico"))
    parser.add_argument("--gate", choices=GATES, action="append", help="repeatable; all when left out")
    parser.add_argument(
        "--unseen", type=Path, action="append", default=[], help="labelled parquet pico never saw; repeatable"
    )
    parser.add_argument(
        "--held", type=Path, action="append", default=[], help="parquet whose test split is held out; repeatable"
    )
    parser.add_argument("--held-glyphs", type=Path, help="a glyph pool drawn with another seed")
    parser.add_argument("--guidance", type=float, nargs="+", default=[2.0, 3.0, 4.0])
    parser.add_argument("--budget", type=int, default=200, help="samples per group and guidance")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=Path("gates.json"))


def of_group(pool: Source, digits: bool) -> Source:
    """The digits or the letters of a pool."""
    rows = [i for i, name in enumerate(pool.labels) if (name in DIGITS) == digits]
    return Source("digits" if digits else "letters", pool.pixels[rows], [pool.labels[i] for i in rows])


def held_out(given: argparse.Namespace) -> Iterator[tuple[str, Source]]:
    """Held-out pictures of what pico was trained on, by group."""
    for path in given.held:
        yield path.stem, load_source(path, given.run / "cache", "test")
    if given.held_glyphs:
        pool = load_glyphs(given.held_glyphs)
        yield "digits", of_group(pool, True)
        yield "letters", of_group(pool, False)


def few(source: Source, limit: int = 4000) -> Source:
    """A fixed random part of a source."""
    rows = np.sort(np.random.default_rng(0).permutation(len(source))[:limit])
    return Source(source.name, source.pixels[rows], [source.labels[i] for i in rows])


def run(given: argparse.Namespace) -> None:
    """Measure the gates of the model card."""
    torch.set_num_threads(given.threads)
    wanted = given.gate or list(GATES)
    pipe, clip = gates.load_pico(given.pico)
    found: dict[str, object] = {}

    def note(name: str, value: object) -> None:
        found[name] = value
        say(f"{name}: { {k: str(v) for k, v in value.items()} if isinstance(value, dict) else value }")
        gates.save_json(given.json, found)

    cache = given.run / "cache"
    for path in [None, *given.unseen]:
        name = path.stem if path else "sklearn digits"
        test = gates.unseen(path, "test", cache)
        if "vae" in wanted:
            note(f"vae {name}", gates.vae_gate(pipe, clip, gates.unseen(path, "train", cache), test))
        if "clip" in wanted:
            note(f"zero-shot {name}", gates.zero_shot(clip, test))
    if "clip" in wanted:
        for name, source in held_out(given):
            note(f"zero-shot {name}", gates.zero_shot(clip, few(source)))
    if "base" in wanted:
        judge = Judge.load(given.run / "judge" / "final")
        note("ceiling", {name: gates.ceiling(judge, source, name) for name, source in held_out(given)})
        for guidance in given.guidance:
            note(f"base guidance {guidance:g}", gates.base_gate(pipe, judge, guidance, given.budget, given.seed))
    if "sheet" in wanted:
        gates.sheet(pipe, SHEET, 3.0, given.pico / "samples.png")
