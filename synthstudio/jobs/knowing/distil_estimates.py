"""How long a distillation will take: from earlier runs of the project, scaled by what is asked, else from defaults."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from synthstudio.catalog.pipelines import Node
from synthstudio.catalog.runs import Run
from synthstudio.effort import Amounts
from synthstudio.jobs.asking import distil_recipes
from synthstudio.jobs.knowing import shots
from synthstudio.jobs.readable import Readable
from synthstudio.resources import cpu_count
from synthstudio.step import from_json, stated, step_class
from synthstudio.steps.sample import planned

_START_SECONDS = 3.0  # a worker begins, reads the photos and loads torch
_EARLIER = 3  # so many of the last runs of a kind say how fast it goes
_TYPICAL_CLASSES, _TYPICAL_PHOTOS = 10, 500  # where nobody has counted yet

_SECONDS_PER_IMAGE = 0.2  # of the other steps: splitting, sampling for a baseline


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
        effort = _effort(node.kind, node.template, photos or _TYPICAL_PHOTOS, classes or _TYPICAL_CLASSES)
        usual = step_class(node.kind).seconds_per_unit if _is_ours(node.kind) else _SECONDS_PER_IMAGE
        total += _START_SECONDS + effort * known.get(node.kind, usual)
    if measured >= {node.kind for node in nodes if node.kind.startswith(("distil.", "evaluate."))}:
        return total, "estimated from earlier runs in this project"
    if measured:
        return total, "estimated, partly from earlier runs in this project"
    return total, f"a rough estimate for two free cores; this machine has {cpu_count()}. The first run will tell"


def _is_ours(kind: str) -> bool:
    return kind.startswith("distil.") or kind == distil_recipes.JUDGE


def _effort(kind: str, asked: Mapping[str, Any], photos: int, classes: int) -> float:
    """Units that time is proportional to: what a distilling Step says itself, images for the rest."""
    known = stated(kind, asked)
    if _is_ours(kind):
        return step_class(kind).effort(known, Amounts(photos, classes, shots=photos)).units
    return planned(known, classes) if kind.startswith("sample.") else photos / 200


def _earlier(studio: Readable) -> dict[str, float]:
    """Seconds per unit of effort of the last runs of each kind that were done."""
    found: dict[str, list[float]] = {}
    for run in studio.catalog.runs.newest_done(each=_EARLIER, least_seconds=_START_SECONDS):
        if _is_ours(run.kind):
            found.setdefault(run.kind, []).append(_rate(studio, run))
    return {kind: statistics.median(rates) for kind, rates in found.items()}


def _rate(studio: Readable, run: Run) -> float:
    fields = from_json(studio.catalog.runs.step_body(run.step_id)).fields
    learned = fields.get("real") or fields.get("images")
    count, labels = shots.known(studio.workspace, learned) if learned else (0, ())
    # As many photos again are held out, where a form counts all of them.
    photos, classes = 2 * count or _TYPICAL_PHOTOS, len(labels) or _TYPICAL_CLASSES
    effort = _effort(run.kind, fields, photos, classes)
    return (run.seconds - _START_SECONDS) / max(effort, 1e-6)
