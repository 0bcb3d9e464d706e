"""Ray: the only file that imports it. Joining a cluster, workers on it, what it has, and one on this machine.

What is sent to a worker to run is sent by value and names nothing of ours until it was asked which code it has, so that
a node with another version says so instead of failing somewhere.

    python -m synthstudio.jobs.cluster.rays facts ADDRESS         what it has, as JSON
    python -m synthstudio.jobs.cluster.rays keep FILE [CPUS]      workers on this machine, until nobody needs them
"""

import fcntl
import json
import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore", category=FutureWarning, module=r"ray\.")

import ray  # noqa: E402
from ray._private import services  # noqa: E402
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: E402

from synthstudio.errors import StudioError  # noqa: E402
from synthstudio.jobs.cluster.address import unanswered  # noqa: E402
from synthstudio.jobs.cluster.intake import WorkerLost  # noqa: E402
from synthstudio.jobs.running.processes import start_time  # noqa: E402
from synthstudio.workspace import write_atomically  # noqa: E402

log = logging.getLogger("synthstudio")

_SECONDS_TO_JOIN = 30.0
_SECONDS_TO_TELL = 20.0
_MOST_ASKED = 64
_IDLE_SECONDS = 180.0
_STORE_BYTES = 256 << 20
_LOOPBACK = "127.0.0.1:"
_QUIET = {"log_to_driver": False, "configure_logging": False}


def join(address: str) -> None:
    """Connect to a cluster that is there; BadInput if it does not take us in within half a minute."""
    outcome: list[BaseException | None] = []

    def connect() -> None:
        try:
            ray.init(address=address, namespace="synthstudio", **_QUIET)
            outcome.append(None)
        except BaseException as error:  # said to whoever waits
            outcome.append(error)

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if address.startswith(_LOOPBACK):
        _stay_on_loopback()
    joining = threading.Thread(target=connect, daemon=True)
    joining.start()
    joining.join(_SECONDS_TO_JOIN)
    if not outcome:
        raise unanswered(address, f"it did not take us in within {_SECONDS_TO_JOIN:.0f} s")
    if outcome[0] is not None:
        raise unanswered(address, str(outcome[0]).strip().splitlines()[0][:300]) from outcome[0]


def resources() -> dict[str, float]:
    """What all nodes have together, by Ray's names: CPU, GPU, memory."""
    return dict(ray.cluster_resources())


class Hired:
    """A worker on the cluster that is asked one thing at a time."""

    def __init__(self, cpus: int, gpus: int) -> None:
        self._actor = ray.remote(porter()).options(num_cpus=cpus, num_gpus=gpus, max_restarts=0).remote()

    def about(self) -> Any:
        """A promise of what it says of itself and of its code."""
        return self._actor.about.remote()

    def ask(self, method: str, *arguments: Any) -> Any:
        """A promise of what its node answers."""
        return self._actor.ask.remote(method, arguments)

    def dismiss(self) -> None:
        """Give its resources back; what it was doing ends."""
        ray.kill(self._actor)


def ready(promises: Iterable[Any], seconds: float) -> list[Any]:
    """Those of these promises that are kept by now, after waiting for one at most so long."""
    listed = list(promises)
    return list(ray.wait(listed, num_returns=1, timeout=seconds)[0]) if listed else []


def answer(promise: Any) -> Any:
    """What was promised. WorkerLost if the worker is gone, or went wrong in a way that another might not."""
    try:
        return ray.get(promise)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, StudioError):
            raise WorkerLost(str(cause)) from error
        raise WorkerLost(f"A worker of the cluster failed: {type(cause).__name__}: {cause}.") from error
    except ray.exceptions.RayError as error:
        raise WorkerLost(f"A worker of the cluster is gone: {str(error).strip().splitlines()[0][:300]}") from error


