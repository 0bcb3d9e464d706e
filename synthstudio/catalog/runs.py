"""Steps and their runs."""

import json
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from synthstudio.catalog.database import Database
from synthstudio.errors import UnknownName
from synthstudio.resources import Resources
from synthstudio.step import Step

State = Literal["queued", "running", "stopping", "stopped", "done", "failed", "lost"]
ACTIVE: tuple[State, ...] = ("running", "stopping")
RESUMABLE: tuple[State, ...] = ("stopped", "failed", "lost")

_COLUMNS = """
    r.id, r.step_id, r.kind, r.state, r.attempt, r.resources, r.device, r.read_to, r.created, r.started, r.finished,
    r.pid, r.pid_started, r.done, r.total, r.unit, r.progress_at, r.measures, r.environment, r.seconds,
    r.peak_memory_mb, r.error, r.position
"""


@dataclass(frozen=True)
class Run:
    """One attempt at a Step, as the catalog knows it."""

    id: str
    step_id: str
    kind: str
    state: State
    attempt: int
    resources: Resources
    device: str
    read_to: int
    created: float
    started: float | None
    finished: float | None
    pid: int | None
    pid_started: float | None
    done: int
    total: int
    unit: str
    progress_at: float | None
    measures: dict[str, float] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    error: str | None = None
    position: int = 0


class Runs:
    """Queries and changes of runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run_id: str, step: Step, resources: Resources) -> None:
        """Queue a run of a step."""
        with self._database.transaction() as cursor:
            cursor.execute(
                "insert or ignore into steps (id, kind, body) values (?, ?, ?)", [step.id, step.kind, step.to_json()]
            )
            cursor.execute(
                "insert into runs (id, step_id, kind, state, resources, created) values (?, ?, ?, 'queued', ?, ?)",
                [run_id, step.id, step.kind, resources.model_dump_json(), time.time()],
            )

    def get(self, run_id: str) -> Run:
        """One run; a unique beginning of its id is enough."""
        found = self._select("where starts_with(r.id, ?)", [run_id])
        exact = [run for run in found if run.id == run_id] or found
        if len(exact) != 1:
            known = [i for (i,) in self._database.rows("select id from runs order by position desc limit 20")]
            raise UnknownName.among("run", run_id, known)
        return exact[0]

    def all(self, limit: int = 1000) -> list[Run]:
        """Newest first."""
        return self._select("order by r.position desc limit ?", [limit])

    def of_pipeline(self, pipeline_id: str) -> dict[str, Run]:
        """Every run a pipeline has so far, by id."""
        chosen = "where r.id in (select run_id from nodes where pipeline_id = ?)"
        return {run.id: run for run in self._select(chosen, [pipeline_id])}

    def in_state(self, *states: State) -> list[Run]:
        """Runs in any of these states, oldest first."""
        return self._select("where list_contains(?, r.state) order by r.position", [list(states)])

    def of_step(self, step_id: str) -> list[Run]:
        """Every run of a step, newest first."""
        return self._select("where r.step_id = ? order by r.position desc", [step_id])

    def step_body(self, step_id: str) -> str:
        """The stored JSON of a step."""
        return str(self._database.rows("select body from steps where id = ?", [step_id])[0][0])

    def outputs(self, run_id: str) -> dict[str, Any]:
        """What a run made, in the order it was said."""
        rows = self._database.rows("select name, value from outputs where run_id = ? order by position", [run_id])
        return {name: json.loads(value) for name, value in rows}

    def notes(self, run_id: str) -> list[dict[str, Any]]:
        """Sentences a run said, oldest first."""
        return self._database.records("select text, level, said from notes where run_id = ? order by said", [run_id])

    def refused(self, run_id: str) -> list[dict[str, Any]]:
        """Inputs a run did not use, and why."""
        return self._database.records("select name, reason from refused where run_id = ? order by name", [run_id])

    def metrics(self, run_id: str) -> list[dict[str, Any]]:
        """Numbers a run measured."""
        return self._database.records(
            "select name, arm, label, fold, value, low, high, n, split from metrics where run_id = ?"
            " order by name, fold, arm, label",
            [run_id],
        )

    def launched(self, run_id: str, device: str, pid: int, pid_started: float) -> None:
        """A worker process was started for the run."""
        self._change(run_id, "state = 'running', device = ?, pid = ?, pid_started = ?, error = null, finished = null",
                     [device, pid, pid_started])  # fmt: skip

    def set_state(self, run_id: str, state: State, error: str | None = None) -> None:
        """Move a run to another state."""
        finished = time.time() if state in ("stopped", "done", "failed", "lost") else None
        self._change(run_id, "state = ?, error = ?, finished = ?", [state, error, finished])

    def _change(self, run_id: str, assignment: str, values: list[Any]) -> None:
        with self._database.transaction() as cursor:
            cursor.execute(f"update runs set {assignment} where id = ?", [*values, run_id])  # noqa: S608

    def _select(self, condition: str, values: list[Any]) -> list[Run]:
        rows = self._database.records(f"select {_COLUMNS} from runs r {condition}", values)  # noqa: S608
        for row in rows:
            row["resources"] = Resources.model_validate_json(row["resources"])
            row["measures"] = json.loads(row["measures"] or "{}")
            row["environment"] = json.loads(row["environment"] or "{}")
        return [Run(**row) for row in rows]
