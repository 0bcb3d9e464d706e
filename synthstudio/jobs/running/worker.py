"""One run in one process: `python -m synthstudio.jobs.running.worker RUN_FOLDER`.

It never opens the catalog. It writes blobs and appends events; everything else is the owner's.
"""

import logging
import os
import platform
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import filelock

import synthstudio
from synthstudio.artifacts import Image
from synthstudio.catalog import selection
from synthstudio.errors import StudioError
from synthstudio.events import Event, Failed, Finished, Made, Note, Progress, Started, Stopped
from synthstudio.filters import Condition
from synthstudio.intake.isolated import limit_memory
from synthstudio.jobs.running import causes, shares
from synthstudio.jobs.running.log import EventLog
from synthstudio.jobs.running.processes import same_process
from synthstudio.jobs.running.run_folder import HEARTBEAT, LOCK, STOP, Holder, Request
from synthstudio.resources import Resources
from synthstudio.step import Step, from_json
from synthstudio.steps import Share, Work, load_extensions
from synthstudio.workspace import Workspace, storage_errors

log = logging.getLogger("synthstudio")

_LOCK_SECONDS = 5.0
_HEARTBEAT_SECONDS = 2.0
_PROGRESS_SECONDS = 0.2
_PACKAGES = ("torch", "diffusers", "transformers", "peft", "open_clip_torch", "timm", "numpy", "pillow")


class WorkerWork(Work):
    """What a running Step may touch, in a worker process."""

    def __init__(self, workspace: Workspace, resources: Resources, scratch: Path, done: dict[int, Image]) -> None:
        self.workspace = workspace
        self.resources = resources
        self.scratch = scratch
        self.done = done
        self.share: Share | None = None
        self._loaded: dict[object, object] = {}

    def select(
        self,
        candidates: Iterable[tuple[str, str]],
        scores: Iterable[tuple[str, str, float]],
        filters: Iterable[Condition],
    ) -> list[tuple[str, str]]:
        """Apply filters with the catalog's own SQL, in memory."""
        return selection.select(candidates, scores, filters)

    def load(self, key: object, make: Callable[[], object]) -> object:
        """Make a model once and keep it."""
        if key not in self._loaded:
            self._loaded[key] = make()
        return self._loaded[key]


def run(folder: Path, alone: bool = False) -> int:
    """Carry out the run in `folder`; returns the exit code. Refuses quietly if another worker holds the run.

    `alone`: this process does nothing else, so it may keep the limit that the step sets on its memory.
    """
    return hold(folder, partial(_here, alone))


def hold(folder: Path, body: "Body") -> int:
    """Let `body` carry out the run in `folder`, unless another worker holds it.

    One that was stopped a moment ago still holds it while it ends, so the next one waits a little.
    """
    try:
        with filelock.FileLock(folder / LOCK, timeout=_LOCK_SECONDS):
            Holder.write(folder)
            return _attempted(Attempt(folder), body)
    except filelock.Timeout:
        log.warning("another worker holds %s", folder)
        return 3


