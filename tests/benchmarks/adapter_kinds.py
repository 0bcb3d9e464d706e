"""Every kind of adapter: what it brings, what it costs, and whether stock libraries read its export.

    python tests/benchmarks/adapter_kinds.py                    # five kinds, the datadream recipe on digits, 16 shots
    python tests/benchmarks/adapter_kinds.py --kinds lora vera --shots 4
    python tests/benchmarks/adapter_kinds.py --speed            # only the clock: time per update, file size

Accuracy is that of the recipe's arms on the untouched test photos of one fold; nothing is chosen on them. An export is
loaded by plain diffusers (`load_lora_weights`), or by peft into the plain pipeline (`PeftModel.from_pretrained`), and
one picture is drawn there and by us. A kind that is already in the output file is skipped, and `--home` keeps what a
stopped run had made, so the study can be stopped and resumed. Writes JSON and a Markdown table beside it.

`--speed` also trains plain LoRA in peft's own layers, in turns with ours: what running the factors as hooks saves. Its
clock counts processor time, for busy machines.
"""

import argparse
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import bench
import numpy as np
import torch
from PIL import Image

from synthstudio.engine import backbones, diffusion, lora, pixels, solvers
from synthstudio.engine.adapters import files, kinds, merging
from synthstudio.engine.adapters.wrapped import Wrapped
from synthstudio.terms import LOW_RANK_METHODS, METHODS
from synthstudio.workspace import Workspace

RESULTS = Path(__file__).parent / "results" / "adapter_kinds.json"
FIVE = ("lora", "dora", "loha", "lokr", "oft")
ARMS = ("zero_shot", "real_only", "synthetic_only", "real_and_synthetic")
PROJECT = "kinds"


def carried_out(kind: str, asked: argparse.Namespace, home: str) -> dict[str, Any]:
    """The recipe with this kind of adapter as a person would run it, and its export: one cell of the study."""
    found = told(
        "run", "datadream", "--data", "digits", "--shots", str(asked.shots), "--folds", "1", "--preset", asked.preset,
        "--set", f"adapter.method={kind}", *(part for one in asked.set for part in ("--set", one)), home=home,
    )  # fmt: skip
    adapter = found["artifacts"]["adapter.0"]["adapter"]
    exported = told("step", "export.adapter", "--adapter", adapter, "--name", kind, home=home)["outputs"]["folder"]
    workspace = Workspace.open(Path(home), PROJECT)
    document = workspace.document(adapter)
    (weights,) = (workspace.weight_path(one) for one in document["weights"].values())
    prompt = document["prompt"].replace("{label}", next(iter(document["images_per_label"])))
    return {
        "kind": kind, "shots": asked.shots, "preset": asked.preset, "set": asked.set, "backbone": document["backbone"],
        "mean": found["mean"], "interval95": found["interval95"], "difference": found["difference"],
        "encoder": found["encoder"], "counts": found["counts"], "seconds": found["seconds"],
        "bytes": weights.stat().st_size, "export": loads(kind, weights, workspace.root / exported, prompt),
    }  # fmt: skip


