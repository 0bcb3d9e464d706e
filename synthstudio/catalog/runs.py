"""Steps and their runs."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import duckdb

from synthstudio.catalog.database import Database, insert
from synthstudio.errors import UnknownName
from synthstudio.resources import Resources
from synthstudio.step import Step, from_json

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


# What may be set by name, from our own code or from a line of the journal.
SETTABLE = (
    "state", "error", "finished", "device", "pid", "pid_started", "launched", "attempt", "started", "done", "total",
    "unit", "progress_at", "measures", "environment", "seconds", "peak_memory_mb", "read_to", "turn",
)  # fmt: skip


def store_run(cursor: duckdb.DuckDBPyConnection, line: dict[str, Any]) -> None:
    """Rows of a run and its step, from a line of the journal; storing it twice changes nothing."""
    cursor.execute(
        "insert or ignore into steps (id, kind, body) values (?, ?, ?)", [line["step"], line["kind"], line["body"]]
    )
    cursor.execute(
        "insert or ignore into runs (id, step_id, kind, state, resources, created, position)"
        " values (?, ?, ?, ?, ?, ?, ?)",
        [line["run"], line["step"], line["kind"], line["state"], line["resources"], line["created"], line["position"]],
    )


def change_run(cursor: duckdb.DuckDBPyConnection, run_id: str, changes: dict[str, Any]) -> None:
    """Set columns of a run."""
    names = [name for name in SETTABLE if name in changes]
    assignment = ", ".join(f"{name} = ?" for name in names)
    cursor.execute(
        f"update runs set {assignment} where id = ?",  # noqa: S608 - names from the list above
        [*(changes[name] for name in names), run_id],
    )


def store_note(cursor: duckdb.DuckDBPyConnection, line: dict[str, Any]) -> None:
    """The row of a note, from a line of the journal; storing it twice changes nothing."""
    columns = ("run_id", "text", "level", "said")
    insert(cursor, "notes", columns, [(line["noted"], line["text"], line["level"], line["said"])])


class Runs:
    """Queries and changes of runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        run_id: str,
        step: Step,
        resources: Resources,
        state: State = "queued",
        created: float | None = None,
    ) -> None:
        """Queue a run of a step. A run that is found again has a state and a time of its own."""
        with self._database.transaction() as cursor:
            ((highest,),) = cursor.execute("select coalesce(max(position), 0) from runs").fetchall()
            line = {
                "run": run_id, "step": step.id, "kind": step.kind, "body": step.to_json(), "state": state,
                "resources": resources.model_dump_json(), "position": highest + 1,
                "created": time.time() if created is None else created,
            }  # fmt: skip
            store_run(cursor, line)
            self._database.keep(line)

    def get(self, run_id: str) -> Run:
        """One run; a unique beginning of its id is enough."""
        found = self._select("where starts_with(r.id, ?)", [run_id])
        exact = [run for run in found if run.id == run_id] or found
        if len(exact) != 1:
            known = [i for (i,) in self._database.rows("select id from runs order by position desc limit 20")]
            raise UnknownName.among("run", run_id, known)
        return exact[0]

    def those(self, run_ids: Iterable[str]) -> dict[str, Run]:
        """Many runs by their whole ids; one that is not here is left out. One query."""
        return {run.id: run for run in self._select("where list_contains(?, r.id)", [list(run_ids)])}

    def all(self, limit: int = 1000) -> list[Run]:
        """Newest first."""
        return self._select("order by r.position desc limit ?", [limit])

    def of_kind(self, *kinds: str, done: bool = True, limit: int | None = None) -> list[Run]:
        """Runs of some kinds, newest first; "score." stands for every kind that begins so.

        `done`: finished ones only.
        """
        named = " or ".join("starts_with(r.kind, ?)" if kind.endswith(".") else "r.kind = ?" for kind in kinds)
        state = "and r.state = 'done'" if done else ""
        most = "" if limit is None else f"limit {int(limit)}"
        return self._select(f"where ({named}) {state} order by r.position desc {most}", list(kinds))

    def newest_done(self, each: int, least_seconds: float = 0.0) -> list[Run]:
        """Of every kind the last `each` finished runs that took longer and counted their work, newest first."""
        return self._select(
            "where r.state = 'done' and r.seconds > ? and r.total > 0"
            " qualify row_number() over (partition by r.kind order by r.position desc) <= ? order by r.position desc",
            [least_seconds, each],
        )

    def ids(self) -> set[str]:
        """The ids of all runs."""
        return {str(run_id) for (run_id,) in self._database.rows("select id from runs")}

    def of_pipeline(self, pipeline_id: str) -> dict[str, Run]:
        """Every run a pipeline has so far, by id."""
        chosen = "where r.id in (select run_id from nodes where pipeline_id = ?)"
        return {run.id: run for run in self._select(chosen, [pipeline_id])}

    def in_state(self, *states: State) -> list[Run]:
        """Runs in any of these states: first those that were given a turn, in turn, then the others, oldest first."""
        return self._select("where list_contains(?, r.state) order by r.turn nulls last, r.position", [list(states)])

    def reorder(self, wanted: Sequence[str]) -> None:
        """Let queued runs start in this order; the other queued ones come after them, as they stood.

        A run that is not queued any more is passed over. UnknownName if there is no such run at all.
        """
        known = self.ids()
        for run_id in wanted:
            if run_id not in known:
                raise UnknownName.among("run", run_id, sorted(known)[-20:])
        with self._database.transaction() as cursor:
            queued = [
                str(run_id) for (run_id,) in cursor.execute(
                    "select id from runs where state = 'queued' order by turn nulls last, position"
                ).fetchall()
            ]  # fmt: skip
            waiting = dict.fromkeys(queued)
            first = [run_id for run_id in dict.fromkeys(wanted) if run_id in waiting]
            for turn, run_id in enumerate([*first, *(one for one in queued if one not in set(first))]):
                self._set(cursor, run_id, {"turn": turn})

    def of_step(self, step_id: str) -> list[Run]:
        """Every run of a step, newest first."""
        return self._select("where r.step_id = ? order by r.position desc", [step_id])

    def making(self, artifact_id: str) -> list[Run]:
        """Finished runs that made this artifact, newest first."""
        return self._select(
            "where r.state = 'done' and r.id in (select run_id from outputs where json_extract_string(value, '$') = ?)"
            " order by r.position desc",
            [artifact_id],
        )

    def saying(self, artifact_id: str) -> list[Run]:
        """Runs in any state that said this artifact as an output, newest first."""
        return self._select(
            "where r.id in (select run_id from outputs where json_extract_string(value, '$') = ?)"
            " order by r.position desc",
            [artifact_id],
        )

    def step_body(self, step_id: str) -> str:
        """The stored JSON of a step."""
        return str(self._database.rows("select body from steps where id = ?", [step_id])[0][0])

    def with_output(self, name: str) -> set[str]:
        """The ids of runs that said an output of this name."""
        return {str(run) for (run,) in self._database.rows("select run_id from outputs where name = ?", [name])}

    def bodies(self) -> dict[str, str]:
        """The stored JSON of the step of every run, by run."""
        return dict(self._database.rows("select r.id, s.body::text from runs r join steps s on s.id = r.step_id"))

    def fields(self, run_id: str) -> dict[str, Any]:
        """The fields of a run's Step, as JSON values."""
        ((body,),) = self._database.rows(
            "select s.body from runs r join steps s on s.id = r.step_id where r.id = ?", [run_id]
        )
        return from_json(str(body)).fields

    def fields_of(self, run_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The fields of the Steps of many runs, by run: one query."""
        rows = self._database.rows(
            "select r.id, s.body from runs r join steps s on s.id = r.step_id where list_contains(?, r.id)",
            [list(run_ids)],
        )
        return {str(run_id): from_json(str(body)).fields for run_id, body in rows}

    def outputs_of(self, run_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """What many runs made, by run; nothing for a run that made nothing. One query."""
        found: dict[str, dict[str, Any]] = {run_id: {} for run_id in run_ids}
        rows = self._database.rows(
            "select run_id, name, value from outputs where list_contains(?, run_id) order by run_id, position",
            [list(found)],
        )
        for run_id, name, value in rows:
            found[run_id][name] = json.loads(value)
        return found

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

    def metrics_of(self, run_ids: Iterable[str], name: str) -> dict[str, list[dict[str, Any]]]:
        """The numbers of one name that many runs measured, by run; nothing for a run that measured none. One query."""
        found: dict[str, list[dict[str, Any]]] = {run_id: [] for run_id in run_ids}
        rows = self._database.records(
            "select run_id, name, arm, label, fold, value, low, high, n, split from metrics"
            " where list_contains(?, run_id) and name = ? order by run_id, fold, arm, label",
            [list(found), name],
        )
        for row in rows:
            found[row.pop("run_id")].append(row)
        return found

    def launched(self, run_id: str, device: str, pid: int, pid_started: float, asked: float | None = None) -> None:
        """A worker process was started for the run; `asked` is a moment before it could say anything."""
        self._change(run_id, {"state": "running", "device": device, "pid": pid, "pid_started": pid_started,
                              "launched": asked, "error": None, "finished": None, "turn": None})  # fmt: skip

    def held_by(self, run_id: str, pid: int, pid_started: float) -> None:
        """The run is carried out by another process than was thought."""
        self._change(run_id, {"pid": pid, "pid_started": pid_started})

    def set_state(self, run_id: str, state: State, error: str | None = None) -> None:
        """Move a run to another state."""
        finished = time.time() if state in ("stopped", "done", "failed", "lost") else None
        self._change(run_id, {"state": state, "error": error, "finished": finished, "turn": None})

    def say(self, run_id: str, text: str, level: str = "warning") -> None:
        """Leave a note at a run that no worker said; the same sentence again changes nothing."""
        line = {"noted": run_id, "text": text, "level": level, "said": time.time()}
        with self._database.transaction() as cursor:
            store_note(cursor, line)
            self._database.keep(line)

    def _change(self, run_id: str, changes: dict[str, Any]) -> None:
        with self._database.transaction() as cursor:
            self._set(cursor, run_id, changes)

    def _set(self, cursor: duckdb.DuckDBPyConnection, run_id: str, changes: dict[str, Any]) -> None:
        change_run(cursor, run_id, changes)
        # How far its log was read tells a rebuild what the run had said before this.
        found = cursor.execute("select read_to from runs where id = ?", [run_id]).fetchall()
        if found:
            self._database.keep({"run": run_id, "set": changes, "read_to": found[0][0]})

    def _select(self, condition: str, values: list[Any]) -> list[Run]:
        rows = self._database.records(f"select {_COLUMNS} from runs r {condition}", values)  # noqa: S608
        for row in rows:
            row["resources"] = Resources.model_validate_json(row["resources"])
            row["measures"] = json.loads(row["measures"] or "{}")
            row["environment"] = json.loads(row["environment"] or "{}")
        return [Run(**row) for row in rows]
