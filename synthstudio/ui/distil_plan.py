"""What a distillation will do and cost, said before it starts."""

import statistics
from collections.abc import Sequence

from synthstudio.catalog.pipelines import Node
from synthstudio.catalog.runs import Run
from synthstudio.jobs.recipes import load_recipe
from synthstudio.jobs.requests import Asked
from synthstudio.resources import cpu_count
from synthstudio.step import from_json
from synthstudio.ui import asking, distil_recipes, shots, words
from synthstudio.ui.session import StudioSession

_START_SECONDS = 3.0  # a worker begins, reads the photos and loads torch
_TYPICAL_CLASSES, _TYPICAL_PHOTOS = 10, 500  # where nobody has counted yet

# Estimated seconds per million pixel-channels shown to a network, two free cores; earlier runs replace them.
_SECONDS_PER_EFFORT = {"distil.match": 0.03, "distil.experts": 0.012, "evaluate.small_set": 0.012}
_SECONDS_PER_IMAGE = 0.2
_LEAST_PER_STEP = 0.5  # a step on however few pixels takes as long as one on so many millions


def preview(session: StudioSession, name: str, asked: Asked) -> str:
    """What will happen, in words, with what it will cost."""
    recipe = load_recipe(name)
    nodes = asking.planned(recipe, asked)
    made = next(node for node in nodes if node.name == distil_recipes.maker(name))
    lines = "".join(f"<li>{words.safe(text)}</li>" for text in _lines(nodes, asked.folds))
    return (
        f"<div class='ss-plan'><h2>What it will do</h2><p>{words.safe(recipe.summary)}</p>"
        f"{_facts(session, nodes, asked, made)}<ol>{lines}</ol>"
        f"<p class='ss-muted'>After: {words.safe(recipe.paper)}</p>{words.unlike_paper(recipe, asked.preset)}</div>"
    )


def _lines(nodes: Sequence[Node], folds: int) -> list[str]:
    again = f" ×{folds}" if folds > 1 else ""
    return [_line(node) + (again if node.fold is not None else "") for node in nodes if node.fold in (None, 0)]


def _line(node: Node) -> str:
    known, said = node.template, words.node_words(node.name, node.kind, node.template)
    if node.kind == distil_recipes.MATCH:
        return f"{said}: {known.get('iterations', 500)} updates of {known.get('images_per_class', 10)} images per class"
    if node.kind == distil_recipes.JUDGE:
        nets = ", ".join(known.get("architectures", ()))
        return (
            f"{said}: {distil_recipes.trainings(node)} trainings of {known.get('training_steps', 300)} steps "
            f"({nets}; with and without augmentation)"
        )
    if node.kind.startswith("distil.") and "images_per_class" in known:
        return f"{said}: {known['images_per_class']} images per class"
    return said


def _facts(session: StudioSession, nodes: Sequence[Node], asked: Asked, made: Node) -> str:
    photos = shots.photos_of(session, asked.data)
    seconds, basis = estimate(session, nodes, asked.backbone, len(photos), photos.classes)
    size = made.template.get("images_per_class", 10)
    facts = [
        ("Time", f"about {words.duration(seconds)}" if seconds is not None else "unknown"),
        ("Images per class", str(size)),
        ("To learn from", "every photo not held out" if asked.shots is None else f"{asked.shots} photos per class"),
        ("Photos", photos.words() if photos else "counted at import"),
    ]
    few = asking.too_few(photos, nodes, asked)
    cells = "".join(f"<div><dt>{name}</dt><dd>{words.safe(value)}</dd></div>" for name, value in facts)
    return f"<dl class='ss-facts'>{cells}</dl><p class='ss-muted'>Time: {words.safe(basis)}.</p>{few}"


def estimate(
    session: StudioSession, nodes: Sequence[Node], backbone: str, photos: int, classes: int
) -> tuple[float | None, str]:
    """(seconds, why to believe it): from earlier runs of the project, scaled by what is asked, else from defaults.

    `photos` and `classes` are counted as far as known, else 0.
    """
    known = _earlier(session)
    measured = {node.kind for node in nodes if node.kind in known}
    if backbone != "pico" and distil_recipes.JUDGE not in measured:
        return None, "nobody has run this model here yet: the first run will tell"
    total = 0.0
    for node in nodes:
        effort = _effort(node, photos or _TYPICAL_PHOTOS, classes or _TYPICAL_CLASSES)
        rate = known.get(node.kind, _SECONDS_PER_EFFORT.get(node.kind, _SECONDS_PER_IMAGE))
        total += _START_SECONDS + effort * rate
    if measured >= {node.kind for node in nodes if node.kind.startswith(("distil.", "evaluate."))}:
        return total, "estimated from earlier runs in this project"
    if measured:
        return total, "estimated, partly from earlier runs in this project"
    return total, f"a rough estimate for two free cores; this machine has {cpu_count()}. The first run will tell"


def _effort(node: Node, photos: int, classes: int) -> float:
    """Units that time is proportional to: millions of pixels times channels for a network, images for the rest."""
    return _effort_of(node.kind, dict(node.template), photos, classes, distil_recipes.trainings(node))


def _effort_of(kind: str, asked: dict[str, object], photos: int, classes: int, trainings: int) -> float:
    def number(name: str, default: int) -> int:
        value = asked.get(name)
        return default if value is None else int(str(value))

    scale = number("image_size", 32) ** 2 * number("width", 32) / 1e6
    if kind == distil_recipes.MATCH:
        images = number("images_per_class", 10) + number("real_batch", 64)
        return number("iterations", 500) * classes * (images * scale + _LEAST_PER_STEP)
    if kind == "distil.experts":
        batch = number("batch_size", 256)
        return number("experts", 10) * number("epochs", 10) * photos / batch * (batch * scale + _LEAST_PER_STEP)
    if kind == distil_recipes.JUDGE:
        learning = number("training_steps", 300) * (number("batch_size", 64) * scale + _LEAST_PER_STEP)
        return trainings * (learning + photos * scale / 3 + _LEAST_PER_STEP)
    if kind.startswith(("distil.", "sample.")):
        return number("images_per_class", 10) * classes
    return photos / 200


def _earlier(session: StudioSession) -> dict[str, float]:
    """Seconds per unit of effort of the last runs of each kind that were done."""
    found: dict[str, list[float]] = {}
    for run in session.studio.catalog.runs.of_kind("distil.", "evaluate.small_set", limit=200):
        if run.seconds > _START_SECONDS:
            found.setdefault(run.kind, []).append(_rate(session, run))
    return {kind: statistics.median(rates[:3]) for kind, rates in found.items()}


def _rate(session: StudioSession, run: Run) -> float:
    fields = from_json(session.studio.catalog.runs.step_body(run.step_id)).fields
    learned = fields.get("real") or fields.get("images")
    count, labels = shots.known(session.studio.workspace, learned) if learned else (0, ())
    # As many photos again are held out, where a form counts all of them.
    photos, classes = 2 * count or _TYPICAL_PHOTOS, len(labels) or _TYPICAL_CLASSES
    effort = _effort_of(run.kind, fields, photos, classes, run.total)
    return (run.seconds - _START_SECONDS) / max(effort, 1e-6)