def porter() -> type:
    """The class of a worker. Made here so that Ray sends it by value: it says its code before it imports any."""

    class Porter:
        def about(self) -> dict[str, str]:
            """Which code, Python and machine this is; `code` is empty where ours is not installed."""
            import hashlib
            import importlib.util
            import platform
            import socket
            from pathlib import Path

            about = {"host": socket.gethostname(), "python": platform.python_version(), "version": "", "code": ""}
            found = importlib.util.find_spec("synthstudio")
            if found is not None and found.origin:
                package = Path(found.origin).parent
                code = hashlib.sha256()
                for path in sorted(package.rglob("*.py")):
                    code.update(f"{path.relative_to(package).as_posix()}\n".encode() + path.read_bytes())
                about |= {"code": code.hexdigest(), "version": importlib.import_module("synthstudio").__version__}
            return about

        def ask(self, method: str, arguments: tuple[Any, ...]) -> Any:
            """Let the node answer, which the first question makes."""
            from synthstudio.jobs.cluster.node import Node

            if not hasattr(self, "node"):
                self.node = Node()
            return getattr(self.node, method)(*arguments)

    return Porter


def facts(address: str) -> dict[str, Any]:
    """What a cluster has, and which code its nodes have, as far as they say so in time."""
    join(address)
    nodes = [one for one in ray.nodes() if one["Alive"]]
    asked = {
        ray.remote(porter())
        .options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(one["NodeID"], soft=False))
        .remote()
        .about.remote(): one
        for one in nodes[:_MOST_ASKED]
        if one.get("Resources", {}).get("CPU")
    }
    told, _ = ray.wait(list(asked), num_returns=max(1, len(asked)), timeout=_SECONDS_TO_TELL) if asked else ([], [])
    abouts = []
    for promise in told:
        try:
            abouts.append(answer(promise))
        except WorkerLost as error:
            log.warning("%s", error)
    has = resources()
    return {
        "address": address, "nodes": len(nodes), "cpus": int(has.get("CPU", 0)), "gpus": int(has.get("GPU", 0)),
        "ray": ray.__version__, "asked": len(asked), "workers": abouts, "here": porter()().about(),
    }  # fmt: skip


def keep(file: Path, cpus: int | None = None) -> None:
    """Workers on this machine, for its user alone, until nobody has used them for three minutes.

    Every socket is bound to 127.0.0.1, and whoever connects needs the token, which only the user can read.
    """
    _stay_on_loopback()
    _quietly_start(file, cpus)
    where = ray.get_runtime_context().gcs_address
    if not where.startswith(_LOOPBACK):
        raise StudioError(f"Ray listens at {where}, which other machines can reach. Use another version of Ray.")
    said = {"address": where, "pid": os.getpid(), "started": start_time(os.getpid())}
    write_atomically(file, json.dumps(said).encode())
    log.info("workers on this machine at %s", where)
    with file.with_suffix(".users").open("a") as users:
        idle = time.monotonic()
        while time.monotonic() - idle < _IDLE_SECONDS:
            time.sleep(1.0)
            if not _nobody(users):
                idle = time.monotonic()
        fcntl.flock(users, fcntl.LOCK_EX)  # who comes now waits, and then finds nobody
        file.unlink(missing_ok=True)
    ray.shutdown()


def _stay_on_loopback() -> None:
    """Ray puts an address that other machines can reach in the place of 127.0.0.1; here 127.0.0.1 is the point."""
    services.resolve_ip_for_localhost = lambda host: host


def _quietly_start(file: Path, cpus: int | None) -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        address="local", num_cpus=cpus, include_dashboard=False, _node_ip_address="127.0.0.1",
        object_store_memory=_STORE_BYTES, namespace="synthstudio", **_QUIET,
    )  # fmt: skip


def _nobody(users: Any) -> bool:
    """Whether nobody uses these workers at the moment."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(users, fcntl.LOCK_UN)
    return True


def main(arguments: Sequence[str]) -> int:
    """Entry point: `facts ADDRESS` or `keep FILE [CPUS]`."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    command: dict[str, Callable[[], None]] = {
        "facts": lambda: print(json.dumps(facts(arguments[1]))),  # noqa: T201 - for whoever asked
        "keep": lambda: keep(Path(arguments[1]), int(arguments[2]) if len(arguments) > 2 else None),
    }
    try:
        command[arguments[0]]()
    except StudioError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # a thread that still tries to connect would not let it end
