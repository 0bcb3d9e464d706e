"""Beyond one machine: does a second worker help, and how many workers can one owner follow?

    python tests/benchmarks/cluster.py recipe                # one recipe with 3 folds, one against two one-core workers
    python tests/benchmarks/cluster.py intake --chunks 40    # the owner's side alone: what it can take in

`recipe` starts a Ray cluster of one and then one of two workers on this machine, each worker with one CPU, carries the
same recipe out in a new project on each, and prints the seconds, the ratio, and whether both made the same images.
`intake` feeds the courier what workers would send, 64 images a chunk, and lets the owner index it.
"""

import argparse
import contextlib
import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from synthstudio.artifacts import Image, digest_of
from synthstudio.events import Finished, Made, Output
from synthstudio.jobs import Studio
from synthstudio.jobs.asking.asked import Asked, prepare
from synthstudio.jobs.asking.recipes import load_recipe
from synthstudio.jobs.cluster import local
from synthstudio.jobs.cluster.intake import Intake
from synthstudio.jobs.cluster.node import Batch
from synthstudio.jobs.running.log import EventLog
from synthstudio.jobs.running.worker import Attempt
from synthstudio.resources import Resources
from synthstudio.steps.sample.text import Text
from tests.steps.kit import png

CHUNK = 64


@contextlib.contextmanager
def workers(count: int) -> Iterator[None]:
    """A cluster of so many workers with one CPU each, named by the environment."""
    with tempfile.TemporaryDirectory(prefix="cluster") as folder:
        file = Path(folder) / "cluster.json"
        local.start(file, cpus=count)
        while not local.running(file):
            time.sleep(0.2)
        os.environ.update(local.way_in(file), SYNTHSTUDIO_CLUSTER=local.running(file))
        try:
            with local.in_use(file):  # couriers that are told an address do not say that they use it
                yield
        finally:
            os.kill(json.loads(file.read_bytes())["pid"], signal.SIGTERM)
            time.sleep(3)


def recipe(folds: int, shots: int, settings: list[str]) -> tuple[float, set[str], int]:
    """Seconds of the recipe in a new project, the images it made, and how many runs it took."""
    with tempfile.TemporaryDirectory() as home, Studio(Path(home)) as studio:
        loaded = load_recipe("datadream", Path(home))
        resources = Resources(device="cpu", threads=1)
        asked = Asked(data="digits", shots=shots, folds=folds, preset="quick", settings=settings, resources=resources)
        request = prepare(studio.workspace, asked)
        began = time.monotonic()
        pipeline = studio.start(loaded.name, request, loaded.nodes(request))
        while (found := studio.catalog.pipelines.get(pipeline)).state == "running":
            studio.tick()
            time.sleep(0.1)
        seconds = time.monotonic() - began
        runs = studio.catalog.runs.of_pipeline(pipeline).values()
        assert found.state == "done", [(run.kind, run.state, run.error) for run in runs if run.state != "done"]
        images = {row["digest"] for run in runs for row in studio.catalog.images.made_by(run.id)}
        return seconds, images, len(runs)


def compare(folds: int, shots: int, settings: list[str]) -> None:
    """One worker against two, both in this run; a small run before them loads what every run needs."""
    with workers(1):
        recipe(1, 1, ["adapter.training_steps=2", "sample.images_per_class=1", "sample.inference_steps=2"])
        one, first, runs = recipe(folds, shots, settings)
    with workers(2):
        two, second, _ = recipe(folds, shots, settings)
    print(f"load of the machine: {os.getloadavg()[0]:.1f}; {runs} runs, {folds} folds, {' '.join(settings)}")
    print(f"one worker {one:.0f} s, two workers {two:.0f} s: {one / two:.2f} times as fast")
    print(f"the same {len(first)} images" if first == second else "OTHER IMAGES")


def intake(chunks: int, side: int) -> None:
    """Chunks a second through the courier (digests, blobs on disk, log) and into the catalog."""
    with tempfile.TemporaryDirectory() as home, Studio(Path(home)) as studio:
        step = Text(backbone=f"pico@{'a' * 64}", labels=("a",), images_per_class=chunks * CHUNK)
        studio.launcher = _Nobody()
        run_id, _ = studio.submit(step)
        folder = studio.workspace.run_folder(run_id)
        batches = [_batch(start, side) for start in range(0, chunks * CHUNK, CHUNK)]
        size = sum(len(data) for batch in batches for data in batch.blobs.values())
        taking = Intake(Attempt(folder), step.rows, "simulated", {})
        began = time.monotonic()
        for batch in batches:
            taking.take(batch)
        courier = time.monotonic() - began
        taking.attempt.events.append(Output(name="count", value=step.rows))
        taking.attempt.events.append(Finished())
        lines = EventLog(folder).size()
        studio.catalog.runs.launched(run_id, "cluster:1", 2**22 + 1, 1.0, asked=0.0)
        began = time.monotonic()
        studio.tick()
        owner = time.monotonic() - began
        assert studio.catalog.images.count(run_id) == step.rows
        print(
            f"| {side} px | {size / chunks / 2**20:.2f} MB | {chunks / courier:.1f} | {chunks * CHUNK / courier:,.0f} "
            f"| {chunks / owner:.1f} | {chunks * CHUNK / owner:,.0f} | {lines / chunks / 1024:.0f} kB |"
        )


def _batch(start: int, side: int) -> Batch:
    """What a worker sends of one chunk: noise, which no PNG makes smaller."""
    draw = np.random.default_rng(start)
    blobs, lines = {}, []
    for index in range(start, start + CHUNK):
        data = png(draw.integers(0, 256, (side, side, 3)))
        blobs[digest_of(data)] = data
        made = {"prompt": "a photo of a digit", "seed": index, "guidance_scale": 2.0, "backbone": f"pico@{'a' * 64}"}
        image = Image(digest_of(data), "a", "synthetic", side, side, made)
        lines.append(json.dumps({"t": time.time(), **Made(index=index, image=image).model_dump(mode="json")}).encode())
    return Batch([line + b"\n" for line in lines], blobs, {}, {}, "", 0, over=False, why="", memory_mb=0.0)


class _Nobody:
    """No worker is started; the log is written here."""

    def launch(self, folder: Path, computes: bool) -> None:
        return None

    def alive(self, pid: int, started: float) -> bool:
        return True


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["recipe", "intake"])
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--shots", type=int, default=4)
    parser.add_argument("--set", nargs="*", default=[], help="settings of the recipe, beside its preset `quick`")
    parser.add_argument("--chunks", type=int, default=40)
    asked = parser.parse_args()
    if asked.what == "recipe":
        compare(asked.folds, asked.shots, asked.set)
        return
    print(f"load of the machine: {os.getloadavg()[0]:.1f}; {CHUNK} images a chunk\n")
    print("| pictures | a chunk | courier: chunks/s | images/s | owner: chunks/s | images/s | log a chunk |")
    print("|---|---|---|---|---|---|---|")
    for side in (64, 512):
        intake(asked.chunks, side)


if __name__ == "__main__":
    main()
