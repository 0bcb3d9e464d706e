"""The owner's way to a cluster: runs whose Step can be done elsewhere get a courier, the others a worker here."""

import json
import os
from pathlib import Path

from synthstudio.errors import BadInput
from synthstudio.jobs.cluster import address
from synthstudio.jobs.running import launchers
from synthstudio.jobs.running.endings import Worker
from synthstudio.jobs.running.environment import for_couriers
from synthstudio.jobs.running.launchers import Launcher, ProcessLauncher, spawn
from synthstudio.jobs.running.processes import start_time
from synthstudio.jobs.running.run_folder import LOG, Request
from synthstudio.resources import cpu_count
from synthstudio.step import STEPS, Step
from synthstudio.workspace import write_atomically

_UNKNOWN_SLOTS = 4  # until a courier has asked the cluster
_MOST = 64  # couriers at once; each is a process of some 150 MB here
FACTS = "cluster.json"


class ClusterLauncher(ProcessLauncher):
    """Runs side by side, as many as the cluster has room for workers. What stays here is launched as without it."""

    def __init__(self, here: Launcher) -> None:
        self._here = here

    def launch(self, folder: Path, computes: bool) -> tuple[int, float] | None:
        """Start a courier, or a worker on this machine; BadInput if the cluster cannot be used at all."""
        where = address.named(os.environ)
        address.size(os.environ)
        address.refuse_unless_installed()
        kind = json.loads(Request.read(folder).step)["kind"]
        if not where or kind not in STEPS or not travels(STEPS[kind]):
            return self._here.launch(folder, computes)
        command = ["synthstudio.jobs.cluster.courier", str(folder)]
        child = spawn(command, folder / LOG, Worker.begun(folder), for_couriers(os.environ))
        return child.pid, start_time(child.pid)


def default_launcher() -> Launcher:
    """The usual one of this machine, and before it that of the cluster where the environment names one."""
    here = launchers.default_launcher()
    return ClusterLauncher(here) if os.environ.get(address.VARIABLE, "").strip() else here


def places(launcher: Launcher, kind: type[Step], home: Path) -> list[str]:
    """The slots of a cluster that a run of this kind can take, one each; none where it takes a device here."""
    if not isinstance(launcher, ClusterLauncher) or not travels(kind):
        return []
    return [f"cluster:{number}" for number in range(1, min(_MOST, _slots(home)) + 1)]


def travels(kind: type[Step]) -> bool:
    """Whether runs of this kind go to the cluster: they compute, and need nothing here but what they name."""
    return kind.computes and kind.travels and not kind.connects


def note_slots(home: Path, where: str, slots: int) -> None:
    """Remember how many workers a cluster has room for, for owners, which do not ask it."""
    write_atomically(home / FACTS, json.dumps({"address": where, "slots": slots}).encode())


def _slots(home: Path) -> int:
    try:
        where = address.named(os.environ)
    except BadInput:  # said when it launches
        return 1
    try:
        known = json.loads((home / FACTS).read_bytes())
        if known["address"] == where:
            return max(1, int(known["slots"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass
    return cpu_count() if where == address.LOCAL else _UNKNOWN_SLOTS
