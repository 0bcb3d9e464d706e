"""The owner of a project: submits Steps, launches workers, ingests what they say, moves pipelines on.

Only `tick()` changes anything by itself. It is short, never waits for a worker, and may be called by a page's timer
or a command's loop; killing its process at any moment loses nothing, and the next owner carries on.
"""

import logging
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from synthstudio.artifacts import ImageSet, split_id
from synthstudio.catalog import Catalog
from synthstudio.catalog.pipelines import Node
from synthstudio.catalog.runs import ACTIVE, RESUMABLE, Run
from synthstudio.errors import BadInput, Leak, StudioError
from synthstudio.events import Finished
from synthstudio.jobs import pipeline
from synthstudio.jobs.launchers import Launcher, default_launcher
from synthstudio.jobs.log import EventLog
from synthstudio.jobs.request import HEARTBEAT, STOP, Request
from synthstudio.resources import Resources
from synthstudio.step import STEPS, Step
from synthstudio.workspace import Workspace, storage_errors

log = logging.getLogger("synthstudio")

_SET_ROLES = ("set", "test", "pool")
_SILENCE_SECONDS = 300.0
_MAY_NAME_TEST = ("evaluate.", "export.", "collect.")


class Studio:
    """One open project. Use it as a context manager: leaving closes the catalog, not the workers."""

    def __init__(self, home: Path, project: str = "default", launcher: Launcher | None = None) -> None:
        self.workspace = Workspace.open(home, project)
        self.catalog = Catalog(self.workspace.catalog)
        self.launcher = launcher or default_launcher()
        self._seen = -1  # the catalog's commit count when pipelines were last looked at
        self._listed: tuple[int, list[Run], list[Run]] = (-1, [], [])  # commit count, active runs, queued runs

    def __enter__(self) -> "Studio":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the catalog; running workers go on."""
        self.catalog.close()

    # ---- asking

    def submit(self, step: Step, resources: Resources | None = None) -> tuple[str, bool]:
        """The run of a Step and whether it was reused. Equal Steps are done once: a finished run is reused, a waiting
        or running one is joined, a stopped, lost or failed one is resumed.

        Raises Leak if the step could learn from a test image.
        """
        self._refuse_leak(step)
        for run in self.catalog.runs.of_step(step.id):
            if run.state == "done" and self.complete(run.id):
                return run.id, True
            if run.state in ("queued", *ACTIVE):
                return run.id, False
            if run.state in RESUMABLE:
                self.resume(run.id)
                return run.id, False
        run_id = time.strftime("%m%d-%H%M%S-") + uuid.uuid4().hex[:8]
        chosen = resources or Resources()
        folder = self.workspace.run_folder(run_id)
        with storage_errors(folder):
            folder.mkdir(parents=True)
        Request(run_id=run_id, step=step.to_json(), workspace=self.workspace.root, resources=chosen).write(folder)
        self.catalog.runs.add(run_id, step, chosen)
        return run_id, False

    def stop(self, run_id: str) -> None:
        """Ask a run to stop where it can be resumed."""
        run = self.catalog.runs.get(run_id)
        if run.state == "queued":
            self.catalog.runs.set_state(run.id, "stopped")
        elif run.state in ACTIVE:
            ask_to_stop(self.workspace, run.id)
            self.catalog.runs.set_state(run.id, "stopping")
        else:
            raise BadInput(f"Run {run.id} is {run.state}; only a queued or running run can be stopped.")

    def resume(self, run_id: str) -> str:
        """Queue a stopped, failed or lost run again, with the pipelines that wait for it; returns the full run id."""
        run = self.catalog.runs.get(run_id)
        if run.state not in RESUMABLE:
            raise BadInput(f"Run {run.id} is {run.state}; only a stopped, failed or lost run can be resumed.")
        (self.workspace.run_folder(run.id) / STOP).unlink(missing_ok=True)
        self.catalog.runs.set_state(run.id, "queued")
        for pipeline_id in self.catalog.pipelines.holding(run.id):
            if self.catalog.pipelines.get(pipeline_id).state != "done":
                self.catalog.pipelines.set_state(pipeline_id, "running")
        return run.id

    def start(self, recipe: str, request: dict[str, Any], nodes: list[Node]) -> str:
        """Store a pipeline; `tick()` runs it. Returns its id."""
        pipeline_id = time.strftime("p%m%d-%H%M%S-") + uuid.uuid4().hex[:8]
        self.catalog.pipelines.add(pipeline_id, recipe, request, nodes)
        return pipeline_id

    def stop_pipeline(self, pipeline_id: str) -> None:
        """Stop every unfinished run of a pipeline that no other running pipeline waits for."""
        self.catalog.pipelines.set_state(pipeline_id, "stopped")
        running = {p.id for p in self.catalog.pipelines.all() if p.state == "running"}
        for node in self.catalog.pipelines.nodes(pipeline_id):
            if node.run_id is None or running & set(self.catalog.pipelines.holding(node.run_id)):
                continue
            if self.catalog.runs.get(node.run_id).state in ("queued", *ACTIVE):
                self.stop(node.run_id)

    def resume_pipeline(self, pipeline_id: str) -> None:
        """Carry on with a stopped or failed pipeline."""
        self.catalog.pipelines.set_state(pipeline_id, "running")
        for node in self.catalog.pipelines.nodes(pipeline_id):
            if node.run_id is not None and self.catalog.runs.get(node.run_id).state in RESUMABLE:
                self.resume(node.run_id)

    # ---- the clock

    def tick(self) -> None:
        """Read what workers said, notice the dead, move pipelines on, launch what can start."""
        for run in self.active():
            self._follow(run)
        if self._seen != self.catalog.database.commits:
            self._seen = self.catalog.database.commits
            for one in self.catalog.pipelines.running():
                pipeline.advance(self, one)
        self._launch()

    def active(self) -> list[Run]:
        """Runs that work or are being stopped, oldest first; asked of the catalog only after something was written."""
        return self._runs()[0]

    def _runs(self) -> tuple[list[Run], list[Run]]:
        commits = self.catalog.database.commits  # before the question: what is written meanwhile is asked for again
        if self._listed[0] != commits:
            found = self.catalog.runs.in_state("queued", *ACTIVE)
            self._listed = (commits, [r for r in found if r.state in ACTIVE], [r for r in found if r.state == "queued"])
        return self._listed[1], self._listed[2]

    def wait(self, run_id: str, poll_seconds: float = 0.1) -> Run:
        """Tick until a run has ended one way or another."""
        while (run := self.catalog.runs.get(run_id)).state in ("queued", *ACTIVE):
            self.tick()
            time.sleep(poll_seconds)
        return run

    def complete(self, run_id: str) -> bool:
        """Whether every output of a run, and what it is made of, is still in the workspace."""
        outputs = self.catalog.runs.outputs(run_id)
        return bool(outputs) and all(self.workspace.has(digest) for digest in _digests(outputs))

    def _follow(self, run: Run) -> None:
        # Liveness is asked before the last read, so that nothing a dying worker said is missed.
        alive = run.pid is not None and self.launcher.alive(run.pid, run.pid_started or 0.0)
        events = EventLog(self.workspace.run_folder(run.id))
        offset, finished = run.read_to, False
        written = events.size()  # what comes while we read waits for the next tick, or a busy worker would hold us here
        while offset < written:
            lines, after = events.read(offset)
            if not lines:
                break
            self.catalog.ingest(run.id, lines, after)
            finished = finished or any(isinstance(event, Finished) for _, event in lines)
            offset = after
        if offset != run.read_to:
            run = self.catalog.runs.get(run.id)
        if run.state not in ACTIVE:
            return
        if finished or run.finished is not None:
            self._conclude(run)
        elif not alive:
            self.catalog.runs.set_state(
                run.id, "lost", "The worker process is gone. Resume the run to go on from its last checkpoint."
            )
        elif self._silent(run):
            psutil.Process(run.pid).kill()
            self.catalog.runs.set_state(
                run.id, "lost", "The worker gave no sign of life for five minutes and was ended. Resume the run."
            )

    def _silent(self, run: Run) -> bool:
        beat = self.workspace.run_folder(run.id) / HEARTBEAT
        return beat.exists() and time.time() - beat.stat().st_mtime > _SILENCE_SECONDS

    def _conclude(self, run: Run) -> None:
        outputs = self.catalog.runs.outputs(run.id)
        missing = [digest for digest in _digests(outputs) if not self.workspace.has(digest)]
        if not outputs or missing:
            what = f"{len(missing)} of its outputs are missing" if outputs else "it said no output"
            self.catalog.runs.set_state(run.id, "failed", f"The run ended but {what}. Resume it to make them again.")
            return
        for image_set in self._sets(outputs):
            self.catalog.images.add_set(image_set, run.id)
        self.catalog.runs.set_state(run.id, "done")

    def _sets(self, outputs: dict[str, Any]) -> Iterator[ImageSet]:
        for value in outputs.values():
            if isinstance(value, str) and value.partition(":")[0] in _SET_ROLES and len(value) > 60:
                yield self.workspace.image_set(value)

    def _launch(self) -> None:
        active, queued = self._runs()
        busy = {run.device for run in active}
        for run in queued:
            device = device_of(run)
            if device in busy:
                continue
            folder = self.workspace.run_folder(run.id)
            (folder / STOP).unlink(missing_ok=True)
            try:
                process = self.launcher.launch(folder, STEPS[run.kind].computes)
            except (OSError, StudioError) as error:
                self.catalog.runs.set_state(run.id, "failed", f"The worker could not be started: {error}")
                continue
            if process is not None:
                self.catalog.runs.launched(run.id, device, *process)
                busy.add(device)

    def _refuse_leak(self, step: Step) -> None:
        if step.kind.startswith(_MAY_NAME_TEST):
            return
        named = [value for value in _strings(step.fields) if value.startswith("set:")]
        leaks = self.catalog.images.test_images_in(named)
        if leaks:
            raise Leak(
                f"{step.kind} was given {len(leaks)} images that are in a test set of this project "
                f"(the first: {leaks[0][1][:12]}). Test images stay untouched: keep one split per project, "
                "or start a new project with --project."
            )


def ask_to_stop(workspace: Workspace, run_id: str) -> None:
    """Leave the stop file for a worker; needs no catalog, so any process may ask."""
    folder = workspace.run_folder(run_id)
    if not folder.is_dir():
        raise BadInput(f"There is no run {run_id} in {workspace.root}. List runs with: python -m synthstudio runs")
    with storage_errors(folder):
        (folder / STOP).touch()


def device_of(run: Run) -> str:
    """The slot a run takes: steps that only move files do not hold the device."""
    return run.resources.device if STEPS[run.kind].computes else f"files:{run.id}"


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _strings(one)


def _digests(outputs: dict[str, Any]) -> list[str]:
    """Digests of all artifact ids among the outputs."""
    return [split_id(value)[1] for value in _strings(outputs) if len(value.partition(":")[2]) == 64]
