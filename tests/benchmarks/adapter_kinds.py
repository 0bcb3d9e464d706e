"""Every kind of adapter: what it brings and what it costs.

    python tests/benchmarks/adapter_kinds.py                    # the datadream recipe on digits, preset quick, per kind
    python tests/benchmarks/adapter_kinds.py --kinds lora dora --shots 8
    python tests/benchmarks/adapter_kinds.py --speed            # only the clock: time per update, file size

Accuracy is that of the recipe's four arms on the untouched test photos. `--speed` also trains plain LoRA in peft's own
layers, in turns with ours: what running the factors as hooks saves. Its clock counts processor time, for busy machines.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bench
import torch

from synthstudio.engine import backbones, diffusion, lora, pixels
from synthstudio.engine.adapters import kinds
from synthstudio.engine.adapters.wrapped import Wrapped
from synthstudio.terms import METHODS
from synthstudio.workspace import Workspace


def carried_out(kind: str, shots: int, preset: str) -> tuple[dict, int]:
    """The recipe with this kind of adapter, as a person would run it: what it found, and the bytes of the adapter."""
    with tempfile.TemporaryDirectory() as folder:
        home, told = Path(folder), Path(folder) / "result.json"
        command = [
            sys.executable, "-m", "synthstudio", "run", "datadream", "--data", "digits", "--shots", str(shots),
            "--folds", "1", "--preset", preset, "--home", folder, "--project", "kinds", "--json", str(told),
            "--set", f"adapter.method={kind}",
        ]  # fmt: skip
        subprocess.run(command, cwd=bench.ROOT, check=True, stdout=subprocess.DEVNULL)
        found = json.loads(told.read_text())
        workspace = Workspace.open(home, "kinds")
        adapter = workspace.document(found["artifacts"]["adapter.0"]["adapter"])
        return found, sum(workspace.weight_path(one).stat().st_size for one in adapter["weights"].values())


def training(folder: Path, kind: str, batch: int) -> lora.Training:
    """A training of this kind on digits that never ends."""
    backbone = backbones.load(folder, torch.device("cpu"))
    shots = bench.digits(160, diffusion.side(backbone, None))
    mean, deviation = backbone.moments(pixels.to_tensor([picture for picture, _ in shots]))
    views, prompts = tuple((row,) for row in range(len(shots))), tuple(f"a photo of a {label}" for _, label in shots)
    recipe = lora.Recipe(steps=100_000, method=kind, batch_size=batch)
    return lora.Training(backbone, lora.Photos(mean, deviation, views, prompts), recipe, Path(tempfile.mkdtemp()))


def speed(folder: Path, chosen: list[str], batch: int, updates: int) -> None:
    """A table of milliseconds per update, all kinds in turns, and the sizes of the files."""
    running = {kind: training(folder, kind, batch) for kind in chosen}
    kinds.KINDS["lora in peft's layers"] = kinds.Kind(kinds.KINDS["lora"].configure, low_rank=True)
    running["lora in peft's layers"] = training(folder, "lora in peft's layers", batch)
    assert isinstance(running["lora in peft's layers"].adapter, Wrapped)
    ticks = {kind: one.run(100_000) for kind, one in running.items()}
    seconds: dict[str, list[float]] = {kind: [] for kind in running}
    for turn in range(updates + 2):
        for kind, tick in ticks.items():
            started = time.process_time()
            next(tick)
            if turn >= 2:
                seconds[kind].append(time.process_time() - started)
    print(f"{'kind':24s} {'ms per update':>14s} {'trained numbers':>16s} {'file, kB':>10s}")
    for kind, one in running.items():
        file = Path(tempfile.mkdtemp()) / "adapter.safetensors"
        size = ""
        if kind in METHODS:
            one.write(file)
            size = f"{file.stat().st_size / 1000:.0f}"
        print(f"{kind:24s} {1000 * statistics.median(seconds[kind]):14.0f} {one.flat.numel():16d} {size:>10s}")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    asked.add_argument("--kinds", nargs="+", choices=list(METHODS), default=list(METHODS))
    asked.add_argument("--shots", type=int, default=16)
    asked.add_argument("--preset", default="quick")
    asked.add_argument("--speed", action="store_true")
    asked.add_argument("--backbone", type=Path, help="a diffusers folder; else pico, else a tiny one")
    asked.add_argument("--batch", type=int, default=8)
    asked.add_argument("--updates", type=int, default=12)
    given = asked.parse_args()
    if given.speed:
        torch.set_num_threads(1)
        folder = bench.backbone_folder(given.backbone)
        bench.say_machine(folder)
        speed(folder, given.kinds, given.batch, given.updates)
        return
    for kind in given.kinds:
        found, size = carried_out(kind, given.shots, given.preset)
        four = json.dumps({name: round(value, 3) for name, value in found["mean"].items()})
        print(f"{kind:8s} {four}; adaptation {found['seconds']['adapt']:.0f} s; {size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
