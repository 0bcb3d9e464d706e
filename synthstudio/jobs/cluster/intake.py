"""What workers of a cluster tell, taken into the project: nothing is stored under a digest that it does not have."""

import json
import time
from typing import Any

from pydantic import ValidationError

from synthstudio.artifacts import Image
from synthstudio.errors import StudioError
from synthstudio.events import EVENT, Event, Failed, Finished, Made, Note, Progress, Started, Stopped
from synthstudio.jobs.cluster.node import Batch
from synthstudio.jobs.cluster.parcels import may_return
from synthstudio.jobs.running.worker import Attempt
from synthstudio.workspace import file_digest, write_atomically

_PROGRESS_SECONDS = 0.2
LastWord = Finished | Stopped | Failed


class WorkerLost(StudioError):
    """A worker is gone, or what it sent cannot be used; what it was given is made again elsewhere."""


class Intake:
    """Log and blobs of one run, of which some workers tell. `rows`: of its plan, 0 if it is made in one piece."""

    def __init__(self, attempt: Attempt, rows: int, where: str, made: dict[int, Image]) -> None:
        self.attempt, self.workspace = attempt, attempt.workspace
        self.rows, self.where, self.made = rows, where, made
        self.environment: dict[str, str] = {}  # of the first worker, once it has begun
        self._said: set[str] = set()
        self._progress_at = 0.0

    def take(self, batch: Batch) -> LastWord | None:
        """Store what a worker told, blobs before the lines that name them; its last word if that is among them.

        Raises WorkerLost if something is not what it is said to be.
        """
        self._store(batch)
        peak = self.attempt.peak_memory_mb
        last: LastWord | None = None
        for line in batch.lines:
            event = _read(line)
            if isinstance(event, LastWord):
                last = event
            else:
                self._hear(event)
        of_last = last.peak_memory_mb if last else 0.0
        self.attempt.peak_memory_mb = max(peak, round(batch.memory_mb, 1), of_last)
        return last

    def note(self, text: str, level: Any = "info") -> None:
        """Say a sentence at the run, once."""
        if text not in self._said:
            self._said.add(text)
            self.attempt.events.append(Note(text=text, level=level))

    def _store(self, batch: Batch) -> None:
        for digest, data in batch.blobs.items():
            if self.workspace.put(data) != digest:
                raise WorkerLost(f"What it sent as {digest[:12]} is something else.")
        for digest, data in batch.weights.items():
            aside = self.attempt.folder / f"{digest}.part"
            write_atomically(aside, data)
            if file_digest(aside) != digest:
                aside.unlink()
                raise WorkerLost(f"What it sent as {digest[:12]} is something else.")
            self.workspace.put_weights(aside)
        for name, data in batch.files.items():
            if may_return(name, self.attempt.request.run_id):
                write_atomically(self.workspace.root / name, data)

    def _hear(self, event: Event) -> None:
        if isinstance(event, Started):
            self._started(event)
        elif not self.rows:
            self.attempt.events.append(event)
        elif isinstance(event, Made):
            self._made(event)
        elif isinstance(event, Note):
            self.note(event.text, event.level)

    def _made(self, event: Made) -> None:
        if not 0 <= event.index < self.rows or not self.workspace.has(event.image.digest):
            raise WorkerLost("It named an image that it did not send.")
        self.made[event.index] = event.image
        self.attempt.events.append(event)
        if time.monotonic() - self._progress_at > _PROGRESS_SECONDS:
            self._progress_at = time.monotonic()
            self.attempt.events.append(Progress(done=len(self.made), total=self.rows, unit="images"))

    def _started(self, event: Started) -> None:
        """The first worker says where the run is carried out; of the others, what is different there."""
        if not self.environment:
            self.environment = event.environment
            self.attempt.started({**event.environment, "cluster": self.where})
            return
        other = [
            f"{name} {value} and {self.environment.get(name, 'none')}"
            for name, value in event.environment.items()
            if self.environment.get(name) != value
        ]
        if other:
            self.note(
                f"The workers differ: {', '.join(other)}. Their images may differ in the last bits from those of one "
                "machine; install the same versions on every node if that matters.", "warning",
            )  # fmt: skip


def _read(line: bytes) -> Event:
    try:
        body = json.loads(line)
        body.pop("t")
        return EVENT.validate_python(body)
    except (ValueError, TypeError, KeyError, AttributeError, ValidationError) as error:
        raise WorkerLost("What it said cannot be read.") from error