class Attempt:
    """What an attempt at a run needs, wherever it is carried out: its request, its log, its stop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.request = Request.read(folder)
        self.workspace = Workspace(folder.absolute().parents[1])  # where the run lies now: a home may have been moved
        self.events = EventLog(folder)
        self.events.repair()
        self.earlier = [event for _, event in _all_lines(self.events)]
        self.stop = StopRequest(folder / STOP)
        self.scratch = folder / "scratch"
        self.peak_memory_mb = 0.0  # of others that worked for it
        self._began = time.monotonic()

    def cost(self) -> dict[str, Any]:
        """What it cost so far."""
        peak = max(self.peak_memory_mb, peak_memory_mb())
        return {"seconds": time.monotonic() - self._began, "peak_memory_mb": peak}

    def started(self, environment: dict[str, str]) -> None:
        """Say that the work begins, and where."""
        number = 1 + sum(isinstance(event, Started) for event in self.earlier)
        log.info("attempt %d begins in process %d", number, os.getpid())
        self.events.append(Started(attempt=number, pid=os.getpid(), environment=environment))

    def work(self) -> WorkerWork:
        """What its Step may touch, with the images that are there."""
        made = _images_made(self.earlier, self.workspace)
        return WorkerWork(self.workspace, self.request.resources, self.scratch, made)


Body = Callable[[Attempt], bool]  # carries a run out; whether it came to its end, and not to a stop


def _attempted(attempt: Attempt, body: Body) -> int:
    folder = attempt.folder
    try:
        with storage_errors(attempt.scratch):
            attempt.scratch.mkdir(exist_ok=True)
        with _beating(folder / HEARTBEAT, attempt.request.guardian):
            finished = body(attempt)
        log.info("done" if finished else "stopped: it can be resumed")
        attempt.events.append(Finished(**attempt.cost()) if finished else Stopped(**attempt.cost()))
        return 0
    except StudioError as error:
        log.exception("the run failed")
        sentence = str(error)
    except Exception as error:
        # The last line of defence of a process: whatever it is, the owner must hear of it.
        log.exception("unexpected")
        sentence = causes.sentence(error, folder, peak_memory_mb())
    attempt.events.append(Failed(error=sentence, **attempt.cost()))
    return 1


def _here(alone: bool, attempt: Attempt) -> bool:
    """Carry a run out in this process, on the device that it names."""
    request = attempt.request
    with _device(attempt.workspace, request.resources, attempt.events, attempt.stop) as ready:
        if not ready:
            return False
        load_extensions()
        step = from_json(request.step)
        if alone and step.memory_bytes is not None:
            limit_memory(step.memory_bytes)
        attempt.started(environment())
        work = attempt.work()
        if not request.shared:
            return _carry_out(step, work, attempt.events, attempt.stop)
        for work.share in shares.given(attempt.folder, attempt.stop.asked):
            if not _carry_out(step, work, attempt.events, attempt.stop):
                return False
        return not attempt.stop.asked()


def _carry_out(step: Step, work: Work, events: EventLog, stop: "StopRequest") -> bool:
    """Run the step to its end, or until a stop is asked for; returns whether it reached the end."""
    saying: Iterator[Event] = step.run(work)
    last_progress = 0.0
    try:
        for event in saying:
            if isinstance(event, Progress):
                if event.done < event.total and time.monotonic() - last_progress < _PROGRESS_SECONDS:
                    if stop.asked():
                        return False
                    continue
                last_progress = time.monotonic()
            events.append(event)
            if stop.asked():
                return False
        return True
    finally:
        close = getattr(saying, "close", None)
        if close is not None:
            close()  # a generator writes its checkpoint here


class StopRequest:
    """Stop is asked for by a file in the run's folder, or by SIGTERM or SIGINT."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._signalled = False
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._signal)
            signal.signal(signal.SIGINT, self._signal)

    def _signal(self, *_: object) -> None:
        self._signalled = True

    def asked(self) -> bool:
        """Whether somebody asked."""
        return self._signalled or self._file.exists()


class _beating:
    """Touch the heartbeat file every two seconds, from a thread, until the run ends. Whoever works for a process that
    is gone ends at once: nobody would fetch what it makes, and it holds a device.
    """

    def __init__(self, file: Path, guardian: tuple[int, float] | None) -> None:
        self._file = file
        self._guardian = guardian
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def _beat(self) -> None:
        while not self._over.is_set():
            try:
                self._file.touch()
            except OSError:
                log.exception("the heartbeat cannot be written")
            if self._guardian is not None and not same_process(*self._guardian):
                log.warning("process %d, for which this one works, is gone", self._guardian[0])
                os._exit(1)
            self._over.wait(_HEARTBEAT_SECONDS)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


class _device:
    """Hold the device while the run works: one run per device, across projects and processes."""

    def __init__(self, workspace: Workspace, resources: Resources, events: EventLog, stop: StopRequest) -> None:
        with storage_errors(workspace.locks):
            workspace.locks.mkdir(parents=True, exist_ok=True)
        name = resources.device.replace(":", "-")
        self._lock = filelock.FileLock(workspace.locks / f"device-{name}.lock")
        self._events = events
        self._stop = stop

    def __enter__(self) -> bool:
        said = False
        while not self._stop.asked():
            try:
                self._lock.acquire(timeout=0.2)
            except filelock.Timeout:
                if not said:
                    self._events.append(Note(text="Waiting: another run is using the device."))
                    said = True
                continue
            return True
        return False

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _all_lines(events: EventLog) -> Iterator[tuple[float, Event]]:
    offset = 0
    while True:
        lines, after = events.read(offset)
        yield from lines
        if after == offset:
            return
        offset = after


def _images_made(earlier: Iterable[Event], workspace: Workspace) -> dict[int, Image]:
    """By plan index. An image that is not there, or not the one it was, has to be made again."""
    made = {event.index: event.image for event in earlier if isinstance(event, Made)}
    return {index: image for index, image in made.items() if workspace.intact(image.digest)}


def environment() -> dict[str, str]:
    """Versions and hardware a result may depend on."""
    found = {"synthstudio": synthstudio.__version__, "python": platform.python_version(), "machine": platform.machine()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def peak_memory_mb() -> float:
    """The largest resident size of this process and of its children, in MiB."""
    here, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    unit = 1024 if sys.platform == "darwin" else 1  # kilobytes everywhere but on macOS
    return round(max(here, children) / unit / 1024, 1)


def main() -> None:
    """Entry point of a worker process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    sys.exit(run(Path(sys.argv[1]), alone=True))


if __name__ == "__main__":
    main()
