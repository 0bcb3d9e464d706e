"""One worker's side, on a machine of the cluster: it carries a run out with the worker of everybody, and tells.

It is asked one thing at a time and answers within about a second, so that whoever asks can be told to stop, and knows
soon when it is gone. The run itself is a process of its own, forked from this machine's nursery.
"""

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from synthstudio.jobs.cluster.parcels import Key, Manifest, Piece, named_in, returning
from synthstudio.jobs.cluster.store import Store
from synthstudio.jobs.running import shares
from synthstudio.jobs.running.endings import Endings
from synthstudio.jobs.running.launchers import Launcher, default_launcher
from synthstudio.jobs.running.log import NAME as EVENTS
from synthstudio.jobs.running.processes import start_time
from synthstudio.jobs.running.run_folder import LOG, STOP, Request
from synthstudio.resources import Resources
from synthstudio.steps import Share

_LISTEN_SECONDS = 1.0
_POLL_SECONDS = 0.05
_BATCH_BYTES = 16 << 20
_SCRATCH_SECONDS = 15.0
_SCRATCH_BYTES = 256 << 20
_LAST_WORDS = ("finished", "stopped", "failed")


class Order(NamedTuple):
    """A run, as it is asked of a worker."""

    run_id: str
    step: str
    resources: Resources
    shared: bool
    environment: dict[str, str]


class Batch(NamedTuple):
    """What a worker has to tell: lines of its log with all that they name; `share` is the last one it completed."""

    lines: list[bytes]
    blobs: dict[str, bytes]
    weights: dict[str, bytes]
    files: dict[str, bytes]
    output: str
    share: int
    over: bool  # the worker has ended, and this is the last of what it said
    why: str  # how it ended, where it could not say so itself
    memory_mb: float


class Node:
    """A worker of the cluster."""

    def prepare(self, order: Order, manifest: Manifest) -> list[Key]:
        """Make room for the run; what of the manifest has to be sent."""
        os.environ.update(order.environment)
        self._store = Store()
        self._manifest, self._order = manifest, order
        self._folder = self._store.workspace.run_folder(order.run_id)
        self._folder.mkdir()
        return self._store.missing(manifest)

    def receive(self, pieces: list[Piece]) -> None:
        """Take in what was missing."""
        self._store.receive(pieces)

    def begin(self) -> None:
        """Everything is there: ask for a process."""
        self._store.settle(self._manifest)
        order, here = self._order, os.getpid()
        Request(
            run_id=order.run_id, step=order.step, workspace=self._store.workspace.root, resources=order.resources,
            shared=order.shared, guardian=(here, start_time(here)),
        ).write(self._folder)  # fmt: skip
        self._log, self._read = self._folder / EVENTS, 0
        with suppress(FileNotFoundError):
            self._read = self._log.stat().st_size  # of an earlier attempt
        self._output_read, self._said_last = 0, False
        self._known = {*self._manifest.blobs, *self._manifest.weights}
        self._seen = {name: _look(path) for name, path in self._returning()}
        self._looked = time.monotonic()
        self._launcher: Launcher = default_launcher(apart=True)
        self._endings = Endings()
        self._process: tuple[int, float] | None = None

    def give(self, number: int, share: Share | None) -> None:
        """The next share of the plan."""
        shares.give(self._folder, number, share)

    def take(self, stop: bool) -> Batch:
        """What was said since, after waiting a second at most for something to be said."""
        if stop:
            (self._folder / STOP).touch()
        until = time.monotonic() + _LISTEN_SECONDS
        while True:
            self._process = self._process or self._launcher.launch(self._folder, computes=True)
            batch = self._batch()
            if batch.lines or batch.over or batch.share > self._share or time.monotonic() > until:
                self._share = batch.share
                return batch
            time.sleep(_POLL_SECONDS)

    _share = 0

    def _batch(self) -> Batch:
        # Asked before the log is read, so that nothing of what was said before is missed.
        share, why = shares.done(self._folder), self._why_ended()
        lines, blobs, weights = self._lines()
        drained = self._read == (self._log.stat().st_size if self._log.exists() else 0)
        over = drained and (self._said_last or why is not None)
        return Batch(
            lines, blobs, weights, self._files(over), self._new_output(), share if drained else self._share, over,
            "" if self._said_last else why or "", self._memory_mb(),
        )  # fmt: skip

    def _why_ended(self) -> str | None:
        """None while the process lives, or while it may yet be told how it ended."""
        if self._process is None:
            return None
        return self._endings.why(self._folder, self._process[0], self._launcher.alive(*self._process))

    def _lines(self) -> tuple[list[bytes], dict[str, bytes], dict[str, bytes]]:
        """New lines of the log while what they name is not too much at once, and what they name."""
        lines: list[bytes] = []
        blobs: dict[str, bytes] = {}
        weights: dict[str, bytes] = {}
        size = 0
        with suppress(FileNotFoundError), self._log.open("rb") as file:
            file.seek(self._read)
            while size < _BATCH_BYTES and (raw := file.readline()).endswith(b"\n"):
                named = named_in(self._store.workspace, [raw], self._known)
                self._known.update(named.blobs, named.weights)
                blobs |= {digest: self._store.workspace.get(digest) for digest in named.blobs}
                weights |= {d: self._store.workspace.weight_path(d).read_bytes() for d in named.weights}
                for digest in named.blobs:
                    self._store.keep(digest)
                size += len(raw) + sum(len(blobs[one]) for one in named.blobs)
                size += sum(len(weights[one]) for one in named.weights)
                self._read += len(raw)
                self._said_last = self._said_last or _is_last(raw)
                lines.append(raw)
        return lines, blobs, weights

    def _files(self, over: bool) -> dict[str, bytes]:
        """Caches and checkpoints that changed; looked for now and then, and at the end."""
        if not over and time.monotonic() - self._looked < _SCRATCH_SECONDS:
            return {}
        self._looked = time.monotonic()
        found: dict[str, bytes] = {}
        size = 0
        for name, path in self._returning():
            look = _look(path)
            if look != self._seen.get(name) and size + look[1] <= _SCRATCH_BYTES:
                with suppress(FileNotFoundError):
                    found[name] = path.read_bytes()
                    size += look[1]
                    self._seen[name] = look
        return found

    def _returning(self) -> list[tuple[str, Path]]:
        return list(returning(self._store.workspace.root, self._order.run_id))

    def _new_output(self) -> str:
        with suppress(FileNotFoundError), (self._folder / LOG).open("rb") as file:
            file.seek(self._output_read)
            data = file.read(1 << 20)
            self._output_read += len(data)
            return data.decode(errors="replace")
        return ""

    def _memory_mb(self) -> float:
        with suppress(psutil.Error):
            if self._process is not None:
                return psutil.Process(self._process[0]).memory_info().rss / 2**20
        return 0.0

    def where(self) -> str:
        """The folder of the run here, as its sentences name it."""
        return str(self._folder)

    def leave(self) -> None:
        """Give the room back; what was sent stays in the store."""
        self._store.remove()


def _is_last(raw: bytes) -> bool:
    with suppress(ValueError, AttributeError):
        return json.loads(raw).get("event") in _LAST_WORDS
    return False


def _look(path: Path) -> tuple[int, int]:
    with suppress(FileNotFoundError):
        about = path.stat()
        return about.st_mtime_ns, about.st_size
    return 0, 0
