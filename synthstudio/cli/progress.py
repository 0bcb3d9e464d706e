"""Show a pipeline or a run while it works: bars on a terminal, plain lines elsewhere."""

import sys
import time
from collections import deque

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from synthstudio.catalog.runs import Run

_LINE_SECONDS = 5.0


class Rate:
    """Units per second over the last half minute, which is what an estimate should rest on."""

    def __init__(self, window_seconds: float = 30.0) -> None:
        self._window = window_seconds
        self._seen: deque[tuple[float, int]] = deque()

    def per_second(self, done: int, at: float) -> float | None:
        """Note the present count; the rate, once two counts are known."""
        if self._seen and done < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((at, done))
        while len(self._seen) > 2 and at - self._seen[0][0] > self._window:
            self._seen.popleft()
        (first, start), (last, end) = self._seen[0], self._seen[-1]
        return (end - start) / (last - first) if last > first and end > start else None


class Display:
    """What the command prints while it waits."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._live: Live | None = None
        self._rates: dict[str, Rate] = {}
        self._said: dict[str, tuple[str, float]] = {}
        self._ended: set[str] = set()

    def __enter__(self) -> "Display":
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """One lasting line."""
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def show(self, runs: list[tuple[str, Run]]) -> None:
        """The present state of named runs."""
        for name, run in runs:
            if run.state in ("done", "failed", "lost", "stopped") and run.id not in self._ended:
                self._ended.add(run.id)
                detail = f": {run.error}" if run.error else f" in {run.seconds:.1f} s"
                self.say(f"{name}: {run.state}{detail}")
        active = [(name, run) for name, run in runs if run.state in ("running", "stopping")]
        if self._live is not None:
            self._live.update(self._table(active))
        else:
            for name, run in active:
                self._line(name, run)

    def _line(self, name: str, run: Run) -> None:
        text = self._describe(name, run)
        before, at = self._said.get(run.id, ("", 0.0))
        if text != before and time.monotonic() - at >= _LINE_SECONDS:
            self._said[run.id] = (text, time.monotonic())
            self.say(text)

    def _describe(self, name: str, run: Run) -> str:
        if not run.total:
            return f"{name}: {run.state}"
        rate = self._rate(run)
        timing = f", {rate:.1f}/s, {_clock((run.total - run.done) / rate)} left" if rate else ""
        measures = "".join(f", {key} {value:.4g}" for key, value in run.measures.items())
        return f"{name}: {run.done}/{run.total} {run.unit}{timing}{measures}"

    def _table(self, active: list[tuple[str, Run]]) -> Table:
        table = Table.grid(padding=(0, 1))
        for name, run in active:
            table.add_row(ProgressBar(total=max(1, run.total), completed=run.done, width=24), self._describe(name, run))
        return table

    def _rate(self, run: Run) -> float | None:
        rate = self._rates.setdefault(run.id, Rate())
        return rate.per_second(run.done, run.progress_at or time.time())


class Reading:
    """How far a long look at files is, a line every few seconds, on the error stream."""

    def __init__(self) -> None:
        self._display = Display()
        self._at = time.monotonic()

    def say(self, text: str) -> None:
        """One lasting line."""
        self._display.say(text)

    def show(self, done: int, total: int) -> None:
        """Bytes read so far, of all."""
        if time.monotonic() - self._at >= _LINE_SECONDS:
            self._at = time.monotonic()
            self.say(f"reading files: {done >> 20} of {total >> 20} MB")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
