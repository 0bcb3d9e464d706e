"""A process that has torch and its friends loaded and forks workers.

`python -m synthstudio.jobs.running.nursery SOCKET`

Importing the engine takes longer than many runs (5 to 10 s on a laptop), so it is done once. A forked worker is still a
process of its own: its exit frees all memory, and it touches the accelerator only after the fork. The nursery ends
when nothing asked for a worker for a while; workers outlive it. It serves one user only: its socket lies in a folder
nobody else can enter.
"""

import importlib
import json
import logging
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

import filelock

from synthstudio.jobs.running import endings, worker
from synthstudio.jobs.running.run_folder import LOG

log = logging.getLogger("synthstudio")

_IDLE_SECONDS = 180.0
_ENGINE = ("backbones", "diffusion", "lora", "encoders", "classifier", "probe")


def serve(address: Path) -> None:
    """Listen, load the engine, then fork one worker per request until nobody has asked for a while."""
    with (
        filelock.FileLock(address.with_suffix(".lock"), timeout=0),
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener,
    ):
        address.unlink(missing_ok=True)
        _preload()
        # The address appears when the engine is loaded; until then the owner keeps its runs queued.
        listener.bind(str(address))
        try:
            listener.listen(8)
            listener.settimeout(1.0)
            _accept(listener, address)
        finally:
            address.unlink(missing_ok=True)


def _preload() -> None:
    for name in _ENGINE:
        importlib.import_module(f"synthstudio.engine.{name}")


def _accept(listener: socket.socket, address: Path) -> None:
    asked = time.monotonic()
    working: dict[int, endings.Worker] = {}
    while address.exists() and (_collect(working) or time.monotonic() - asked < _IDLE_SECONDS):
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        asked = time.monotonic()
        with connection:
            request = json.loads(_line(connection))
            begun = endings.Worker.begun(Path(request["folder"]))
            pid = os.fork()
            if pid == 0:
                listener.close()
                _become_worker(connection, Path(request["folder"]), request["environment"])
            working[pid] = begun
            with suppress(OSError):  # the owner may have died meanwhile; the worker does not mind
                connection.sendall(f"{pid}\n".encode())


def _line(connection: socket.socket) -> bytes:
    connection.settimeout(5.0)
    data = b""
    while not data.endswith(b"\n"):
        part = connection.recv(65536)
        if not part:
            break
        data += part
    return data or b"{}"


def _become_worker(connection: socket.socket, folder: Path, environment: dict[str, str]) -> None:
    """The forked child: a session, an environment and a log of its own; never returns."""
    code = 1
    try:
        connection.close()
        os.setsid()
        os.environ.clear()
        os.environ.update(environment)
        for handled in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(handled, signal.SIG_DFL)
        out = os.open(folder / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.dup2(out, 1)
        os.dup2(out, 2)
        code = worker.run(folder, alone=True)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _collect(working: dict[int, endings.Worker]) -> bool:
    """Collect ended workers, leaving beside each run how its worker ended; whether any still works."""
    with suppress(ChildProcessError):
        while True:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return True
            if pid in working:
                working.pop(pid).ended(pid, status, usage)
    return False


def main() -> None:
    """Entry point."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if "--apart" in sys.argv[2:] and os.fork():
        os._exit(0)  # the one that goes on is nobody's child
    with suppress(filelock.Timeout):  # another nursery serves this address
        serve(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
