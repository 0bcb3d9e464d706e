"""SIGKILL at random moments: of workers, owners and both while Steps run, and of the page while somebody decides."""

import contextlib
import os
import random
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx

from synthstudio.events import Started
from synthstudio.jobs.running.log import EventLog
from tests.campaign.world import PROJECT, Harmed, World
from tests.ui.served import Page

_KILLS_A_ROUND = 6
_VICTIMS = ("worker", "owner", "both")


def step(name: str) -> Callable[[World, random.Random], int]:
    """Kill while this Step is being carried out, again and again; then it must give what it gives undisturbed."""

    def attack(world: World, chance: random.Random) -> int:
        world.restore(name)
        kills = 0
        while kills < _KILLS_A_ROUND:
            owner = world.owner(name)
            victim = chance.choice(_VICTIMS)
            until = time.monotonic() + chance.uniform(0.8, 5.0)
            if victim == "owner":
                _wait(owner, until)
            else:
                kills += _kill_worker(world, owner, until, chance)
            if owner.poll() is not None:
                break
            if victim == "worker":
                time.sleep(0.3)  # long enough to notice it
            owner.kill()
            owner.wait()
            kills += 1
        world.check(name)
        return kills

    return attack


def page(world: World, chance: random.Random) -> int:
    """Kill the page while decisions arrive from two clients; what was acknowledged must be there, once, in order."""
    world.restore()
    images = [digest for name in world.rows for _, digest in world.rows[name]]
    acknowledged: list[str] = []
    with world.studio() as studio:
        known = studio.catalog.decisions.last()
    kills = 3
    for _ in range(kills):
        opened = Page(world.home)
        try:
            writers = [_Writer(opened.url, images, random.Random(chance.random()), acknowledged) for _ in range(2)]
            time.sleep(chance.uniform(0.05, 1.5))
            opened.process.send_signal(signal.SIGKILL)
            opened.process.wait()
            for writer in writers:
                writer.join(30)
                if writer.harm:
                    raise Harmed(writer.harm)
        finally:
            opened.stop()
    with world.studio() as studio:
        stored = [act for (act,) in studio.catalog.database.rows("select id from acts order by first_seq")]
        rows = studio.catalog.database.rows("select seq from decisions where seq > ? order by seq", [known])
    lost = set(acknowledged) - set(stored)
    if lost:
        raise Harmed(f"{len(lost)} of {len(acknowledged)} acknowledged decisions are gone")
    if len(set(stored)) != len(stored) or [seq for (seq,) in rows] != list(range(known + 1, known + 1 + len(rows))):
        raise Harmed("decisions are doubled or out of order")
    return kills


class _Writer(threading.Thread):
    """Decides as quickly as it is answered, until nobody answers any more."""

    def __init__(self, url: str, images: list[str], chance: random.Random, acknowledged: list[str]) -> None:
        super().__init__(daemon=True)
        self._url, self._images, self._chance, self._acknowledged = url, images, chance, acknowledged
        self.harm = ""
        self._tab = str(uuid.UUID(int=chance.getrandbits(128)))
        self.start()

    def run(self) -> None:
        """Each decision is acknowledged before the next is made."""
        with contextlib.suppress(httpx.TransportError), httpx.Client(base_url=self._url, timeout=20) as client:
            while True:
                act = self._act()
                body = {"project": PROJECT, "tab": self._tab, "acts": [act]}
                answer = client.post("/studio/review/decide", json=body)
                if answer.status_code != 200:
                    self.harm = f"a decision was answered with {answer.status_code}: {answer.text[:200]}"
                    return
                self._acknowledged.append(act["id"])

    def _act(self) -> dict[str, Any]:
        act: dict[str, Any] = {"id": str(uuid.UUID(int=self._chance.getrandbits(128)))}
        if self._acknowledged and self._chance.random() < 0.2:
            return {**act, "undoes": self._chance.choice(self._acknowledged)}
        chosen = self._chance.sample(self._images, self._chance.randint(1, 5))
        return {**act, "verdict": self._chance.choice(("keep", "reject", "clear")), "images": chosen}


def _kill_worker(world: World, owner: "subprocess.Popen[bytes]", until: float, chance: random.Random) -> int:
    """Wait for a worker that has begun, let it go on for a moment, kill it; how many were killed."""
    while owner.poll() is None and time.monotonic() < until + 30:
        pid = _worker(world)
        if pid is not None:
            time.sleep(chance.uniform(0.0, 1.0))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return 1
        time.sleep(0.02)
    return 0


def _worker(world: World) -> int | None:
    """The process id of a worker that lives."""
    for folder in (world.project / "runs").glob("*"):
        lines, _ = EventLog(folder).read()
        started = [event for _, event in lines if isinstance(event, Started)]
        if started and _alive(started[-1].pid, folder.name):
            return started[-1].pid
    return None


def _alive(pid: int, run_id: str) -> bool:
    """Whether a process holds this run's log: an id that another process got since does not."""
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            opened = [os.readlink(one) for one in entries]
    except OSError:
        return False
    return any(run_id in place for place in opened)


def _wait(process: "subprocess.Popen[bytes]", until: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(max(0.0, until - time.monotonic()))
