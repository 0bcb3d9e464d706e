"""Workers on this machine (`SYNTHSTUDIO_CLUSTER=local`): a small cluster of one's own, started when it is needed.

It is kept by a process of its own (`rays.keep`), found again by a file, and ends when nobody has used it for a while.
Imports no ray.
"""

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from synthstudio.errors import RunFailed
from synthstudio.jobs.running.environment import for_workers
from synthstudio.jobs.running.launchers import PACKAGE, code_key, private_folder, spawn
from synthstudio.jobs.running.processes import same_process

_SECONDS_TO_START = 120.0


@contextmanager
def in_use(file: Path | None = None) -> Iterator[str]:
    """The address of the workers on this machine, started if need be; they stay while this lasts.

    The environment then holds what Ray needs to be let in.
    """
    file = where() if file is None else file
    os.environ.update(way_in(file))
    with file.with_suffix(".users").open("a") as users:
        _share(users.fileno())
        yield _found(file) or _started(file)


def way_in(file: Path) -> dict[str, str]:
    """The names that let a process speak with these workers: a token, which lies where only its user can read."""
    token = file.with_suffix(".token")
    with filelock.FileLock(file.with_suffix(".lock")):
        if not token.exists():
            descriptor = os.open(token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as out:
                out.write(secrets.token_hex(32))
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_USAGE_STATS_ENABLED": "0"}


def where() -> Path:
    """The file that says where they are."""
    return private_folder() / f"cluster-{code_key()}.json"


def running(file: Path) -> str:
    """Their address if they run, else nothing."""
    return _found(file)


def start(file: Path, cpus: int | None = None) -> None:
    """Start the process that keeps them; nothing waits for it."""
    environment = for_workers(os.environ) | way_in(file)
    # The workers import what the owner runs, from wherever they are started.
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PACKAGE.parent), environment.get("PYTHONPATH", "")]))
    command = ["synthstudio.jobs.cluster.rays", "keep", str(file), *([str(cpus)] if cpus else [])]
    spawn(command, file.with_suffix(".log"), environment=environment)


def _found(file: Path) -> str:
    try:
        said = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return ""
    return str(said["address"]) if same_process(said["pid"], said["started"]) else ""


def _started(file: Path) -> str:
    with filelock.FileLock(file.with_suffix(".starting"), timeout=_SECONDS_TO_START):
        if not _found(file):
            start(file)
        until = time.monotonic() + _SECONDS_TO_START
        while not (address := _found(file)):
            if time.monotonic() > until:
                raise RunFailed(
                    f"The workers on this machine did not start in {_SECONDS_TO_START:.0f} s; "
                    f"{file.with_suffix('.log')} says why. Put that right and resume, or unset SYNTHSTUDIO_CLUSTER."
                )
            time.sleep(0.1)
        return address


def _share(descriptor: int) -> None:
    """Keep the workers from ending; while they do end, wait for that."""
    until = time.monotonic() + _SECONDS_TO_START
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise RunFailed("The workers on this machine do not end and cannot be used. Resume the run.") from None
            time.sleep(0.1)
