"""Distillation: seconds per step of ours and of a step written as published code works; memory; digits in minutes.

    python tests/benchmarks/distil_speed.py [--only dc|dm|glad|mtt|digits] [--json FILE]

Theirs (DC and DM): the whole real set resident as normalised floats; per class one forward over its whole real batch
(256, the published default) and, for DC, one backward over it and one over its synthetic images with a graph, then one
backward through all. Ours: the same network and number of
images. Memory is measured in a process of its own.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import bench
import torch
import torch.nn.functional as F

from synthstudio.engine import devices
from synthstudio.engine.distil.distilling import Course, Distillation
from synthstudio.engine.distil.forms import images_of, pull_back
from synthstudio.engine.distil.forms.latents import Latents
from synthstudio.engine.distil.forms.pixels import Pixels
from synthstudio.engine.distil.layers import MeanPool
from synthstudio.engine.distil.matching import METHODS, Teaching
from synthstudio.engine.distil.real import RealImages
from synthstudio.engine.distil.starts import Start, start
from synthstudio.engine.distil.trajectories import Schooling, Trajectories, school, write
from synthstudio.engine.seeds import generator

CLASSES = 10


def real_images(each: int, size: int = 32) -> RealImages:
    """Noise: what images show does not change how long they take."""
    count = each * CLASSES
    pixels = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator(0, "noise"))
    return RealImages.of(pixels, [str(i % CLASSES) for i in range(count)])


def as_published(network: torch.nn.Module) -> torch.nn.Module:
    """The same network out of torch's own layers."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, MeanPool):
                setattr(module, name, torch.nn.AvgPool2d(2))
    return network


def published(teaching: Teaching, name: str) -> Callable[[int], int]:
    """One step of the published loop per call, without its reseeding of the global generator."""
    real = teaching.real
    resident = real.normalisation.apply(real.unit(torch.arange(len(real.pixels))))
    shape = (CLASSES, teaching.images_per_class, 3, real.size, real.size)
    images = torch.randn(shape, generator=generator(0, "start")).requires_grad_()

    def batch(place: int) -> torch.Tensor:
        rows = real.rows[place]
        return resident[rows[torch.randperm(len(rows))[: teaching.real_batch]]]

    def dc(step: int) -> int:
        network, loss = as_published(teaching.new_network(step)), torch.zeros(())
        weights = list(network.parameters())
        for place in range(CLASSES):
            shown, label = batch(place), torch.tensor(place)
            found = torch.autograd.grad(F.cross_entropy(network(shown), label.repeat(len(shown))), weights)
            kept = [one.detach().clone() for one in found]
            answers = network(images[place])
            loss_of_class = F.cross_entropy(answers, label.repeat(len(answers)))
            made = torch.autograd.grad(loss_of_class, weights, create_graph=True)
            for r, s in zip(kept, made, strict=True):
                if r.ndim > 1:
                    r, s = r.flatten(1), s.flatten(1)
                    loss = loss + (1 - (r * s).sum(-1) / (r.norm(dim=-1) * s.norm(dim=-1) + 1e-6)).sum()
        torch.autograd.grad(loss, images)
        return 1

    def dm(step: int) -> int:
        network, loss = as_published(teaching.new_network(step)).requires_grad_(False), torch.zeros(())
        for place in range(CLASSES):
            gap = network.embed(batch(place)).detach().mean(0) - network.embed(images[place]).mean(0)
            loss = loss + gap.square().sum()
        torch.autograd.grad(loss, images)
        return 1

    return {"dc": dc, "dm": dm}[name]


def speed(name: str, given: argparse.Namespace) -> dict[str, object]:
    """Steps per second of both, in turn."""
    teaching = Teaching(
        real_images(300), given.images_per_class, width=given.width, real_batch=given.real_batch, outer=1, inner=0
    )
    method = METHODS[name](teaching)
    shape = (CLASSES, given.images_per_class, 3, 32, 32)
    images = torch.randn(shape, generator=generator(0, "start"))

    def ours(step: int) -> int:
        method.pull(step, images)
        return 1

    print(f"{name}: {CLASSES} classes, {given.real_batch} real and {given.images_per_class} synthetic images of each, "
          f"32 px, ConvNet-D3 of width {given.width}")  # fmt: skip
    ratio = bench.compare(ours, published(teaching, name), given.repetitions, "steps")
    return {"ratio": round(ratio, 2)}


