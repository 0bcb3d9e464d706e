"""A rehearsal with the true architecture and random weights: how fast adapting and sampling are, in how much memory.

    python tests/benchmarks/rehearsal.py --family sd15 --size small                # same structure, an eighth as wide
    python tests/benchmarks/rehearsal.py --family sdxl --size full --device auto   # the published widths
    python tests/benchmarks/rehearsal.py --family sdxl --size full --steps 1 --inference-steps 1 --batch 1

Needs no hub. Weights are random, so the pictures are noise, but every layer does the work it would do. Rates are those
of the engine as the Steps use it: LoRA of rank 16 on UNet and text encoders; dpm++ with guidance. The share is what the
floating-point operations of an update or a picture (counted by torch) come to per second, of what a large matrix
product reaches on the same device in the same precision; on a CPU, which other programs use too, per second of
processor time. Memory is the most that was held: of the process on a CPU, of torch on CUDA. The weights of a full SDXL
take 14 GB in float32 (7 GB in bfloat16 and on the disk), those of FLUX.2 klein 32 GB (16 GB); activations come on top:
lower `--resolution` and `--batch`, or give `--at-once`, `--checkpointing on`, `--slicing`. In bounded memory on a CPU:

    rehearsal.py --family sdxl --size full --device cpu --precision bfloat16 --checkpointing on --slicing \
        --resolution 512 --batch 1 --steps 1 --inference-steps 1
"""

import argparse
import datetime
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import architectures
import bench
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from synthstudio.engine import backbones, devices, diffusion, lora, pixels

RESULTS = Path(__file__).parent / "results" / "rehearsal.md"
COLUMNS = (
    *("date", "device", "family", "size", "parameters", "px", "precision", "batch"),
    *("updates/s", "share", "peak", "images/s", "solver steps", "share", "peak", "loading", "command"),
)
HEAD = f"""# Rehearsals: true architectures, random weights

Written by `tests/benchmarks/rehearsal.py`, one row per run; what is measured stands there. `small` has the structure of
the published model, an eighth of its widths and a quarter of its sides: it says that all of it runs, not how fast the
published model is. Updates are of one batch each, pictures of one batch with guidance (two passes per solver step). A
share on a CPU is of processor time, a rate always of the clock.

| {" | ".join(COLUMNS)} |
|{"---|" * len(COLUMNS)}
"""


@dataclass
class Held:
    """The most memory that was held while something ran, in bytes."""

    device: torch.device
    most: int = field(default=0)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Within, the most that is held counts."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            _forget_peak()
        yield
        self.most = torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else _peak()


def _forget_peak() -> None:
    """Have Linux count the peak of this process anew; elsewhere it is that of its whole life."""
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) << 10 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class Clock:
    """Seconds since it was made, when the device has done what it was asked: of the clock, and of work.

    On a CPU work is processor time, which other programs disturb less.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.begun = self._now()

    def _now(self) -> tuple[float, float]:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        seconds = time.perf_counter()
        return seconds, time.process_time() if self.device.type == "cpu" else seconds

    def read(self) -> tuple[float, float]:
        """(clock, work)."""
        now = self._now()
        return now[0] - self.begun[0], now[1] - self.begun[1]


def matmul_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations per second of work in a large matrix product: the best of several."""
    side = 8192 if device.type == "cuda" else 1536
    one = torch.randn(side, side).to(device, dtype)
    best = 0.0
    for _ in range(8):
        clock = Clock(device)
        one @ one
        best = max(best, 2 * side**3 / clock.read()[1])
    return best


def _attention(query: tuple[int, ...], key: tuple[int, ...], value: tuple[int, ...], *_: object, **__: object) -> int:
    """Of attention on the CPU, which torch does not count: two products."""
    return sdpa_flop_count(query, key, value)


def _attention_backward(grad: tuple[int, ...], query: tuple[int, ...], key: tuple[int, ...], value: tuple[int, ...],
                        *_: object, **__: object) -> int:  # fmt: skip
    """Of its gradient: torch's own formula."""
    return sdpa_backward_flop_count(grad, query, key, value)


_UNCOUNTED = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


def operations(work: Callable[[], object]) -> int:
    """The floating-point operations of something, while it runs once."""
    with FlopCounterMode(display=False, custom_mapping=_UNCOUNTED) as counted:
        work()
    return counted.get_total_flops()


@dataclass(frozen=True)
class Rate:
    """How often per second, what part of the device's matrix rate that is, and the memory held."""

    per_second: float
    share: float
    held: int


