"""What a recipe will cost: from earlier runs of this project where there are any, else from measured defaults.

An estimate says where it comes from. Work is counted in units that time is proportional to: images shown to the
optimiser, denoising steps, images encoded.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthstudio.catalog import Catalog
from synthstudio.catalog.pipelines import Node
from synthstudio.catalog.runs import Run
from synthstudio.resources import cpu_count
from synthstudio.step import stated, step_class

# Estimated seconds per unit with the bundled model on two free cores; earlier runs replace them.
_SECONDS_PER_UNIT = {
    "collect.import_images": 0.002,
    "adapt.": 0.02,
    "sample.": 0.03,
    "score.": 0.01,
    "measure.": 0.01,
    "train.": 0.0027,  # an image shown to the optimiser
    "evaluate.": 0.01,
}
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
    made = max((_made(node, classes) for node in nodes), default=0)
    parts = [_seconds(node, known, classes, {**request, "made": made}, photos, bundled) for node in nodes]
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


def _seconds(
    node: Node, known: Mapping[str, tuple[float, float]], classes: int, request: Mapping[str, Any], photos: int,
    bundled: bool,
) -> float | None:  # fmt: skip
    if not step_class(node.kind).computes and node.kind not in known:
        return _START_SECONDS
    units, steps = _units(node, classes, request, photos)
    if node.kind in known:
        return known[node.kind][0] * steps
    if not bundled:
        return None
    rate = next((rate for kind, rate in _SECONDS_PER_UNIT.items() if node.kind.startswith(kind)), 0.01)
    return _START_SECONDS + rate * units


def _units(node: Node, classes: int, request: Mapping[str, Any], photos: int) -> tuple[float, float]:
    """(work units, progress units) of a node: the second is what a run counts its progress in."""
    known = stated(node.kind, node.template)
    shots = int(request.get("shots") or max(1, photos // (2 * classes))) * classes
    if node.kind == "evaluate.compare":
        return photos, float(request.get("folds", 1))
    if node.kind == "evaluate.classifiers":
        asked = len(node.template["classifiers"])
        return photos * asked, asked
    if node.kind.startswith("adapt."):
        batch = int(known["batch_size"])
        steps = known["training_steps"] or float(known["epochs"]) * shots / batch
        return steps * batch, steps
    if node.kind.startswith("sample."):
        images = _made(node, classes)
        return images * int(known["inference_steps"]), images
    if node.kind.startswith("train."):
        if "training_steps" not in known:  # it looks at every image once
            taught = float(request.get("taught") or request.get("made") or 0) or shots
            return taught, taught
        return float(known["training_steps"]) * float(known["batch_size"]), float(known["training_steps"])
    if node.kind.startswith("collect."):
        return photos, photos
    scored = int(request.get("made", 0)) or shots
    return scored, scored


def _made(node: Node, classes: int) -> int:
    return int(stated(node.kind, node.template)["images_per_class"]) * classes if node.kind.startswith("sample.") else 0
