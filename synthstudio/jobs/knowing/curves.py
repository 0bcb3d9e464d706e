"""How fast a run goes and how its numbers move: read off its log, kept between looks."""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from synthstudio.catalog.runs import Run
from synthstudio.events import Progress
from synthstudio.jobs.running.log import EventLog

_WINDOW_SECONDS = 30.0
_MOST_POINTS = 240


class Rates:
    """Units per second over the last half minute, which is what an estimate should rest on."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[float, int]]] = {}

    def note(self, runs: Iterable[Run]) -> None:
        """Remember where the active runs are; others are forgotten."""
        active = {run.id: run for run in runs}
        for gone in self._seen.keys() - active.keys():
            del self._seen[gone]
        for run in active.values():
            if run.progress_at is None or not run.total:
                continue
            seen = self._seen.setdefault(run.id, deque(maxlen=400))
            if seen and (run.done < seen[-1][1]):
                seen.clear()
            if not seen or run.progress_at > seen[-1][0]:
                seen.append((run.progress_at, run.done))
            while len(seen) > 2 and run.progress_at - seen[0][0] > _WINDOW_SECONDS:
                seen.popleft()

    def per_second(self, run_id: str) -> float | None:
        """The present rate of a run, if two different counts are known."""
        seen = tuple(self._seen.get(run_id, ()))
        if len(seen) < 2 or seen[-1][1] <= seen[0][1] or seen[-1][0] <= seen[0][0]:
            return None
        return (seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0])


@dataclass
class _Read:
    """How far a run's log was read, and the points found so far."""

    offset: int = 0
    stride: int = 1
    seen: int = 0
    points: dict[str, list[tuple[int, float]]] = field(default_factory=dict)


class Curves:
    """Loss and the like over the steps of a run, thinned to what a screen can show."""

    def __init__(self) -> None:
        self._reads: dict[str, _Read] = {}
        self._lock = threading.Lock()

    def of(self, run_id: str, log: EventLog) -> dict[str, list[tuple[int, float]]]:
        """Points (done, value) by name; reads only what was added since the last look."""
        with self._lock:
            if len(self._reads) > 64:
                self._reads.clear()
            read = self._reads.setdefault(run_id, _Read())
            while True:
                lines, after = log.read(read.offset)
                if after == read.offset:
                    break
                read.offset = after
                for _, event in lines:
                    if isinstance(event, Progress) and event.values:
                        _add(read, event)
            return {name: list(points) for name, points in read.points.items()}


def _add(read: _Read, event: Progress) -> None:
    for name, value in event.values.items():
        points = read.points.setdefault(name, [])
        if points and points[-1][0] == event.done:
            points[-1] = (event.done, value)
        elif read.seen % read.stride == 0 or not points:
            points.append((event.done, value))
        if len(points) > _MOST_POINTS:
            del points[1:-1:2]
            read.stride *= 2
    read.seen += 1
