"""Start a worker and say whether it still lives. The local launcher uses processes; another could use a cluster."""

import subprocess
import sys
from pathlib import Path
from typing import Protocol

import psutil

from synthstudio.jobs.request import LOG
from synthstudio.workspace import storage_errors


class Launcher(Protocol):
    """How a run gets a process."""

    def launch(self, folder: Path) -> tuple[int, float]:
        """Start the run in `folder`, detached; returns the process id and its start time."""
        ...

    def alive(self, pid: int, started: float) -> bool:
        """Whether that very process still runs. The start time guards against a reused process id."""
        ...


class ProcessLauncher:
    """One fresh Python process per run, in a session of its own: it outlives the page and the terminal."""

    def __init__(self) -> None:
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def launch(self, folder: Path) -> tuple[int, float]:
        """Start a worker whose output goes to the run's log."""
        with storage_errors(folder), (folder / LOG).open("ab") as out:
            child = subprocess.Popen(
                [sys.executable, "-m", "synthstudio.jobs.worker", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                cwd=Path(__file__).resolve().parents[2],
            )
        self._children[child.pid] = child
        return child.pid, start_time(child.pid)

    def alive(self, pid: int, started: float) -> bool:
        """Whether the worker still runs; collects it if it was ours and has ended."""
        child = self._children.get(pid)
        if child is not None and child.poll() is not None:
            del self._children[pid]
        return same_process(pid, started)


def start_time(pid: int) -> float:
    """When a process started, or 0 if it is already gone."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0


def same_process(pid: int, started: float) -> bool:
    """Whether the process with this id and start time is running."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
