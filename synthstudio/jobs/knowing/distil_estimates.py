"""How long a distillation will take: from earlier runs of the project, scaled by what is asked, else from defaults."""

import statistics
from collections.abc import Sequence

from synthstudio.catalog.pipelines import Node
from synthstudio.catalog.runs import Run
from synthstudio.jobs.asking import distil_recipes
from synthstudio.jobs.knowing import shots
from synthstudio.jobs.readable import Readable
from synthstudio.resources import cpu_count
from synthstudio.step import from_json, stated

_START_SECONDS = 3.0  # a worker begins, reads the photos and loads torch
_EARLIER = 3  # so many of the last runs of a kind say how fast it goes
_TYPICAL_CLASSES, _TYPICAL_PHOTOS = 10, 500  # where nobody has counted yet

# Estimated seconds per million pixel-channels shown to a network, two free cores; earlier runs replace them.
_SECONDS_PER_EFFORT = {"distil.match": 0.03, "distil.experts": 0.012, "evaluate.small_set": 0.012}
_SECONDS_PER_IMAGE = 0.2
_LEAST_PER_STEP = 0.5  # a step on however few pixels takes as long as one on so many millions


def estimate(
    studio: Readable, nodes: Sequence[Node], backbone: str, photos: int, classes: int
) -> tuple[float | None, str]:
    """(seconds, why to believe it): from earlier runs of the project, scaled by what is asked, else from defaults.

    `photos` and `classes` are counted as far as known, else 0.
    """
    known = _earlier(studio)
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
    known = stated(kind, asked)

    def number(name: str) -> int:
        return int(known.get(name) or 0)

    scale = number("image_size") ** 2 * number("width") / 1e6
    if kind == distil_recipes.MATCH:
        images = number("images_per_class") + number("real_batch")
        return number("iterations") * classes * (images * scale + _LEAST_PER_STEP)
    if kind == "distil.experts":
        batch = number("batch_size")
        return number("experts") * number("epochs") * photos / batch * (batch * scale + _LEAST_PER_STEP)
    if kind == distil_recipes.JUDGE:
        learning = number("training_steps") * (number("batch_size") * scale + _LEAST_PER_STEP)
        return trainings * (learning + photos * scale / 3 + _LEAST_PER_STEP)
    if kind.startswith(("distil.", "sample.")):
        return number("images_per_class") * classes
    return photos / 200


def _earlier(studio: Readable) -> dict[str, float]:
    """Seconds per unit of effort of the last runs of each kind that were done."""
    found: dict[str, list[float]] = {}
    for run in studio.catalog.runs.newest_done(each=_EARLIER, least_seconds=_START_SECONDS):
        if run.kind.startswith("distil.") or run.kind == distil_recipes.JUDGE:
            found.setdefault(run.kind, []).append(_rate(studio, run))
    return {kind: statistics.median(rates) for kind, rates in found.items()}


def _rate(studio: Readable, run: Run) -> float:
    fields = from_json(studio.catalog.runs.step_body(run.step_id)).fields
    learned = fields.get("real") or fields.get("images")
    count, labels = shots.known(studio.workspace, learned) if learned else (0, ())
    # As many photos again are held out, where a form counts all of them.
    photos, classes = 2 * count or _TYPICAL_PHOTOS, len(labels) or _TYPICAL_CLASSES
    effort = _effort_of(run.kind, fields, photos, classes, run.total)
    return (run.seconds - _START_SECONDS) / max(effort, 1e-6)
