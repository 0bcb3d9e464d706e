"""The owner's side of one run on a cluster: `python -m synthstudio.jobs.cluster.courier RUN_FOLDER`.

To the owner it is the run's worker: it holds the run, beats, hears Stop, and alone writes to the log and the project.
It hires workers, hands them the run, or shares of its plan, and takes in what they tell; what they were doing when they
were lost is handed out again.
"""

import logging
import os
import secrets
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthstudio.errors import BadInput, RunFailed
from synthstudio.events import Failed, Finished
from synthstudio.jobs.cluster import address, local, parcels
from synthstudio.jobs.cluster.intake import Intake, WorkerLost
from synthstudio.jobs.cluster.launcher import note_slots
from synthstudio.jobs.cluster.node import Batch, Order
from synthstudio.jobs.running import worker
from synthstudio.jobs.running.environment import for_other_machines
from synthstudio.jobs.running.launchers import private_folder
from synthstudio.step import from_json
from synthstudio.steps import Share, load_extensions
from synthstudio.workspace import write_atomically

if TYPE_CHECKING:
    from synthstudio.jobs.cluster.rays import Hired

log = logging.getLogger("synthstudio")

_TRIES = 4
_SILENCE_SECONDS = 120.0
_SHARES_EACH = 4
_SMALLEST, _LARGEST = 32, 256  # images of a share
_WAITING_SECONDS = 10.0
_POLL_SECONDS = 0.2
WHOLE = Share(0, 0)  # the run in one piece
Talk = Generator[Any, Any, None]


class Refused(BadInput):
    """A worker that cannot be used, and what to do about it."""


def carry_out(attempt: worker.Attempt) -> bool:
    """Carry a run out on the cluster that the environment names; whether it came to its end, and not to a stop."""
    load_extensions()
    where = address.named(os.environ)
    address.refuse_unless_installed()
    address.refuse_unless_answering(where)
    with _joined(where):
        return Courier(attempt, where).carry_out()


@contextmanager
def _joined(where: str) -> Iterator[None]:
    if where == address.LOCAL:
        with local.in_use() as found:
            _join(found)
            yield
    else:
        _join(where)
        yield


def _join(where: str) -> None:
    os.chdir(private_folder())  # Ray lets workers import from where their driver stands
    from synthstudio.jobs.cluster import rays

    rays.join(where)