def adapting(backbone: backbones.Backbone, given: argparse.Namespace, batch: int, side: int, rate: float) -> Rate:
    """Updates of a LoRA: one to warm up, whose operations are counted, then as many as were asked for."""
    shots = bench.digits(max(2, batch), side)
    mean, deviation = backbone.moments(pixels.to_tensor([picture for picture, _ in shots]))
    views, prompts = tuple((row,) for row in range(len(shots))), tuple(f"a photo of a {label}" for _, label in shots)
    recipe = lora.Recipe(steps=10_000, batch_size=batch)
    held = Held(backbone.device)
    with tempfile.TemporaryDirectory() as folder, held.measured():
        training = lora.Training(
            backbone,
            lora.Photos(mean, deviation, views, prompts),
            recipe,
            Path(folder),
            given.at_once,
            given.checkpointing,
        )
        ticks = training.run(10_000)
        flops = operations(lambda: next(ticks))
        seconds = []
        for _ in range(given.steps):
            clock = Clock(backbone.device)
            next(ticks)
            seconds.append(clock.read())
        training.save = lambda: None  # nobody goes on with this one
        ticks.close()
        training.close()
    each, work = (statistics.median(column) for column in zip(*seconds, strict=True))
    return Rate(1 / each, flops / work / rate, held.most)


def sampling(backbone: backbones.Backbone, given: argparse.Namespace, batch: int, side: int, rate: float) -> Rate:
    """Pictures of one batch. The operations of a solver step are the difference of two steps and one."""
    requests = [diffusion.Request(f"a photo of {number}", "", number) for number in range(batch)]

    def drawn(steps: int) -> Callable[[], object]:
        settings = diffusion.Settings(inference_steps=steps, resolution=side)
        return lambda: diffusion.sample(backbone, requests, settings)

    one, two = (operations(drawn(steps)) for steps in (1, 2))
    flops = one + (given.inference_steps - 1) * (two - one)
    held = Held(backbone.device)
    with held.measured():
        clock = Clock(backbone.device)
        drawn(given.inference_steps)()
        seconds, work = clock.read()
    return Rate(batch / seconds, flops / work / rate, held.most)


def measured(given: argparse.Namespace, folder: Path) -> list[str]:
    """The cells of one row."""
    device = devices.pick(given.device)
    devices.use_threads(given.threads)
    dtype = getattr(torch, given.precision) if given.precision else backbones.training_dtype(device)
    count = architectures.write(folder, given.family, given.size)
    clock = Clock(device)
    backbone = backbones.load(folder, device, dtype)
    backbone.slicing = given.slicing
    loading = clock.read()[0]
    side = given.resolution or backbone.resolution
    batch = given.batch or (8 if device.type == "cuda" else 2)
    rate = matmul_rate(device, dtype if given.precision else backbones.working_dtype(device))
    made = adapting(backbone, given, batch, side, rate)
    if not given.precision and backbones.working_dtype(device) is not dtype:  # as the Steps load it
        del backbone
        backbone = backbones.load(folder, device)
    seen = sampling(backbone, given, batch, side, rate)
    return [
        datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"), f"{named(device)}, {rate / 1e12:.3g} TFLOP/s",
        given.family, given.size, f"{count / 1e6:.0f} M", str(side), str(dtype).removeprefix("torch."), str(batch),
        f"{made.per_second:.3g}", f"{made.share:.0%}", memory(made.held), f"{seen.per_second:.3g}",
        str(given.inference_steps), f"{seen.share:.0%}", memory(seen.held), f"{loading:.1f} s",
        "`" + " ".join(["rehearsal.py", *sys.argv[1:]]) + "`",
    ]  # fmt: skip


def named(device: torch.device) -> str:
    """What did the work, as people call it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{bench.processor() or platform.machine()}, {torch.get_num_threads()} thread(s)"


def memory(held: int) -> str:
    """Bytes as people read them."""
    return f"{held / 1e9:.2f} GB"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    asked.add_argument("--family", choices=list(architectures.FAMILIES), required=True)
    asked.add_argument("--size", choices=["full", "small"], default="small")
    asked.add_argument("--device", default="auto")
    asked.add_argument("--threads", type=int, default=0, help="torch threads, 0 for half the cores, as a worker takes")
    asked.add_argument("--steps", type=int, default=10, help="updates that are timed")
    asked.add_argument("--inference-steps", type=int, default=20)
    asked.add_argument("--batch", type=int, default=0, help="0: 8 on CUDA, else 2")
    asked.add_argument("--at-once", type=int, default=0, help="images in a pass of an update, 0 for the whole batch")
    asked.add_argument("--precision", choices=["float32", "bfloat16", "float16"], help="else as the Steps choose")
    asked.add_argument("--checkpointing", choices=["auto", "on", "off"], default="auto")
    asked.add_argument("--slicing", action="store_true", help="encode and decode one image at a time")
    asked.add_argument("--resolution", type=int, default=0, help="0 for the model's own")
    asked.add_argument("--folder", type=Path, help="an empty place for the model folder; else a temporary one")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as made:
        row = measured(given, given.folder or Path(made) / f"{given.family}-{given.size}")
    if not RESULTS.exists():
        RESULTS.write_text(HEAD, encoding="utf-8")
    with RESULTS.open("a", encoding="utf-8") as out:
        out.write(f"| {' | '.join(row)} |\n")
    print("\n".join(f"{name:13s} {cell}" for name, cell in zip(COLUMNS, row, strict=True)))


if __name__ == "__main__":
    main()
