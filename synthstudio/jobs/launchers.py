"""Start a worker and say whether it still lives. The local launcher uses processes; another could use a cluster."""

import subprocess
import sys
import threading
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
        started = start_time(child.pid)
        # Somebody must collect an ended child, or it stays a zombie for as long as the page lives.
        threading.Thread(target=child.wait, daemon=True, name=f"collect {child.pid}").start()
        return child.pid, started

    def alive(self, pid: int, started: float) -> bool:
        """Whether the worker still runs, whoever launched it."""
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