class Courier:
    """One attempt at one run."""

    def __init__(self, attempt: worker.Attempt, where: str) -> None:
        from synthstudio.jobs.cluster import rays

        self._rays = rays
        self.attempt, self.workspace = attempt, attempt.workspace
        self.step = from_json(attempt.request.step)
        self.work = attempt.work()
        self.intake = Intake(attempt, self.step.rows, where, dict(self.work.done))
        self._here = rays.porter()().about()
        self._cpus, self._gpus, slots = self._sizes(rays.resources(), where)
        note_slots(self.workspace.home, where, slots)
        self._tasks = deque(self._shares(slots) if self.step.rows else [WHOLE])
        self._crew = min(slots, len(self._tasks))
        self._doing: dict[Hired, Share] = {}
        self._asked: dict[Any, tuple[Hired, Talk, float]] = {}
        self._lost: Counter[Share] = Counter()
        self._where = where
        self._finished = False

    def carry_out(self) -> bool:
        """Hire, hand out, take in, until all is made or a stop was asked for."""
        token = self.attempt.folder / "token"
        text = secrets.token_hex(16)
        if os.environ.get("SYNTHSTUDIO_CLUSTER_SHARED", "") != "off":
            write_atomically(token, text.encode())
        request = self.attempt.request
        resources = request.resources.model_copy(
            update={"device": "auto" if self._gpus else "cpu", "threads": request.resources.threads or self._cpus}
        )
        self._order = Order(
            request.run_id, request.step, resources, bool(self.step.rows), for_other_machines(os.environ)
        )
        self._manifest = parcels.needed(self.workspace, self.step, request.run_id, (str(token), text))
        try:
            self._see_to_it()
        finally:
            token.unlink(missing_ok=True)
            for hired, _, _ in self._asked.values():
                hired.dismiss()
        if self.attempt.stop.asked() and not self._complete():
            return False
        return self._end()

    # ---- what there is to do

    def _sizes(self, has: dict[str, float], where: str) -> tuple[int, int, int]:
        """CPUs and GPUs of one worker, and how many workers the cluster has room for."""
        size = address.size(os.environ)
        wants = self.attempt.request.resources.device
        gpus = 0 if wants == "cpu" else size.gpus
        if gpus is None:
            gpus = 1 if has.get("GPU", 0) >= 1 or wants.startswith("cuda") else 0
        room = [has.get("CPU", 0) // size.cpus, *([has.get("GPU", 0) // gpus] if gpus else [])]
        if min(room) < 1:
            raise BadInput(
                f"One worker takes {size.cpus} CPUs and {gpus} GPUs, the cluster at {where} has "
                f"{has.get('CPU', 0):.0f} and {has.get('GPU', 0):.0f}. Ask for less ({address.WORKER}=cpus=1,gpus=0 or "
                "--device cpu), or add nodes, then resume."
            )
        return size.cpus, gpus, int(min(room))

    def _shares(self, slots: int) -> list[Share]:
        """The plan in shares that have something to make; they are cut alike whatever was made."""
        rows = self.step.rows
        size = max(_SMALLEST, min(_LARGEST, -(-rows // (_SHARES_EACH * slots))))
        found = []
        for start in range(0, rows, size):
            stop = min(rows, start + size)
            made = frozenset(index for index in range(start, stop) if index in self.intake.made)
            if len(made) < stop - start:
                found.append(Share(start, stop, made))
        return found

    def _complete(self) -> bool:
        return len(self.intake.made) >= self.step.rows if self.step.rows else self._finished

    # ---- the crew

    def _see_to_it(self) -> None:
        began = time.monotonic()
        while (self._tasks or self._asked) and not (self.attempt.stop.asked() and not self._asked):
            while (
                len(self._asked) < min(self._crew, len(self._tasks) + len(self._doing))
                and not self.attempt.stop.asked()
            ):
                self._hire()
            for promise in self._rays.ready(self._asked, _POLL_SECONDS):
                hired, talk, _ = self._asked.pop(promise)
                self._go_on(hired, talk, promise)
            self._dismiss_silent()
            if not self.intake.environment and time.monotonic() - began > _WAITING_SECONDS:
                self.intake.note(
                    f"Waiting for a worker of the cluster at {self._where}: others use it, or it is being prepared."
                )

    def _hire(self) -> None:
        hired = self._rays.Hired(self._cpus, self._gpus)
        talk = self._talk(hired)
        self._asked[next(talk)] = (hired, talk, 0.0)

    def _go_on(self, hired: "Hired", talk: Talk, promise: Any) -> None:
        try:
            promised = talk.send(self._rays.answer(promise))
        except StopIteration:
            self._doing.pop(hired, None)
            hired.dismiss()
        except WorkerLost as error:
            self._lose(hired, str(error))
        except Refused as error:
            hired.dismiss()
            self._crew -= 1
            if self._crew < 1:
                raise
            self.intake.note(str(error), "warning")
        else:
            self._asked[promised] = (hired, talk, time.monotonic())

    def _lose(self, hired: "Hired", why: str) -> None:
        """Hand what a lost worker was doing to another one, unless several were lost with it."""
        hired.dismiss()
        task = self._doing.pop(hired, None)
        log.warning("a worker is lost: %s", why)
        if task is None and not self._tasks:
            return
        if task is None:
            task = WHOLE._replace(start=-1)  # before it was given anything
        else:
            made = frozenset(index for index in range(task.start, task.stop) if index in self.intake.made)
            self._tasks.appendleft(task._replace(made=made))
        key = task._replace(made=frozenset())
        self._lost[key] += 1
        if self._lost[key] >= _TRIES:
            raise RunFailed(f"{_TRIES} workers were lost with the same part of this run, the last: {why}")
        self.intake.note("A worker of the cluster was lost; another one makes what it was making.", "warning")

    def _dismiss_silent(self) -> None:
        """Workers that do not answer any more count as lost; those that are still being prepared have time."""
        for promise, (hired, _, since) in list(self._asked.items()):
            stopping = self.attempt.stop.asked() and hired not in self._doing
            if stopping:
                del self._asked[promise]
                hired.dismiss()
            elif hired in self._doing and time.monotonic() - since > _SILENCE_SECONDS:
                del self._asked[promise]
                self._lose(hired, f"it did not answer for {_SILENCE_SECONDS:.0f} s")

    def _talk(self, hired: "Hired") -> Talk:
        """All that is said to one worker: yields promises, is sent what was promised."""
        self._refuse_other_code((yield hired.about()))
        wanted = yield hired.ask("prepare", self._order, self._manifest)
        for pieces in parcels.pieces(self.workspace, self._manifest, wanted):
            yield hired.ask("receive", pieces)
        yield hired.ask("begin")
        folder = yield hired.ask("where")
        number = 0
        while self._tasks and not self.attempt.stop.asked():
            self._doing[hired] = self._tasks.popleft()
            number += 1
            if self.step.rows:
                yield hired.ask("give", number, self._doing[hired])
            while not self._take_in((yield hired.ask("take", self.attempt.stop.asked())), number, folder):
                pass
            del self._doing[hired]
        yield hired.ask("leave")

    def _refuse_other_code(self, about: dict[str, str]) -> None:
        if about["code"] == self._here["code"]:
            return
        has = f"version {about['version']} ({about['code'][:8]})" if about["code"] else "no SynthStudio"
        raise Refused(
            f"The worker on {about['host']} has {has}, this machine version {self._here['version']} "
            f"({self._here['code'][:8]}). Install the same on every node, as here (pip install "
            f"'synthstudio[cluster]=={self._here['version']}', or the same checkout), restart Ray there and resume."
        )

    # ---- what comes back

    def _take_in(self, batch: Batch, number: int, folder: str) -> bool:
        """Take in what a worker told; whether its task is done."""
        sys.stdout.write(batch.output)
        sys.stdout.flush()
        last = self.intake.take(batch)
        if isinstance(last, Failed):
            raise RunFailed(last.error.replace(folder, str(self.attempt.folder)))
        self._finished = self._finished or isinstance(last, Finished)
        ended_early = batch.over and (last is None or self.step.rows > 0)
        if ended_early and not self._finished and not self.attempt.stop.asked():
            raise WorkerLost(batch.why or "it ended by itself")
        return batch.over or (bool(self.step.rows) and batch.share >= number)

    def _end(self) -> bool:
        """Of a plan made in shares: what its Step says when all is there, said here."""
        if not self.step.rows:
            return self._finished
        if not self.intake.environment:
            self.attempt.started(worker.environment() | {"cluster": self._where})
        if not self._complete():
            raise RunFailed(
                f"{self.step.rows - len(self.intake.made)} images were not made. Resume the run to make them."
            )
        self.work.done = self.intake.made
        for event in self.step.run(self.work):
            self.attempt.events.append(event)
        return True


def main(folder: Path, body: Callable[[worker.Attempt], bool] = carry_out) -> int:
    """Entry point of a courier."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return worker.hold(folder, body)


if __name__ == "__main__":
    code = main(Path(sys.argv[1]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a thread that still tries to connect would not let it end
