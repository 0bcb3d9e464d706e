"""The numbers in a run's log, one after another, as a chart or a table wants them."""

from collections.abc import Iterator
from typing import NamedTuple

from synthstudio.events import Event, Failed, Finished, Measured, Progress, Started, Stopped


class Number(NamedTuple):
    """One value of a run. `step` is how far the run was: in the unit of its progress."""

    at: float  # seconds since 1970
    step: int
    name: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    split: str = ""
    arm: str = ""
    label: str = ""
    fold: int | None = None
    again: bool = False  # the first one after the run was resumed: steps may come a second time

    @property
    def tag(self) -> str:
        """A name that says which: "accuracy/real_only/fold 2". Folds are counted from 1 where people read."""
        fold = "" if self.fold is None else f"fold {self.fold + 1}"
        return "/".join(part for part in (self.name, self.arm, self.label, fold) if part)


def numbers(event: Event, at: float, step: int, again: bool = False) -> Iterator[Number]:
    """What an event says in numbers; `step` is where the run was before it.

    Progress says how far the run is as "done", beside its own values. A last word says what the attempt cost.
    """
    if isinstance(event, Progress):
        yield Number(at, event.done, "done", float(event.done), again=again)
        for name, value in event.values.items():
            yield Number(at, event.done, name, value)
    elif isinstance(event, Measured):
        yield Number(at, step, event.name, event.value, event.low, event.high, event.n, event.split, event.arm,
                     event.label, event.fold)  # fmt: skip
    elif isinstance(event, Stopped | Failed | Finished):
        yield Number(at, step, "seconds", event.seconds)
        yield Number(at, step, "peak_memory_mb", event.peak_memory_mb)


def resumes(event: Event) -> bool:
    """Whether an attempt begins here that is not the first."""
    return isinstance(event, Started) and event.attempt > 1
