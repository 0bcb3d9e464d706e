"""Numbers of runs for trackio: `trackio show --project synthstudio-<project>`, from where trackio keeps its own.

Its storage is used and not `trackio.init`, which asks the Hub for the name of whoever is signed in, measures the
machine from threads of its own and may be told by the environment to write to a Space. Nothing here leaves the machine.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from trackio.sqlite_storage import SQLiteStorage

from synthstudio.catalog.runs import Run
from synthstudio.jobs.listeners.listener import Cursor, Listener
from synthstudio.jobs.listeners.numbers import Number


class ToTrackio(Listener):
    """One row for each moment and step. trackio keeps one of each id, so a row written again changes nothing."""

    def __init__(self, project: str) -> None:
        self.project = project

    def write(self, run: Run, new: Sequence[Number], so_far: Cursor) -> int:
        """Metrics by tag. Ids count the numbers of the run."""
        metrics, steps, times, ids = [], [], [], []
        number = so_far.said
        for (at, step), group in groupby(new, key=lambda one: (one.at, one.step)):
            some = list(group)
            metrics.append({one.tag: one.value for one in some})
            steps.append(step)
            times.append(datetime.fromtimestamp(at, UTC).isoformat())
            ids.append(f"{run.id}:{number}")
            number += len(some)
        SQLiteStorage.bulk_log(
            self.project, f"{run.kind}-{run.id}", metrics, steps=steps, timestamps=times, log_ids=ids, run_id=run.id,
            config={"kind": run.kind, "step": run.step_id},
        )  # fmt: skip
        return 0


def listener(logs: Path, project: str) -> ToTrackio:
    """The listener of a project."""
    return ToTrackio(f"synthstudio-{project}")