def peak_mb() -> float:
    """The largest resident size of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def glad_memory(count: int) -> float:
    """MiB that one two-pass gradient through the decoder adds for `count` images of 64 px."""
    from synthstudio.engine import backbones

    vae = backbones.load(bench.backbone_folder(None), torch.device("cpu")).vae
    form = Latents(vae, level=0, made=64, size=32)
    latents = form.noise(count, generator(0, "latents"))
    few = latents[: form.chunk]
    pull_back(form, few, torch.zeros_like(images_of(form, few)))  # the libraries' own buffers
    before = peak_mb()
    pull_back(form, latents, torch.ones_like(images_of(form, latents)))
    return peak_mb() - before


def mtt_memory(steps: int) -> float:
    """MiB that one pull of MTT with `steps` student steps adds to one with two steps."""
    real = real_images(20)
    file = Path(tempfile.mkdtemp()) / "expert.safetensors"
    schooling = Schooling("convnet", 32, epochs=2)
    write(file, list(school(real, schooling, 0, torch.device("cpu"))))
    trajectories = Trajectories([file], schooling.start(real, 0))
    images = torch.randn((CLASSES, 5, 3, 32, 32), generator=generator(0, "start"))

    def pull(count: int) -> None:
        METHODS["mtt"](Teaching(real, 5, width=32, trajectories=trajectories, student_steps=count)).pull(0, images)

    pull(2)
    before = peak_mb()
    pull(steps)
    return peak_mb() - before


def memory(name: str, counts: tuple[int, ...]) -> dict[str, object]:
    """Each count in a process of its own, since a peak never falls."""
    found = {}
    for count in counts:
        command = [sys.executable, __file__, "--measure", f"{name}:{count}"]
        found[str(count)] = float(
            subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]
        )
        print(f"{name}: {count:4} -> {found[str(count)]:7.1f} MiB more than the smallest")
    return {"mib": found}


def digits(images_per_class: int = 10) -> dict[str, object]:
    """DM on handwritten digits, as the recipe's quick preset does it."""
    import numpy as np

    shown = bench.digits(900, 16)
    pixels = torch.from_numpy(np.stack([np.asarray(picture) for picture, _ in shown])).permute(0, 3, 1, 2).contiguous()
    real = RealImages.of(pixels, [label for _, label in shown])
    operations = ("color", "crop", "cutout", "scale", "rotate")
    teaching = Teaching(real, images_per_class, width=16, real_batch=32, operations=operations)
    form = Pixels(real.normalisation, 16)
    variables = start(form, real, Start("real", images_per_class, 0))
    folder = Path(tempfile.mkdtemp())
    distilling = Distillation(form, METHODS["dm"](teaching), variables, Course(300, 0.05), folder)
    began, losses = time.perf_counter(), []
    for tick in distilling.run(50):
        losses.append(tick.values["loss"])
        if tick.step % 20 == 0:
            distilling.images()  # what a preview needs
    seconds = time.perf_counter() - began
    print(f"digits: {images_per_class} per class with DM, 300 updates, 16 px: {seconds:.1f} s, "
          f"loss {statistics.mean(losses[:20]):.2f} -> {losses[-1]:.2f}")  # fmt: skip
    return {"seconds": round(seconds, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", choices=["dc", "dm", "glad", "mtt", "digits"])
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--real-batch", type=int, default=256)
    parser.add_argument("--images-per-class", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    given = parser.parse_args()
    devices.use_threads(given.threads)
    if given.measure:
        name, _, count = given.measure.partition(":")
        print({"glad": glad_memory, "mtt": mtt_memory}[name](int(count)))
        return
    bench.say_machine(Path("convnet"))
    parts: dict[str, Callable[[], dict[str, object]]] = {
        "dc": lambda: speed("dc", given),
        "dm": lambda: speed("dm", given),
        "glad": lambda: memory("glad", (10, 50, 200)),
        "mtt": lambda: memory("mtt", (2, 10, 40)),
        "digits": digits,
    }
    found = {name: run() for name, run in parts.items() if given.only in (None, name)}
    if given.json:
        given.json.write_text(json.dumps({"threads": torch.get_num_threads(), **found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
