"""Every measure on 10,000 images against 10,000 of 1,280 dimensions: `python -m tests.benchmarks.measures_speed`.

Other numbers: `python -m tests.benchmarks.measures_speed IMAGES DIMENSIONS`.
"""

import sys
import time
from functools import partial

import numpy as np
import psutil

from synthstudio import measures


def main(images: int = 10_000, dimensions: int = 1280) -> None:
    """Print seconds per measure; the bound is 60 s for all of them."""
    random = np.random.default_rng(0)
    real, made = (random.normal(0, 1, (images, dimensions)).astype(np.float32) for _ in range(2))
    labels = np.array([f"class {n % 10}" for n in range(images)])
    real += (np.arange(images) % 10)[:, None] * 0.05
    made += (np.arange(images) % 10)[:, None] * 0.05
    total = 0.0
    for name, measure in {
        "kernel distance": partial(measures.kernel_distance, real, made),
        "precision, recall, density, coverage": partial(measures.manifold, real, made),
        "copying": partial(measures.copying, real, made),
        "diversity": partial(measures.vendi, made),
        "Fréchet distance": partial(measures.frechet_distance, real, made),
        "told apart": partial(measures.told_apart, real, made),
        "teaches": partial(measures.teaches, made, labels, real, labels),
    }.items():
        begun = time.perf_counter()
        measure()
        seconds = time.perf_counter() - begun
        total += seconds
        print(f"{name:<40} {seconds:6.1f} s   memory {psutil.Process().memory_info().rss / 1e6:.0f} MB", flush=True)
    print(f"{'all':<40} {total:6.1f} s   bound 60 s: {'met' if total <= 60 else 'MISSED'}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
