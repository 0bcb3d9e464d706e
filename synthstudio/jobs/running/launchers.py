"""Start a worker and say whether it still lives. These launchers use local processes; another could use a cluster."""

import hashlib
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Protocol

import synthstudio
from synthstudio.errors import StorageFull
from synthstudio.jobs.running.endings import Worker
from synthstudio.jobs.running.environment import for_workers
from synthstudio.jobs.running.processes import same_process, start_time
from synthstudio.jobs.running.run_folder import LOG, Request
from synthstudio.step import STEPS
from synthstudio.workspace import storage_errors

log = logging.getLogger("synthstudio")

_LONGEST_SOCKET = 107  # bytes of its path, which is all that Linux has room for
APART = "--apart"  # of a nursery: leave the process that started it
PACKAGE = Path(synthstudio.__file__).resolve().parent


class Launcher(Protocol):
    """How a run gets a process."""

    def launch(self, folder: Path, computes: bool) -> tuple[int, float] | None:
        """Start the run in `folder`, detached: its process id and start time, or None to be asked again later."""
        ...

    def alive(self, pid: int, started: float) -> bool:
        """Whether that very process still runs. The start time guards against a reused process id."""
        ...


class ProcessLauncher:
    """One fresh Python process per run, in a session of its own: it outlives the page and the terminal."""

    def launch(self, folder: Path, computes: bool) -> tuple[int, float] | None:
        """Start a worker whose output goes to the run's log."""
        command = ["synthstudio.jobs.running.worker", str(folder)]
        child = spawn(command, folder / LOG, Worker.begun(folder), for_workers(os.environ, _connects(folder)))
        return child.pid, start_time(child.pid)

    def alive(self, pid: int, started: float) -> bool:
        """Whether the worker still runs, whoever launched it."""
        return same_process(pid, started)


class WarmLauncher(ProcessLauncher):
    """Computing runs are forked from a nursery that has the engine loaded; the others need no engine."""

    def __init__(self, patience_seconds: float = 90.0, apart: bool = False) -> None:
        """`apart`: the nursery outlives a parent that ends all its children when it ends, as Ray's workers do."""
        self.address = private_folder() / f"nursery-{code_key()}.sock"
        self._patience = patience_seconds
        self._apart = [APART] if apart else []
        self._waiting_since: float | None = None
        self._spawned: float | None = None
        self._nursery: subprocess.Popen[bytes] | None = None

    def launch(self, folder: Path, computes: bool) -> tuple[int, float] | None:
        """Fork from the nursery; None while it is loading. Without one in time, a fresh process does the work."""
        if not computes:
            self._start_nursery()
            return super().launch(folder, computes)
        pid = self._ask(folder)
        if pid is not None:
            self._waiting_since = None
            return pid, start_time(pid)
        self._start_nursery()
        self._waiting_since = self._waiting_since or time.monotonic()
        failed = self._nursery is not None and bool(self._nursery.returncode)
        if time.monotonic() - self._waiting_since < self._patience and not failed:
            return None
        with (folder / LOG).open("a") as out:
            why = f"ended (see {self._log})" if failed else "did not answer in time"
            out.write(f"The nursery {why}; a fresh process loads the engine itself.\n")
        return super().launch(folder, computes)

    @property
    def _log(self) -> Path:
        return self.address.with_suffix(".log")

    def _ask(self, folder: Path) -> int | None:
        request = json.dumps({"folder": str(folder), "environment": for_workers(os.environ)}).encode() + b"\n"
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(5.0)
                connection.connect(str(self.address))
                connection.sendall(request)
                answer = connection.recv(64)
        except OSError:
            return None
        return int(answer) if answer.strip() else None

    def _start_nursery(self) -> None:
        """Start one unless one was started lately; where one runs already, the second ends at once."""
        if self._spawned is None or time.monotonic() - self._spawned > self._patience:
            self._spawned = time.monotonic()
            self._nursery = spawn(["synthstudio.jobs.running.nursery", str(self.address), *self._apart], self._log)


def default_launcher(apart: bool = False) -> Launcher:
    """Warm where forking is possible, and where the folder for temporary files is short enough for a socket."""
    if not hasattr(os, "fork") or sys.platform != "linux":
        return ProcessLauncher()
    launcher = WarmLauncher(apart=apart)
    if len(os.fsencode(launcher.address)) <= _LONGEST_SOCKET:
        return launcher
    log.warning(
        "Every run loads the engine by itself, which takes some seconds: %s is too long for a socket. Set TMPDIR to a "
        "folder with a shorter name.", launcher.address,
    )  # fmt: skip
    return ProcessLauncher()


def _connects(folder: Path) -> bool:
    """Whether a run's Step reaches the Hub; its worker is a process of its own."""
    kind = json.loads(Request.read(folder).step)["kind"]
    return kind in STEPS and STEPS[kind].connects


def spawn(
    module_and_arguments: list[str], log: Path, worker: Worker | None = None, environment: dict[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    """Start a Python process of our own in a session of its own; `worker` hears how it ended."""
    with storage_errors(log.parent), log.open("ab") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", *module_and_arguments],
            env=for_workers(os.environ) if environment is None else environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            cwd=PACKAGE.parent,
        )
    # Somebody must collect an ended child, or it stays a zombie for as long as the page lives.
    threading.Thread(target=_collect, args=(child, worker), daemon=True, name=f"collect {child.pid}").start()
    return child


def _collect(child: "subprocess.Popen[bytes]", worker: Worker | None) -> None:
    try:
        _, status, usage = os.wait4(child.pid, 0)
    except ChildProcessError:  # collected by subprocess itself, which does so whenever it starts another child
        return
    child.returncode = os.waitstatus_to_exitcode(status)
    if worker is not None:
        worker.ended(child.pid, status, usage)


def private_folder(name: str = "synthstudio") -> Path:
    """A folder of this machine that only this user can enter; its path is short, because that of a socket has to be."""
    folder = Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}"
    with storage_errors(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
    about = folder.lstat()
    if about.st_uid != os.getuid() or about.st_mode & 0o077:
        raise StorageFull(f"{folder} can be entered by others. Remove it, or set TMPDIR to a folder of your own.")
    return folder


def code_key() -> str:
    """Changes with the interpreter and with the code, so that an old nursery never serves new code."""
    newest = max(path.stat().st_mtime_ns for path in PACKAGE.rglob("*.py"))
    return hashlib.sha256(f"{sys.executable}{PACKAGE}{newest}".encode()).hexdigest()[:16]
