"""Kill workers and owners with SIGKILL at random moments; afterwards everything must equal an unbroken run.

    python tests/benchmarks/kill.py --kills 20

One adapter is trained and one set of images is sampled without interruption. The same two Steps are then done in
another project while this script kills the worker, the owner, or both, at random moments, and starts a new owner each
time. At the end: same weights, same images, none lost, none twice. Prints what was killed when; exits 1 on any
difference.
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from synthstudio.events import Made, Started
from synthstudio.jobs import Studio
from synthstudio.jobs.asking.asked import Asked, prepare
from synthstudio.jobs.running.log import EventLog
from synthstudio.resources import Resources
from synthstudio.step import Step, build, from_json

RESOURCES = Resources(checkpoint_every=10)


def own(home: Path, project: str, step: Step) -> None:
    """Be an owner until the step is done, resuming whatever was lost."""
    with Studio(home, project) as studio:
        while True:
            run_id, _ = studio.submit(step, RESOURCES)
            ended = studio.wait(run_id, poll_seconds=0.05)
            if ended.state == "done":
                return
            if ended.state == "failed":
                raise SystemExit(ended.error)


def carry_out(home: Path, project: str, step: Step) -> tuple[str, dict[str, object]]:
    """Do a step in this process; its run and outputs."""
    own(home, project, step)
    with Studio(home, project) as studio:
        run_id, reused = studio.submit(step, RESOURCES)
        assert reused
        return run_id, studio.catalog.runs.outputs(run_id)


def torment(home: Path, project: str, step: Step, kills: int, chance: random.Random) -> list[str]:
    """Kill at random moments until the quota is used up or the work is done; what was killed, as sentences."""
    said = []
    while len(said) < kills:
        owner = subprocess.Popen([sys.executable, __file__, "--own", str(home), project, step.to_json()])
        worker = wait_for_worker(home, project, step, owner)
        if worker is None:
            break
        time.sleep(chance.uniform(0.05, 1.5))
        victim = chance.choice(("worker", "owner", "both"))
        if victim != "owner":
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        if victim != "worker":
            owner.kill()
        else:
            time.sleep(0.3)  # time to notice, then the owner dies too, so that each round begins alike
            owner.kill()
        owner.wait()
        said.append(f"{step.kind}: killed {victim}")
    return said


def wait_for_worker(home: Path, project: str, step: Step, owner: "subprocess.Popen[bytes]") -> int | None:
    """The process id of the step's live worker, once it has begun to work; None if the owner has finished."""
    runs = home / "projects" / project / "runs"
    while owner.poll() is None:
        for folder in runs.glob("*"):
            request = folder / "request.json"
            if not request.exists() or step.id != from_json(request_step(request)).id:
                continue
            lines, _ = EventLog(folder).read()
            started = [event for _, event in lines if isinstance(event, Started)]
            if started and alive(started[-1].pid):
                return started[-1].pid
        time.sleep(0.02)
    return None


def request_step(path: Path) -> str:
    """The step inside a request file."""
    from synthstudio.jobs.running.run_folder import Request

    return Request.model_validate_json(path.read_bytes()).step


def alive(pid: int) -> bool:
    """Whether a process runs and is no zombie."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def rows(home: Path, project: str, run_id: str) -> list[tuple[int, str]]:
    """(plan index, digest) of every image of a run, as the catalog has them."""
    with Studio(home, project) as studio:
        return [(row["plan_index"], row["digest"]) for row in studio.catalog.images.made_by(run_id, limit=1_000_000)]


def repeated(home: Path, project: str, run_id: str) -> int:
    """Images that were made more than once because their chunk was killed."""
    lines, _ = EventLog(home / "projects" / project / "runs" / run_id).read(limit=1 << 30)
    indices = [event.index for _, event in lines if isinstance(event, Made)]
    return len(indices) - len(set(indices))


def compare(home: Path, step: Step, kills: int, chance: random.Random) -> tuple[dict[str, object], int]:
    """Do a step unbroken and tormented; its outputs and the number of differences."""
    began = time.monotonic()
    whole_run, whole = carry_out(home, "unbroken", step)
    unbroken_seconds = time.monotonic() - began
    said = torment(home, "broken", step, kills, chance)
    broken_run, broken = carry_out(home, "broken", step)
    same = whole == broken and rows(home, "unbroken", whole_run) == rows(home, "broken", broken_run)
    victims = {who: sum(line.endswith(who) for line in said) for who in ("worker", "owner", "both")}
    sys.stdout.write(
        f"{step.kind}: {len(said)} kills {victims}; unbroken {unbroken_seconds:.0f} s; "
        f"{len(rows(home, 'broken', broken_run))} images, {repeated(home, 'broken', broken_run)} made again; "
        f"outputs and digests {'EQUAL' if same else 'DIFFERENT'}\n"
    )
    return whole, 0 if same and len(said) >= kills else 1


def main() -> None:
    """Run both comparisons."""
    if sys.argv[1:2] == ["--own"]:
        own(Path(sys.argv[2]), sys.argv[3], from_json(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--training-steps", type=int, default=600)
    parser.add_argument("--images-per-class", type=int, default=40)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    home = Path(tempfile.mkdtemp(prefix="synthstudio-kill-"))
    for project in ("unbroken", "broken"):
        with Studio(home, project) as studio:
            request = prepare(studio.workspace, Asked(data="digits"))
    pool = None
    for project in ("unbroken", "broken"):
        pool = carry_out(home, project, build("collect.import_images", {"source": request["source"]}))[1]["images"]
        split = carry_out(home, project, build("collect.split", {"images": pool, "shots": 4}))[1]
    training = {"training_steps": asked.training_steps, "batch_size": 8, "warmup_steps": 10}
    adapt = build("adapt.lora", {"backbone": request["backbone"], "images": split["shots"], **training})
    adapter, wrong = compare(home, adapt, asked.kills, chance)
    sampling = {"images_per_class": asked.images_per_class, "inference_steps": 20, "labels": split["labels"]}
    sample = build("sample.text", {"backbone": request["backbone"], "adapter": adapter["adapter"], **sampling})
    _, wrong_images = compare(home, sample, asked.kills, chance)
    sys.exit(1 if wrong + wrong_images else 0)


if __name__ == "__main__":
    main()
