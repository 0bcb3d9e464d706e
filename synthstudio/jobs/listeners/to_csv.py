"""Numbers of runs as CSV: `logs/csv/<kind>-<run>.csv` in the project's folder, a row for each number."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from synthstudio.catalog.runs import Run
from synthstudio.jobs.listeners.listener import FileListener
from synthstudio.jobs.listeners.numbers import Number

COLUMNS = ("time", "run", "kind", "step", "name", "value", "low", "high", "n", "split", "arm", "label", "fold")


class ToCsv(FileListener):
    """Needs no package. Rows of several files fit under each other."""

    def path(self, run: Run) -> Path:
        """One file for each run."""
        return self.folder / "csv" / f"{run.kind}-{run.id}.csv"

    def encoded(self, run: Run, new: Sequence[Number], first: bool) -> bytes:
        """Rows of `COLUMNS`; times in UTC, folds counted from 1, what does not apply is empty."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        if first:
            rows.writerow(COLUMNS)
        for one in new:
            time = datetime.fromtimestamp(one.at, UTC).isoformat(timespec="milliseconds")
            fold = None if one.fold is None else one.fold + 1
            rows.writerow((time, run.id, run.kind, one.step, one.name, one.value, one.low, one.high, one.n, one.split,
                           one.arm, one.label, fold))  # fmt: skip
        return text.getvalue().encode()


def listener(logs: Path, project: str) -> ToCsv:
    """The listener of a project whose logs go to this folder."""
    return ToCsv(logs)
