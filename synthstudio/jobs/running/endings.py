"""How a worker ended that could not say so itself.

Only the parent of a process learns its exit status: the nursery for a forked worker, the launcher's thread for a fresh
one. It leaves a note beside the run. A worker whose parent was itself gone (the page was started anew) leaves none.
"""

import json
import logging
import os
import resource
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from synthstudio.artifacts import canonical
from synthstudio.errors import StorageFull
from synthstudio.jobs.running.run_folder import LOG
from synthstudio.workspace import write_atomically

log = logging.getLogger("synthstudio")

NOTE = "ended.json"
SMALLER = "Use a smaller batch, smaller images or files, or a smaller model. Resume the run; nothing finished is lost."
_COUNTERS = Path("/sys/fs/cgroup/memory.events")
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_GRACE_SECONDS = 3.0  # the nursery collects once a second
_FULL_BYTES = 1 << 20
_GONE = "The worker process is gone. Resume the run to go on from its last checkpoint."


@dataclass(frozen=True)
class Worker:
    """A worker as its parent sees it. `kills` is how many processes the kernel had ended for memory when it began."""

    folder: Path
    kills: int

    @classmethod
    def begun(cls, folder: Path) -> "Worker":
        """Note what can only be known beforehand."""
        return cls(folder, _kills())

    def ended(self, pid: int, status: int, usage: resource.struct_rusage) -> None:
        """Leave a note unless the worker ended well. A note that cannot be written is only a poorer sentence."""
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            return
        unit = 1 if sys.platform == "darwin" else 1024
        note = {
            "pid": pid, "code": code, "peak_mb": usage.ru_maxrss * unit >> 20, "memory_mb": memory_mb(),
            "for_memory": _kills() > self.kills,
        }  # fmt: skip
        try:
            write_atomically(self.folder / NOTE, canonical(note))
        except (OSError, StorageFull):
            log.exception("how worker %s ended could not be noted", pid)


class Endings:
    """What one owner knows of workers that are gone."""

    def __init__(self) -> None:
        self._alive: set[int] = set()
        self._gone: dict[int, float] = {}  # process id: when it was first found gone

    def why(self, folder: Path, pid: int, alive: bool) -> str | None:
        """Why a worker ended, as a sentence; None while it lives, or while its parent may be about to say so."""
        if alive:
            self._alive.add(pid)
            return None
        note = _read(folder, pid)
        since = self._gone.setdefault(pid, time.monotonic())
        expected = pid in self._alive or _is_uncollected(pid)
        if note is None and expected and time.monotonic() - since < _GRACE_SECONDS:
            return None
        self._alive.discard(pid)
        self._gone.pop(pid, None)
        return _sentence(note, folder)


def _is_uncollected(pid: int) -> bool:
    """Whether a process has ended and its parent has not asked how; another one may have got its id long ago."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def memory_mb() -> int:
    """The memory this process may use: of the machine, of its container, or what a limit of its own leaves it."""
    limits = [psutil.virtual_memory().total]
    own, _ = resource.getrlimit(resource.RLIMIT_AS)
    if own != resource.RLIM_INFINITY:
        limits.append(own)
    for file in _LIMITS:
        try:
            limits.append(int(file.read_text()))
        except (OSError, ValueError):  # another kind of container, or "max"
            continue
    return min(limits) >> 20


def _kills() -> int:
    """How many processes of this container the kernel has ended because memory ran out; 0 where it does not count."""
    try:
        lines = dict(line.split() for line in _COUNTERS.read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return int(lines.get("oom_kill", 0))


def _read(folder: Path, pid: int) -> dict[str, int] | None:
    try:
        note = json.loads((folder / NOTE).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return note if isinstance(note, dict) and note.get("pid") == pid else None


def _sentence(note: dict[str, int] | None, folder: Path) -> str:
    if note is None:
        if shutil.disk_usage(folder).free < _FULL_BYTES:
            return "The worker process is gone and the disk is full. Free some space and resume the run."
        return _GONE
    used = f"it had used {note['peak_mb']} MB of {note['memory_mb']} MB"
    if note["code"] == -signal.SIGKILL:
        return f"The worker was killed (signal 9), {_why_killed(note)}: {used}. {SMALLER}"
    if note["code"] < 0:
        return (
            f"The worker was ended by signal {-note['code']} ({signal.strsignal(-note['code'])}); {used}. "
            f"Resume the run; if it happens again, the last lines of {folder / LOG} say where."
        )
    return f"The worker ended with code {note['code']}; {used}. Read the end of {folder / LOG}, then resume the run."


def _why_killed(note: dict[str, int]) -> str:
    """As sure as the signs are: the kernel's own count, or how much of the memory this worker had."""
    if note["for_memory"]:
        return "because memory ran out"
    if 2 * note["peak_mb"] > note["memory_mb"]:
        return "most likely because memory ran out"
    return "by somebody, or by the system because memory ran out beside it"
