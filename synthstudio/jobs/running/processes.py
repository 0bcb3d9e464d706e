"""Which process is which: an id is used again, an id with a start time is not."""

import psutil


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
