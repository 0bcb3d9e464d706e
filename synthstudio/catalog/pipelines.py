"""Pipelines: a recipe in progress, one node per Step it still has to fill in, run or reuse."""

import json
import time
from dataclasses import dataclass
from typing import Any, Literal

from synthstudio.catalog.database import Database
from synthstudio.errors import UnknownName

PipelineState = Literal["running", "stopped", "done", "failed"]


@dataclass(frozen=True)
class Node:
    """A Step of a recipe, with holes: strings that begin with $ name outputs of other nodes."""

    position: int
    name: str
    fold: int | None
    kind: str
    template: dict[str, Any]
    run_id: str | None = None
    reused: bool = False


@dataclass(frozen=True)
class Pipeline:
    """A recipe as asked for, and how far it is."""

    id: str
    recipe: str
    state: PipelineState
    request: dict[str, Any]
    created: float
    finished: float | None
    error: str | None = None


class Pipelines:
    """Queries and changes of pipelines."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, pipeline_id: str, recipe: str, request: dict[str, Any], nodes: list[Node]) -> None:
        """Store a pipeline with all its nodes."""
        with self._database.transaction() as cursor:
            cursor.execute(
                "insert into pipelines (id, recipe, state, request, created) values (?, ?, 'running', ?, ?)",
                [pipeline_id, recipe, json.dumps(request, ensure_ascii=False), time.time()],
            )
            for node in nodes:
                cursor.execute(
                    "insert into nodes (pipeline_id, position, name, fold, kind, template) values (?, ?, ?, ?, ?, ?)",
                    [pipeline_id, node.position, node.name, node.fold, node.kind,
                     json.dumps(node.template, ensure_ascii=False)],
                )  # fmt: skip

    def get(self, pipeline_id: str) -> Pipeline:
        """One pipeline."""
        found = self._select("where id = ?", [pipeline_id])
        if not found:
            raise UnknownName.among("pipeline", pipeline_id, [p.id for p in self.all()])
        return found[0]

    def running(self) -> list[Pipeline]:
        """Those that still have something to do, oldest first."""
        return self._select("where state = 'running' order by created", [])

    def all(self) -> list[Pipeline]:
        """Newest first."""
        return self._select("order by created desc", [])

    def _select(self, condition: str, values: list[Any]) -> list[Pipeline]:
        rows = self._database.records(
            f"select id, recipe, state, request, created, finished, error from pipelines {condition}",  # noqa: S608
            values,
        )
        return [Pipeline(**{**row, "request": json.loads(row["request"])}) for row in rows]

    def nodes(self, pipeline_id: str) -> list[Node]:
        """The nodes of a pipeline in recipe order."""
        rows = self._database.records(
            "select position, name, fold, kind, template, run_id, reused from nodes where pipeline_id = ?"
            " order by position",
            [pipeline_id],
        )
        return [Node(**{**row, "template": json.loads(row["template"])}) for row in rows]

    def holding(self, run_id: str) -> list[str]:
        """Pipelines that wait for a run."""
        rows = self._database.rows("select distinct pipeline_id from nodes where run_id = ?", [run_id])
        return [str(i) for (i,) in rows]

    def fill(self, pipeline_id: str, position: int, run_id: str, reused: bool) -> None:
        """A node has its run."""
        with self._database.transaction() as cursor:
            cursor.execute(
                "update nodes set run_id = ?, reused = ? where pipeline_id = ? and position = ?",
                [run_id, reused, pipeline_id, position],
            )

    def set_state(self, pipeline_id: str, state: PipelineState, error: str | None = None) -> None:
        """Move a pipeline to another state."""
        finished = time.time() if state in ("done", "failed") else None
        with self._database.transaction() as cursor:
            cursor.execute(
                "update pipelines set state = ?, finished = ?, error = ? where id = ?",
                [state, finished, error, pipeline_id],
            )
