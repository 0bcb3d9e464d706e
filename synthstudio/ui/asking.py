"""From the recipe form to a pipeline: what it will do, what it will cost, and starting it once."""

import json
from collections.abc import Sequence
from typing import Any

from synthstudio.catalog.pipelines import Node
from synthstudio.jobs.recipes import load_recipe
from synthstudio.jobs.requests import Asked, prepare
from synthstudio.ui import words
from synthstudio.ui.estimates import Estimate, estimate
from synthstudio.ui.session import StudioSession
from synthstudio.ui.stock import photos_in

_UNKNOWN = "0" * 64


def start(session: StudioSession, recipe: str, asked: Asked) -> str:
    """Start a recipe, or join the running one that was asked for with the same words. Returns the pipeline's id."""
    session.check_writable()
    loaded = load_recipe(recipe)
    request = prepare(session.studio.workspace, asked)
    nodes = loaded.nodes(request)
    stored = json.loads(json.dumps(request))
    with session.acting() as studio:
        for one in studio.catalog.pipelines.all():
            if one.state == "running" and one.recipe == loaded.name and one.request == stored:
                return one.id
        return studio.start(loaded.name, request, nodes)


def planned(recipe: str, asked: Asked) -> list[Node]:
    """The nodes of a recipe without touching data or models; BadInput says what cannot be."""
    request = {**asked.model_dump(), **_placeholders(asked)}
    return load_recipe(recipe).nodes(request)


def preview(session: StudioSession, recipe: str, asked: Asked) -> str:
    """What a recipe will do, in words, with what it will cost."""
    loaded = load_recipe(recipe)
    nodes = planned(recipe, asked)
    photos = photos_in(session, asked.data)
    cost = estimate(session.studio.catalog, nodes, _placeholders(asked), photos or 200)
    lines = "".join(f"<li>{words.safe(text)}</li>" for text in _lines(nodes, asked.folds))
    again = f"<p class='ss-muted'>Steps marked ×{asked.folds} are done once per fold.</p>" if asked.folds > 1 else ""
    return (
        f"<div class='ss-plan'><h3>What it will do</h3><p>{words.safe(loaded.summary)}</p>{_cost(cost, photos)}"
        f"<ol>{lines}</ol>{again}<p class='ss-muted'>After: {words.safe(loaded.paper)}</p></div>"
    )


def _lines(nodes: Sequence[Node], folds: int) -> list[str]:
    repeated = f" ×{folds}" if folds > 1 else ""
    return [
        words.node_words(node.name, node.kind, node.template) + (repeated if node.fold is not None else "")
        for node in nodes
        if node.fold in (None, 0)
    ]


def _cost(cost: Estimate, photos: int | None) -> str:
    time = f"about {words.duration(cost.seconds)}" if cost.seconds else "unknown"
    memory = words.megabytes(cost.memory_mb) if cost.memory_mb else "unknown"
    facts = [
        ("Time", time),
        ("Disk", words.megabytes(cost.disk_mb)),
        ("Memory", memory),
        ("New images", str(cost.images)),
        ("Photos", str(photos) if photos else "counted at import"),
    ]
    cells = "".join(f"<div><dt>{name}</dt><dd>{words.safe(value)}</dd></div>" for name, value in facts)
    return f"<dl class='ss-facts'>{cells}</dl><p class='ss-muted'>Time and memory: {words.safe(cost.basis)}.</p>"


def _placeholders(asked: Asked) -> dict[str, Any]:
    """Stands for what only `prepare` can know: digests of data and models."""
    backbone = "".join(c if c.isalnum() or c in "-_." else "-" for c in asked.backbone) or "model"
    return {
        "source": f"source:{_UNKNOWN}",
        "backbone": f"{backbone}@{_UNKNOWN}",
        "encoder": f"encoder@{_UNKNOWN}",
        "shots": asked.shots,
        "folds": asked.folds,
        "resources": asked.resources.model_dump(),
    }
