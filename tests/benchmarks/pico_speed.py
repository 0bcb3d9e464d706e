"""Images per second of the bundled backbone through the stock pipeline: 20 steps with guidance.

python tests/benchmarks/pico_speed.py [--threads 2] [--batch 16] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline


def rates(folder: Path, batch: int, rounds: int, guidance: float) -> list[float]:
    """Images per second of each round, after one to warm up."""
    pipe = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    prompts = [f"a photo of a {i % 10}" for i in range(batch)]
    found = []
    for turn in range(rounds + 1):
        noise = [torch.Generator().manual_seed(turn * batch + i) for i in range(batch)]
        began = time.perf_counter()
        pipe(prompts, num_inference_steps=20, guidance_scale=guidance, generator=noise, output_type="np")
        found.append(batch / (time.perf_counter() - began))
    return found[1:]


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    flags.add_argument("--pico", type=Path, default=Path("assets/pico"))
    flags.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    flags.add_argument("--batch", type=int, default=16)
    flags.add_argument("--rounds", type=int, default=5)
    flags.add_argument("--guidance", type=float, default=3.0)
    given = flags.parse_args()
    torch.set_num_threads(given.threads)
    found = rates(given.pico, given.batch, given.rounds, given.guidance)
    load = round(os.getloadavg()[0], 2)
    row = {
        "images_per_second": round(float(np.median(found)), 2),
        "worst": round(min(found), 2),
        "best": round(max(found), 2),
    }
    print(json.dumps(row | {"rounds": given.rounds, "batch": given.batch, "threads": given.threads, "load": load}))


if __name__ == "__main__":
    main()