def told(*words: str, home: str) -> dict[str, Any]:
    """A command of the program, and what it says with `--json`."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-m", "synthstudio", *words, "--home", home, "--project", PROJECT, "--json", result]
        subprocess.run(list(map(str, command)), cwd=bench.ROOT, check=True, stdout=subprocess.DEVNULL)
        return json.loads(result.read_text())


def loads(kind: str, weights: Path, folder: Path, prompt: str) -> dict[str, Any]:
    """Whether plain libraries read the exported folder: how far their picture is from ours, and ours from the frozen.

    Both are the largest difference of a pixel, of 255; an error is told as it is.
    """
    pico = bench.backbone_folder(None)
    backbone = backbones.load(pico, torch.device("cpu"))
    settings = diffusion.Settings(guidance_scale=3.0, inference_steps=10, resolution=backbone.resolution)
    request = diffusion.Request(prompt, "", 7)
    frozen = diffusion.sample(backbone, [request], settings)[0]
    merging.use_adapter(backbone, kind, files.read_adapter(weights), 1.0)
    ours = diffusion.sample(backbone, [request], settings)[0]
    how = "load_lora_weights" if kind in LOW_RANK_METHODS else "PeftModel.from_pretrained"
    try:
        theirs = drawn_by_stock_libraries(kind, pico, folder, prompt)
    except Exception as error:  # noqa: BLE001 - whatever they say is the result
        return {"how": how, "loads": False, "error": f"{type(error).__name__}: {error}"}
    near = furthest(ours, theirs)
    return {"how": how, "loads": True, "from_ours": near, "from_frozen": furthest(ours, frozen)}


def drawn_by_stock_libraries(kind: str, pico: Path, folder: Path, prompt: str) -> bytes:
    """A picture of the plain pipeline that has read the export as its card says."""
    from diffusers import StableDiffusionPipeline
    from peft import PeftModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = StableDiffusionPipeline.from_pretrained(pico, local_files_only=True, use_safetensors=True)
        cls, chosen = solvers._SOLVERS["dpm++"]
        pipe.scheduler = cls.from_config(pipe.scheduler.config, **chosen)
        pipe.set_progress_bar_config(disable=True)
        if kind in LOW_RANK_METHODS:
            pipe.load_lora_weights(folder)
        else:
            for part in sorted(one.name for one in folder.iterdir() if one.is_dir()):
                wrapped = PeftModel.from_pretrained(getattr(pipe, part), folder / part)
                setattr(pipe, part, wrapped.merge_and_unload())
        chance = torch.Generator().manual_seed(7)
        made = pipe(prompt, guidance_scale=3.0, num_inference_steps=10, generator=chance).images[0]
    return pixels.to_png([torch.from_numpy(np.array(made))])[0]


def furthest(one: bytes, other: bytes) -> int:
    """The largest difference of two PNG files."""
    first, second = (np.asarray(Image.open(io.BytesIO(file))).astype(int) for file in (one, other))
    return int(np.abs(first - second).max())


def table(cells: list[dict[str, Any]]) -> str:
    """The study as Markdown: percent, and half the 95 % interval over test images."""
    columns = ("kind", "shots", "zero-shot", "real only", "synthetic only", "both", "difference (95 %)")
    columns += ("adapted in", "file", "stock picture from ours, of 255")
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    for cell in cells:
        gain, export = cell["difference"], cell["export"]
        said = f"{100 * gain['value']:+.1f} ({100 * gain['low']:+.1f} to {100 * gain['high']:+.1f})"
        how, near, moved = (export.get(name) for name in ("how", "from_ours", "from_frozen"))
        read = f"`{how}`: {near}, adapter moves {moved}" if export["loads"] else f"`{how}`: no ({export['error']})"
        about = f"{cell['kind']} | {cell['shots']} | {' | '.join(number(cell, arm) for arm in ARMS)} | {said}"
        lines.append(f"| {about} | {cell['seconds']['adapt']:.0f} s | {cell['bytes'] / 1000:.0f} kB | {read} |")
    return "\n".join(lines) + "\n"


def number(cell: dict[str, Any], arm: str) -> str:
    """Accuracy and half its interval; a dash where the arm was not asked."""
    if arm not in cell["interval95"]:
        return "–"
    low, high = cell["interval95"][arm]
    return f"{100 * cell['mean'][arm]:.1f} ± {50 * (high - low):.1f}"


def said(asked: argparse.Namespace) -> str:
    """What was asked for, without where this machine keeps it."""
    words = ["python tests/benchmarks/adapter_kinds.py --kinds", *asked.kinds, "--shots", str(asked.shots)]
    return " ".join([*words, "--preset", asked.preset, *(f"--set {one}" for one in asked.set)])


def study(asked: argparse.Namespace) -> None:
    """Every kind that is not yet in the file, one after the other; the file is written after each."""
    cells = json.loads(asked.out.read_text())["cells"] if asked.out.exists() else []
    with tempfile.TemporaryDirectory() as aside:
        for kind in asked.kinds:
            asked_for = (kind, asked.shots, asked.preset, asked.set)
            if asked_for in [(one["kind"], one["shots"], one["preset"], one["set"]) for one in cells]:
                continue
            cells.append(carried_out(kind, asked, asked.home or aside))
            body = {"command": said(asked), "machine": bench.processor(), "cells": cells}
            asked.out.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
            asked.out.with_suffix(".md").write_text(f"    {said(asked)}\n\n{table(cells)}", encoding="utf-8")
    print(table(cells))


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
    asked.add_argument("--kinds", nargs="+", choices=list(METHODS), default=list(FIVE))
    asked.add_argument("--shots", type=int, default=16)
    asked.add_argument("--preset", default="quick")
    asked.add_argument("--set", action="append", default=[], help="step.field=value of the recipe; may be repeated")
    asked.add_argument("--home", help="where the projects lie, to go on after a stop; else a temporary place")
    asked.add_argument("--out", type=Path, default=RESULTS)
    asked.add_argument("--speed", action="store_true")
    asked.add_argument("--backbone", type=Path, help="a diffusers folder; else pico, else a tiny one")
    asked.add_argument("--batch", type=int, default=8)
    asked.add_argument("--updates", type=int, default=12)
    given = asked.parse_args()
    torch.set_num_threads(1)
    if not given.speed:
        study(given)
        return
    folder = bench.backbone_folder(given.backbone)
    bench.say_machine(folder)
    speed(folder, given.kinds, given.batch, given.updates)


if __name__ == "__main__":
    main()
