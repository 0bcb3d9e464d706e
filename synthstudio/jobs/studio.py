"""The owner of a project: submits Steps, launches workers, ingests what they say, moves pipelines on.

Only `tick()` changes anything by itself. It is short, never waits for a worker, and may be called by a page's timer
or a command's loop; killing its process at any moment loses nothing, and the next owner carries on.
"""

import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from synthstudio.artifacts import ImageSet
from synthstudio.catalog import Catalog
from synthstudio.catalog.pipelines import Node
from synthstudio.catalog.runs import ACTIVE, RESUMABLE, Run
from synthstudio.errors import BadInput, CatalogBusy, CatalogDamaged, StorageFull, StudioError
from synthstudio.events import Event, Finished
from synthstudio.jobs import listeners
from synthstudio.jobs.asking import leaks, pipeline
from synthstudio.jobs.cluster.launcher import default_launcher, places
from synthstudio.jobs.keeping import adopting, freeing, remaking
from synthstudio.jobs.keeping.wholeness import Wholeness, why_not
from synthstudio.jobs.running.endings import Endings
from synthstudio.jobs.running.launchers import Launcher
from synthstudio.jobs.running.log import EventLog
from synthstudio.jobs.running.run_folder import HEARTBEAT, STOP, Holder, Request
from synthstudio.quantities import many
from synthstudio.resources import Resources
from synthstudio.step import STEPS, Step, from_json
from synthstudio.steps import load_extensions
from synthstudio.workspace import Workspace, make_folder, storage_errors

log = logging.getLogger("synthstudio")

_SET_ROLES = ("set", "test", "pool")
_SILENCE_SECONDS = 300.0


