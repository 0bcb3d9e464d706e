"""Workers on ZeroGPU, where a GPU exists only inside a decorated function, in a fork of the page, for a minute.

Only imported on such a Space. A run that needs longer than it is lent the GPU looks lost and is resumed: finished
images are kept.
"""

import importlib.util
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from synthstudio.errors import RunFailed
from synthstudio.jobs.running import worker
from synthstudio.jobs.running.environment import for_workers
from synthstudio.jobs.running.launchers import ProcessLauncher
from synthstudio.jobs.running.processes import start_time
from synthstudio.jobs.running.run_folder import LOG
from synthstudio.workspace import write_atomically

_SECONDS = 60
_PID = "zerogpu.pid"
_PAGE = os.getpid()  # the lender forks it


def borrowing(work: Callable[..., Any], seconds: int = _SECONDS) -> Callable[..., Any]:
    """The function with `@spaces.GPU`, where the `spaces` package is present; else the function itself."""
    if importlib.util.find_spec("spaces") is None:
        return work
    decorated: Callable[..., Any] = importlib.import_module("spaces").GPU(duration=seconds)(work)
    return decorated


def _work(folder: str) -> int:
    """The body of a worker, in the process that has the GPU."""
    if os.getpid() != _PAGE:
        _drop_secrets()
    write_atomically(Path(folder) / _PID, str(os.getpid()).encode())
    out = os.open(Path(folder) / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(out, 1)
    os.dup2(out, 2)
    return worker.run(Path(folder))


def _drop_secrets() -> None:
    """In the fork: what other workers get, and the lender's own settings."""
    lent = {name: value for name, value in os.environ.items() if name.startswith("SPACES_")}
    kept = for_workers(os.environ) | lent
    os.environ.clear()
    os.environ.update(kept)


class ZeroLauncher(ProcessLauncher):
    """Computing runs borrow the GPU; the others are plain processes."""

    def __init__(self, work: Callable[..., Any] | None = None) -> None:
        self._work = work or borrowing(_work)
        self._asked: dict[Path, threading.Thread] = {}
        self._refused: dict[Path, str] = {}

    def launch(self, folder: Path, computes: bool) -> tuple[int, float] | None:
        """Ask for the GPU; None while it is not there yet. RunFailed says why it was not lent."""
        if not computes:
            return super().launch(folder, computes)
        known = self._asked.get(folder)
        if known is None:
            (folder / _PID).unlink(missing_ok=True)
            self._refused.pop(folder, None)
            self._asked[folder] = threading.Thread(target=self._borrow, args=(folder,), daemon=True)
            self._asked[folder].start()
            return None
        if (folder / _PID).exists():
            del self._asked[folder]
            pid = int((folder / _PID).read_text())
            return pid, start_time(pid)
        if not known.is_alive():
            del self._asked[folder]
            raise RunFailed(f"ZeroGPU lent no GPU: {self._refused.get(folder, 'it gave no reason')}. Resume it later.")
        return None

    def _borrow(self, folder: Path) -> None:
        try:
            self._work(str(folder))
        except Exception as error:
            # Whatever the lender says (quota, time, its own failure), the person waiting must read it.
            self._refused[folder] = f"{type(error).__name__}: {error}"
            with (folder / LOG).open("a") as out:
                out.write(f"ZeroGPU: {self._refused[folder]}\n")
