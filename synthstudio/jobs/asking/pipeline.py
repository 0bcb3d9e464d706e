"""Move a pipeline on: fill holes with the outputs of ended runs, submit what is ready, end it."""

from typing import TYPE_CHECKING, Any

from synthstudio.catalog.pipelines import Node, Pipeline
from synthstudio.errors import BadInput, StudioError
from synthstudio.jobs.asking.recipes import references
from synthstudio.resources import Resources
from synthstudio.step import build

if TYPE_CHECKING:
    from synthstudio.jobs.studio import Studio


def advance(studio: "Studio", pipeline: Pipeline) -> None:
    """One look at a running pipeline; never waits."""
    nodes = studio.catalog.pipelines.nodes(pipeline.id)
    runs = studio.catalog.runs.of_pipeline(pipeline.id)
    states = {node.position: runs[node.run_id].state if node.run_id else "waiting" for node in nodes}
    broken = [node for node in nodes if states[node.position] in ("failed", "lost", "stopped")]
    if broken:
        how = states[broken[0].position]
        studio.catalog.pipelines.set_state(pipeline.id, "stopped" if how == "stopped" else "failed")
        return
    ended = [node for node in nodes if node.run_id and states[node.position] == "done"]
    made = studio.catalog.runs.outputs_of(str(node.run_id) for node in ended)
    done = {node.position: made[str(node.run_id)] for node in ended}
    if len(done) == len(nodes):
        studio.catalog.pipelines.set_state(pipeline.id, "done")
        return
    resources = Resources.model_validate(pipeline.request.get("resources", {}))
    for node in nodes:
        if node.run_id is None and _ready(node, nodes, done):
            try:
                step = build(node.kind, {name: fill(value, node, nodes, done) for name, value in node.template.items()})
                run_id, reused = studio.submit(step, resources)
            except StudioError as error:
                studio.catalog.pipelines.set_state(pipeline.id, "failed", f"{node.name}: {error}")
                return
            studio.catalog.pipelines.fill(pipeline.id, node.position, run_id, reused)


def fill(value: Any, node: Node, nodes: list[Node], done: dict[int, dict[str, Any]]) -> Any:
    """Replace holes by outputs: of the same fold, of a shared node, or as a list over the folds."""
    if isinstance(value, list):
        return [fill(one, node, nodes, done) for one in value]
    if not (isinstance(value, str) and value.startswith("$")):
        return value
    name, _, output = value[1:].partition(".")
    found = [_output(done[one.position], output, one) for one in _named(name, node, nodes)]
    gathered = node.fold is None and any(one.fold is not None for one in _named(name, node, nodes))
    return found if gathered else found[0]


def _output(outputs: dict[str, Any], name: str, node: Node) -> Any:
    if not name:
        return next(iter(outputs.values()))
    if name not in outputs:
        raise BadInput(f"{node.name} ({node.kind}) has no output called {name}; it has {', '.join(outputs)}.")
    return outputs[name]


def _named(name: str, node: Node, nodes: list[Node]) -> list[Node]:
    of_name = [one for one in nodes if one.name == name]
    return [one for one in of_name if node.fold is None or one.fold in (None, node.fold)]


def _ready(node: Node, nodes: list[Node], done: dict[int, dict[str, Any]]) -> bool:
    needed = [one for name, _ in references(node.template) for one in _named(name, node, nodes)]
    return all(one.position in done for one in needed)