class Studio:
    """One open project. Use it as a context manager: leaving closes the catalog, not the workers."""

    def __init__(
        self, home: Path, project: str = "default", launcher: Launcher | None = None, rebuild: bool = False,
        log: str | Iterable[str] | None = None,
    ) -> None:  # fmt: skip
        """Open the project; `rebuild` makes its catalog again from the journal and the run logs first. `log`: where the
        numbers of runs go too, see `jobs/listeners`.
        """
        load_extensions()
        self.workspace = Workspace.open(home, project)
        heard_by = listeners.load(log, self.workspace)  # refused before anything is held
        self.catalog = Catalog(self.workspace.catalog, self._read_log, rebuild)
        self.listeners = listeners.Listeners(heard_by, self.workspace, self.catalog)
        adopting.adopt(self.workspace, self.catalog)
        self.launcher = launcher or default_launcher()
        self.wholeness = Wholeness(self.workspace)
        self.endings = Endings()
        self._seen = -1  # the catalog's commit count when pipelines were last looked at
        self._listed: tuple[int, list[Run], list[Run]] = (-1, [], [])  # commit count, active runs, queued runs
        freeing.finish(self)

    def __enter__(self) -> "Studio":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the catalog; running workers go on."""
        self.catalog.close()

    # ---- asking

    def admit(self, kinds: Iterable[str], images: int = 0) -> None:
        """Refuse one more recipe or run of these kinds, before anything is written for it. At home there is room."""

    def admit_again(self, kinds: Iterable[str]) -> None:
        """Refuse to carry runs of these kinds out again, though a Step needs what they made. At home there is room."""

    def admit_models(self, steps: Iterable[Step]) -> None:
        """Refuse Steps that fetch models, where that is not everybody's to ask. At home it is."""

    def submit(self, step: Step, resources: Resources | None = None) -> tuple[str, bool]:
        """The run of a Step and whether it was reused. Equal Steps are done once: a finished run is reused, a waiting
        or running one is joined, a stopped, lost or failed one is resumed, and so is a finished one whose outputs are
        not all there any more: with these resources, if some are given. What the Step is given and was thrown away is
        made again first.

        Raises Leak if the step could learn from a test image, BadInput if what it is given cannot be made again.
        """
        leaks.refuse(self.catalog.images, step)
        known = self.catalog.runs.of_step(step.id)
        for run in known:
            if run.state == "done" and self.complete(run.id):
                return run.id, True
        for run in known[:1]:
            if run.state not in ("queued", *ACTIVE):
                self.make_again(run.id, resources)
            return run.id, False
        self._bring_back(step)
        run_id = time.strftime("%m%d-%H%M%S-") + uuid.uuid4().hex[:8]
        chosen = resources or Resources()
        folder = self.workspace.run_folder(run_id)
        with storage_errors(folder):
            make_folder(folder)
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

    def reorder(self, run_ids: Sequence[str]) -> None:
        """Start waiting runs in this order, from the next free device on; the others that wait come after them."""
        self.catalog.runs.reorder(run_ids)

    def resume(self, run_id: str, resources: Resources | None = None) -> str:
        """Queue a stopped, failed or lost run again, or a done one with parts missing; returns the full run id.

        With other resources, if some are given: the pipelines that wait for it go on with them too.
        """
        run = self.catalog.runs.get(run_id)
        if run.state not in RESUMABLE and not (run.state == "done" and not self.complete(run.id)):
            raise BadInput(
                f"Run {run.id} is {run.state}; only a stopped, failed or lost run can be resumed, or a done one whose "
                "outputs are not all there."
            )
        return self.make_again(run.id, resources)

    def make_again(self, run_id: str, resources: Resources | None = None) -> str:
        """Queue an ended run, with the pipelines that wait for it; returns the full run id. It makes what is not there.

        BadInput, and nothing changes, where a finished run would fail because what it was made from is gone.
        """
        run = self.catalog.runs.get(run_id)
        step = from_json(self.catalog.runs.step_body(run.step_id))
        reason = why_not(self.workspace, step)
        if run.state == "done" and reason:
            raise BadInput(reason)
        self._bring_back(step)
        waiting = [
            one for one in self.catalog.pipelines.holding(run.id) if self.catalog.pipelines.get(one).state != "done"
        ]
        if resources is not None and resources != run.resources:
            self._carry_out_with(run, step, resources)
            for pipeline_id in waiting:
                self.catalog.pipelines.carry_out_with(pipeline_id, resources)
        self._queue_again(run)
        for pipeline_id in waiting:
            self.catalog.pipelines.set_state(pipeline_id, "running")
        return run.id

    def _carry_out_with(self, run: Run, step: Step, resources: Resources) -> None:
        """All that makes a result stays, so it stays the same run."""
        folder = self.workspace.run_folder(run.id)
        Request(run_id=run.id, step=step.to_json(), workspace=self.workspace.root, resources=resources).write(folder)
        self.catalog.runs.carry_out_with(run.id, resources)
        if run.resources.device != resources.device:
            self.catalog.runs.say(
                run.id,
                f"Asked for with device {run.resources.device}, it goes on with {resources.device}: the last bits of"
                " its numbers may differ from a run on one device.",
            )

    def bring_back(self, artifacts: Iterable[str]) -> list[str]:
        """Make again what of these was thrown away, and what that needs; returns the ids of the runs.

        BadInput, and nothing changes, where something cannot be made again.
        """
        runs = remaking.runs_for(self, artifacts) if self.catalog.freed.any() else []
        if runs:
            self.admit_again([run.kind for run in runs])
        for run in runs:
            self._queue_again(run)
        return [run.id for run in runs]

    def _bring_back(self, step: Step) -> None:
        self.bring_back(remaking.named_in(step))

    def _queue_again(self, run: Run) -> None:
        (self.workspace.run_folder(run.id) / STOP).unlink(missing_ok=True)
        self.catalog.runs.set_state(run.id, "queued")
        self.wholeness.forget(run.id)

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
        """Read what workers said, notice the dead, move pipelines on, launch what can start.

        Raises CatalogDamaged once anybody has met a damaged block: close the project and open it again.
        """
        if self.catalog.database.damaged is not None:
            raise self.catalog.database.damaged
        self.listeners.catch_up()
        for run in self.active():
            with self._apart(run.id, partial(self._give_up, run)):
                self._follow(run)
        if self._seen != self.catalog.database.commits:
            self._seen = self.catalog.database.commits
            for one in self.catalog.pipelines.running():
                with self._apart(one.id, partial(self.catalog.pipelines.set_state, one.id, "failed")):
                    pipeline.advance(self, one)
        self._launch()

    @contextlib.contextmanager
    def _apart(self, name: str, give_up: Callable[[str], None]) -> Iterator[None]:
        """What goes wrong with one run or pipeline ends it alone, with the reason. A full disk is nobody's fault, and a
        catalog that is damaged or closed is everybody's.
        """
        try:
            yield
        except StorageFull:
            self._seen = -1
            log.exception("%s has to wait until the disk has room", name)
        except (CatalogDamaged, CatalogBusy):
            raise
        except Exception as error:
            log.exception("%s cannot go on", name)
            said = str(error) if isinstance(error, StudioError) else f"{type(error).__name__}: {error}"
            give_up(f"It cannot go on: {said}. Put that right and resume; what was finished is kept.")

    def _give_up(self, run: Run, why: str) -> None:
        with contextlib.suppress(StudioError, OSError):
            ask_to_stop(self.workspace, run.id)  # a worker that still works would hold the device
        self.catalog.runs.set_state(run.id, "failed", why)

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
        """Whether every output of a run, and all it is made of (images, weights), is still in the workspace."""
        outputs = self.catalog.runs.outputs(run_id)
        return bool(outputs) and not self.wholeness.absent(outputs)

    def _follow(self, run: Run) -> None:
        # Liveness is asked before the last read, so that nothing a dying worker said is missed.
        alive = run.pid is not None and self.launcher.alive(run.pid, run.pid_started or 0.0)
        events = EventLog(self.workspace.run_folder(run.id))
        written = events.size()  # what comes while we read waits for the next tick, or a busy worker would hold us here
        offset, finished = run.read_to, False
        if offset != written and not events.ends_line(offset):
            log.warning("the log of %s is not the one that was read; reading it again", run.id)
            self.catalog.ingest.again(run.id)
            offset = 0
        while offset < written:
            lines, after = events.read(offset)
            if not lines:
                break
            self.listeners.hear(run, offset, lines, after)
            self.catalog.ingest(run.id, lines, after)
            finished = finished or any(isinstance(event, Finished) for _, event in lines)
            offset = after
        if offset != run.read_to:
            run = self.catalog.runs.get(run.id)
        if run.state not in ACTIVE:
            return
        if finished or run.finished is not None:
            self._conclude(run)
        elif not alive and (holder := self._living_holder(run)):
            self.catalog.runs.held_by(run.id, *holder)
        elif (why := self.endings.why(self.workspace.run_folder(run.id), run.pid or 0, alive)) is not None:
            self.catalog.runs.set_state(run.id, "lost", why)
        elif alive and self._silent(run):
            psutil.Process(run.pid).kill()
            self.catalog.runs.set_state(
                run.id, "lost", "The worker gave no sign of life for five minutes and was ended. Resume the run."
            )

    def _living_holder(self, run: Run) -> tuple[int, float] | None:
        """A worker that an owner started and did not live to write down; a second one ended at its lock."""
        said = Holder.read(self.workspace.run_folder(run.id))
        return (said.pid, said.started) if said and self.launcher.alive(said.pid, said.started) else None

    def _silent(self, run: Run) -> bool:
        beat = self.workspace.run_folder(run.id) / HEARTBEAT
        return beat.exists() and time.time() - beat.stat().st_mtime > _SILENCE_SECONDS

    def _conclude(self, run: Run) -> None:
        outputs = self.catalog.runs.outputs(run.id)
        missing = self.wholeness.absent(outputs)
        if not outputs or missing:
            lost = "is missing" if len(missing) == 1 else "are missing"
            what = f"{many(len(missing), 'file')} of its outputs {lost}" if outputs else "it said no output"
            self.catalog.runs.set_state(run.id, "failed", f"The run ended but {what}. Resume it to make them again.")
            return
        for image_set in self._sets(outputs):
            self.catalog.images.add_set(image_set, run.id)
        if self.catalog.freed.any():
            self.catalog.freed.back(remaking.came_back(self, run.id))
        self.catalog.runs.set_state(run.id, "done")

    def _sets(self, outputs: dict[str, Any]) -> Iterator[ImageSet]:
        for value in outputs.values():
            if isinstance(value, str) and value.partition(":")[0] in _SET_ROLES and len(value) > 60:
                yield self.workspace.image_set(value)

    def _launch(self) -> None:
        active, queued = self._runs()
        busy = {run.device for run in active}
        remade = bool(queued) and self.catalog.freed.any()
        for run in queued:
            with self._apart(run.id, partial(self.catalog.runs.set_state, run.id, "failed")):
                device = self._free_device(run, busy)
                if device in busy or (remade and remaking.waits(self, run)):
                    continue
                if self._launched(run, device):
                    busy.add(device)

    def _free_device(self, run: Run, busy: set[str]) -> str:
        """The slot that a run would take; one that is busy where none is free."""
        slots = places(self.launcher, STEPS[run.kind], self.workspace.home)
        return next((slot for slot in slots if slot not in busy), slots[0] if slots else device_of(run))

    def _launched(self, run: Run, device: str) -> bool:
        folder = self.workspace.run_folder(run.id)
        (folder / STOP).unlink(missing_ok=True)
        asked = time.time()
        try:
            process = self.launcher.launch(folder, STEPS[run.kind].computes)
        except (OSError, StudioError) as error:
            self.catalog.runs.set_state(run.id, "failed", f"The worker could not be started: {error}")
            return False
        if process is not None:
            self.catalog.runs.launched(run.id, device, *process, asked=asked)
        return process is not None

    def _read_log(self, run_id: str, offset: int, limit: int) -> tuple[Sequence[tuple[float, Event]], int]:
        return EventLog(self.workspace.run_folder(run_id)).read(offset, limit)


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
