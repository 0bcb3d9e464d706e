"""What the speed benchmarks share: which backbone, interleaved repetitions, one honest table."""

import argparse
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from synthstudio.resources import cpu_count  # noqa: E402


def arguments(about: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--backbone", type=Path, help="a diffusers folder; else pico, else a tiny one")
    parser.add_argument("--threads", type=int, default=0, help="torch threads, 0 for every core")
    parser.add_argument("--batch", type=int, default=0, help="images per step or batch, 0 for the default")
    parser.add_argument("--repetitions", type=int, default=5)
    return parser.parse_args()


def backbone_folder(given: Path | None) -> Path:
    if given:
        return given
    pico = ROOT / "assets" / "pico"
    if (pico / "model_index.json").exists():
        return pico
    from tests.engine.tiny import write_stable_diffusion

    print("assets/pico is missing: a tiny random folder stands in for it.")
    return write_stable_diffusion(Path(tempfile.mkdtemp()) / "tiny-sd")


def digits(count: int, side: int) -> list:
    """Handwritten digits at the size of the backbone, and their names."""
    from PIL import Image
    from sklearn.datasets import load_digits

    found = load_digits()
    pictures = [
        Image.fromarray((255 - found.images[i] * 15.9).astype("uint8")).convert("RGB").resize((side, side))
        for i in range(count)
    ]
    return [(picture, str(found.target[i])) for i, picture in enumerate(pictures)]


def compare(ours: Callable[[int], int], theirs: Callable[[int], int], repetitions: int, unit: str) -> float:
    """Run both in turn; each call returns how many images it handled. Prints rates and the ratio of the medians."""
    rates: dict[str, list[float]] = {"ours": [], "theirs": []}
    processor: dict[str, list[float]] = {"ours": [], "theirs": []}
    for turn in range(repetitions + 1):
        for name, work in (("ours", ours), ("theirs", theirs)):
            wall, cpu = time.perf_counter(), time.process_time()
            count = work(turn)
            if turn:  # the first turn warms up
                rates[name].append(count / (time.perf_counter() - wall))
                processor[name].append(count / (time.process_time() - cpu))
    for name, found in rates.items():
        spread = f"{min(found):.2f} to {max(found):.2f}"
        per_cpu = statistics.median(processor[name])
        print(f"{name:8} {statistics.median(found):8.2f} {unit}/s  ({spread}); {per_cpu:.2f} per processor second")
    ratio = statistics.median(rates["ours"]) / statistics.median(rates["theirs"])
    by_cpu = statistics.median(processor["ours"]) / statistics.median(processor["theirs"])
    print(f"ratio    {ratio:8.2f} by the clock, {by_cpu:.2f} by processor time (which other programs disturb less)")
    return ratio


def say_machine(folder: Path) -> None:
    load = f"{torch.get_num_threads()} threads of {cpu_count()} cores"
    print(f"{folder.name} on {platform.machine()} {processor()}, {load}, torch {torch.__version__}, seed 0")


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
