"""From the recipe form to a pipeline: what it will do, what it will cost, and starting it once."""

import json
import logging
from collections.abc import Sequence

from synthstudio.catalog.pipelines import Node
from synthstudio.jobs.asking.asked import AUTO, Asked, placeholders, planned, prepare
from synthstudio.jobs.asking.recipes import load_recipe, recipe_names, unusable
from synthstudio.jobs.knowing import shots
from synthstudio.jobs.knowing.estimates import Estimate, estimate
from synthstudio.quantities import duration, megabytes
from synthstudio.ui import words
from synthstudio.ui.session.state import StudioSession

log = logging.getLogger("synthstudio")


def recipes(session: StudioSession) -> list[tuple[str, str]]:
    """(title, name) of what is offered: the recipes that ship, and those in the home of the owner that can be used."""
    home = session.recipe_home
    refused = unusable(home)
    return [(load_recipe(name, home).title, name) for name in recipe_names(home) if f"{name}.toml" not in refused]


def warn_of_unusable(session: StudioSession) -> None:
    """Write into the page's log which recipes of the home are not offered, and why."""
    for name, why in unusable(session.recipe_home).items():
        log.warning("the recipe %s is not offered. %s", name, why)


def start(session: StudioSession, recipe: str, asked: Asked) -> str:
    """Start a recipe, or join the running one that was asked for with the same words. Returns the pipeline's id."""
    session.check_writable()
    session.check_sources(
        asked.data, asked.backbone, *(one for one in (asked.encoder, asked.judge) if one not in (None, AUTO))
    )
    loaded = load_recipe(recipe, session.recipe_home)
    request = prepare(session.studio.workspace, asked)
    nodes = loaded.nodes(request)
    stored = json.loads(json.dumps(request))
    with session.acting() as studio:
        for one in studio.catalog.pipelines.all():
            if one.state == "running" and one.recipe == loaded.name and one.request == stored:
                return one.id
        return studio.start(loaded.name, request, nodes)


def preview(session: StudioSession, recipe: str, asked: Asked) -> str:
    """What a recipe will do, in words, with what it will cost."""
    loaded = load_recipe(recipe, session.recipe_home)
    nodes = planned(loaded, asked)
    photos = shots.photos_of(session.studio, asked.data)
    cost = estimate(session.studio.catalog, nodes, placeholders(asked), len(photos), photos.classes)
    lines = "".join(f"<li>{words.safe(text)}</li>" for text in _lines(nodes, asked.folds))
    again = f"<p class='ss-muted'>Steps marked ×{asked.folds} are done once per fold.</p>" if asked.folds > 1 else ""
    return (
        f"<div class='ss-plan'><h2>What it will do</h2><p>{words.safe(loaded.summary)}</p>{_cost(cost, photos)}"
        f"{too_few(photos, nodes, asked)}<ol>{lines}</ol>{again}"
        f"<p class='ss-muted'>After: {words.safe(loaded.paper)}</p>{words.unlike_paper(loaded, asked.preset)}</div>"
    )


def too_few(photos: shots.Photos, nodes: Sequence[Node], asked: Asked) -> str:
    """A warning if the photos do not give the shots that are asked for."""
    given = shots.will_be(photos, nodes, asked.shots)
    said = shots.sentence(given, asked.shots) if given is not None and asked.shots is not None else ""
    return f"<p class='ss-warnline'>{words.safe(said)}</p>" if said else ""


def _lines(nodes: Sequence[Node], folds: int) -> list[str]:
    repeated = f" ×{folds}" if folds > 1 else ""
    return [
        words.node_words(node.name, node.kind, node.template) + (repeated if node.fold is not None else "")
        for node in nodes
        if node.fold in (None, 0)
    ]


def _cost(cost: Estimate, photos: shots.Photos) -> str:
    time = f"about {duration(cost.seconds)}" if cost.seconds else "unknown"
    memory = megabytes(cost.memory_mb) if cost.memory_mb else "unknown"
    facts = [
        ("Time", time),
        ("Disk", megabytes(cost.disk_mb)),
        ("Memory", memory),
        ("New images", str(cost.images)),
        ("Photos", photos.words() if photos else "counted at import"),
    ]
    cells = "".join(f"<div><dt>{name}</dt><dd>{words.safe(value)}</dd></div>" for name, value in facts)
    return f"<dl class='ss-facts'>{cells}</dl><p class='ss-muted'>Time and memory: {words.safe(cost.basis)}.</p>"
