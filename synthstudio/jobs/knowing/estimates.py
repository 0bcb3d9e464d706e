"""What a recipe will cost: from earlier runs of this project where there are any, else from measured defaults.

An estimate says where it comes from. How much work a Step is, and what it takes by default, the Step says itself.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthstudio.catalog import Catalog
from synthstudio.catalog.pipelines import Node
from synthstudio.catalog.runs import Run
from synthstudio.effort import Amounts
from synthstudio.resources import cpu_count
from synthstudio.step import stated, step_class
from synthstudio.steps.sample import planned

_START_SECONDS = 1.0
_EARLIER = 5  # so many of the last runs of a kind say how fast it goes
_MB_PER_IMAGE = 0.012
_MB_PER_ADAPTER = 12.0
_MEMORY_MB = 2500.0
_BUNDLED = "pico"
_TYPICAL_CLASSES, _TYPICAL_PHOTOS = 10, 200  # where nobody has counted yet


@dataclass(frozen=True)
class Estimate:
    """Minutes, disk and memory. `seconds` is none where nobody can know yet; `basis` says why to believe it."""

    seconds: float | None
    disk_mb: float
    memory_mb: float | None
    images: int
    basis: str


def estimate(
    catalog: Catalog, nodes: Sequence[Node], request: Mapping[str, Any], photos: int, classes: int
) -> Estimate:
    """The cost of a recipe's nodes for a request; `photos` and `classes` are counted as far as known, else 0."""
    known = _earlier(catalog)
    classes = max(2, classes or _TYPICAL_CLASSES)
    photos = photos or _TYPICAL_PHOTOS
    bundled = str(request.get("backbone", "")).startswith(f"{_BUNDLED}@")
    there = _there(request, photos, classes, max((_made(node, classes) for node in nodes), default=0))
    parts = [_seconds(node, known, there, bundled) for node in nodes]
    measured = sum(node.kind in known for node in nodes)
    images = sum(_made(node, classes) for node in nodes)
    adapters = sum(node.kind.startswith("adapt.") for node in nodes)
    total = None if any(part is None for part in parts) else sum(part for part in parts if part is not None)
    return Estimate(
        seconds=total,
        disk_mb=(images + photos) * _MB_PER_IMAGE + adapters * _MB_PER_ADAPTER,
        memory_mb=max((memory for _, memory in known.values()), default=_MEMORY_MB if bundled else None),
        images=images,
        basis=_basis(measured, len(nodes), bundled),
    )


def _basis(measured: int, nodes: int, bundled: bool) -> str:
    if measured == nodes:
        return "from earlier runs in this project"
    if not bundled:
        return "nobody has run this model here yet: the first run will tell"
    if measured:
        return "partly from earlier runs in this project"
    return f"estimated for two free cores; this machine has {cpu_count()}"


def _earlier(catalog: Catalog) -> dict[str, tuple[float, float]]:
    """Per kind: the median of seconds per unit of the last runs that were done, and the largest memory."""
    runs: dict[str, list[Run]] = {}
    for run in catalog.runs.newest_done(each=_EARLIER):
        runs.setdefault(run.kind, []).append(run)
    return {
        kind: (
            statistics.median(run.seconds / run.total for run in some),
            max(run.peak_memory_mb for run in some),
        )
        for kind, some in runs.items()
    }


def _seconds(node: Node, known: Mapping[str, tuple[float, float]], there: Amounts, bundled: bool) -> float | None:
    cls = step_class(node.kind)
    if not cls.computes and node.kind not in known:
        return _START_SECONDS
    effort = cls.effort(stated(node.kind, node.template), there)
    if node.kind in known:
        return known[node.kind][0] * effort.progress
    return _START_SECONDS + cls.seconds_per_unit * effort.units if bundled else None


def _there(request: Mapping[str, Any], photos: int, classes: int, made: int) -> Amounts:
    return Amounts(
        photos=photos,
        classes=classes,
        shots=int(request.get("shots") or max(1, photos // (2 * classes))) * classes,
        made=made,
        taught=int(request.get("taught") or 0),
        folds=int(request.get("folds", 1)),
    )


def _made(node: Node, classes: int) -> int:
    return planned(stated(node.kind, node.template), classes) if node.kind.startswith("sample.") else 0
