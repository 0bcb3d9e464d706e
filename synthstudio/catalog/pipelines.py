"""Pipelines: a recipe in progress, one node per Step it still has to fill in, run or reuse."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import duckdb

from synthstudio.catalog.database import Database, insert
from synthstudio.errors import UnknownName
from synthstudio.resources import Resources

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
        line = {
            "pipeline": pipeline_id, "recipe": recipe, "request": json.dumps(request, ensure_ascii=False),
            "created": time.time(),
            "nodes": [
                [node.position, node.name, node.fold, node.kind, json.dumps(node.template, ensure_ascii=False)]
                for node in nodes
            ],
        }  # fmt: skip
        self._do(line)

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
        return self.nodes_of([pipeline_id])[pipeline_id]

    def nodes_of(self, pipeline_ids: Iterable[str]) -> dict[str, list[Node]]:
        """The nodes of many pipelines, by pipeline: one query."""
        found: dict[str, list[Node]] = {one: [] for one in pipeline_ids}
        rows = self._database.records(
            "select pipeline_id, position, name, fold, kind, template, run_id, reused from nodes"
            " where list_contains(?, pipeline_id) order by pipeline_id, position",
            [list(found)],
        )
        for row in rows:
            found[row.pop("pipeline_id")].append(Node(**{**row, "template": json.loads(row["template"])}))
        return found

    def holding(self, run_id: str) -> list[str]:
        """Pipelines that wait for a run."""
        rows = self._database.rows("select distinct pipeline_id from nodes where run_id = ?", [run_id])
        return [str(i) for (i,) in rows]

    def fill(self, pipeline_id: str, position: int, run_id: str, reused: bool) -> None:
        """A node has its run."""
        self._do({"pipeline": pipeline_id, "node": position, "run_id": run_id, "reused": reused})

    def set_state(self, pipeline_id: str, state: PipelineState, error: str | None = None) -> None:
        """Move a pipeline to another state."""
        finished = time.time() if state in ("done", "failed") else None
        self._do({"pipeline": pipeline_id, "state": state, "finished": finished, "error": error})

    def carry_out_with(self, pipeline_id: str, resources: Resources) -> None:
        """What is still to be run is run with other resources than it was asked for with."""
        self._do({"pipeline": pipeline_id, "resources": resources.model_dump()})

    def _do(self, line: dict[str, Any]) -> None:
        with self._database.transaction() as cursor:
            store_pipeline(cursor, line)
            self._database.keep(line)


def store_pipeline(cursor: duckdb.DuckDBPyConnection, line: dict[str, Any]) -> None:
    """What a line of the journal says of a pipeline: that it began, that a node has its run, with which resources it
    goes on, that its state changed.
    """
    if "nodes" in line:
        cursor.execute(
            "insert or ignore into pipelines (id, recipe, state, request, created) values (?, ?, 'running', ?, ?)",
            [line["pipeline"], line["recipe"], line["request"], line["created"]],
        )
        columns = ("pipeline_id", "position", "name", "fold", "kind", "template")
        insert(cursor, "nodes", columns, [(line["pipeline"], *node) for node in line["nodes"]])
    elif "node" in line:
        cursor.execute(
            "update nodes set run_id = ?, reused = ? where pipeline_id = ? and position = ?",
            [line["run_id"], line["reused"], line["pipeline"], line["node"]],
        )
    elif "resources" in line:
        ((request,),) = cursor.execute("select request from pipelines where id = ?", [line["pipeline"]]).fetchall()
        changed = json.dumps({**json.loads(request), "resources": line["resources"]}, ensure_ascii=False)
        cursor.execute("update pipelines set request = ? where id = ?", [changed, line["pipeline"]])
    else:
        cursor.execute(
            "update pipelines set state = ?, finished = ?, error = ? where id = ?",
            [line["state"], line["finished"], line["error"], line["pipeline"]],
        )
