"""The trials of a sweep as nodes: each asks for settings, makes images with them and measures these, one after another.

A node of `sweep.best` stands for its trials. What takes settings from it (`$sweep.guidance_scale`) is what is tried: it
is made once for each trial, with the settings of that trial. All nodes are there before the first runs, so whatever
resumes, estimates, admits or shows a pipeline needs to know nothing of sweeps.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from synthstudio.catalog.pipelines import Node
from synthstudio.errors import BadInput
from synthstudio.steps.measure.images import MeasureImages
from synthstudio.steps.sample.text import Text
from synthstudio.steps.sample.variation import Variation
from synthstudio.steps.sweep.best import BestSettings, check_room
from synthstudio.steps.sweep.next import NextSettings
from synthstudio.steps.sweep.ranges import Range, Ranges

KINDS = (Text.kind, Variation.kind)  # what can be tried
_RANGES: TypeAdapter[tuple[Range, ...]] = TypeAdapter(Ranges)
_PARTS = ("settings", "images", "measures")  # of a trial


def spread(nodes: Sequence[Node]) -> list[Node]:
    """These nodes, with its trials before each sweep; a sweep that nothing takes its settings from is left out."""
    found: list[Node] = []
    for node in nodes:
        if node.kind != BestSettings.kind or "asked" in node.template:
            found.append(node)
        elif tried := [one for one in nodes if one.fold == node.fold and _taken(one, node)]:
            found += _with_trials(node, tried)
    return found


def trials_of(sweep: Node, nodes: Sequence[Node]) -> list[tuple[Node, Node, Node]]:
    """The nodes of each trial of a sweep: what chose its settings, made its images and measured them."""
    own = {one.name: one for one in nodes if one.fold == sweep.fold}
    numbers = range(1, len(sweep.template.get("asked", ())) + 1)
    return [(own[a], own[b], own[c]) for a, b, c in (_names(sweep, number) for number in numbers)]


def tried_in(nodes: Sequence[Node]) -> set[tuple[str, int | None]]:
    """Which nodes (name, fold) make images for trials alone: nobody learns from those."""
    sweeps = [one for one in nodes if one.kind == BestSettings.kind]
    return {(images.name, images.fold) for sweep in sweeps for _, images, _ in trials_of(sweep, nodes)}


def _taken(node: Node, sweep: Node) -> dict[str, str]:
    """The fields of a node that are set by a sweep, and which setting each is."""
    begin = f"${sweep.name}."
    return {
        field: value.removeprefix(begin) for field, value in node.template.items()
        if isinstance(value, str) and value.startswith(begin)
    }  # fmt: skip


def _with_trials(sweep: Node, tried: Sequence[Node]) -> list[Node]:
    if len(tried) > 1 or tried[0].kind not in KINDS:
        raise BadInput(
            f"One step takes its settings from {sweep.name}, of the kind {' or '.join(KINDS)}; here it is "
            f"{', '.join(f'{one.name} ({one.kind})' for one in tried)}."
        )
    taken = _taken(tried[0], sweep)
    template = {**sweep.template, "ranges": _ranges(sweep, tried[0], taken)}
    wanted = _number(template, "trials")
    check_room(_RANGES.validate_python(template["ranges"]), wanted)
    found: list[Node] = []
    for number in range(1, wanted + 1):
        found += _trial(replace(sweep, template=template), tried[0], taken, number)
    return [*found, replace(sweep, template=template | _so_far(sweep, wanted) | {"images": _all(sweep, 1, wanted)})]


def _ranges(sweep: Node, tried: Node, taken: dict[str, str]) -> list[dict[str, Any]]:
    """The ranges of what is taken: a setting that was given by hand is swept no more."""
    own = {one.field: one for one in _RANGES.validate_python(sweep.template["ranges"])}
    missing = [field for field in taken.values() if field not in own]
    if missing:
        raise BadInput(f"{tried.name} takes {missing[0]} from {sweep.name}, which has no range for it. Add one.")
    return [own[field].model_dump(mode="json") for field in own if field in taken.values()]


def _trial(sweep: Node, tried: Node, taken: dict[str, str], number: int) -> list[Node]:
    """Ask, make, measure."""
    settings, images, measures = _names(sweep, number)
    given = {name: sweep.template[name] for name in NextSettings.model_fields if name in sweep.template}
    made: dict[str, Any] = {field: f"${settings}.{setting}" for field, setting in taken.items()}
    made["images_per_class"] = _number(sweep.template, "images_per_class")
    measured = {
        "images": f"${images}.images", "references": sweep.template["validation"],
        "encoder": sweep.template["encoder"], "own_classes": True,
    }  # fmt: skip
    return [
        replace(sweep, name=settings, kind=NextSettings.kind, template=given | _so_far(sweep, number - 1)),
        replace(tried, name=images, template={**tried.template, **made}),
        replace(sweep, name=measures, kind=MeasureImages.kind, template=measured),
    ]


def _so_far(sweep: Node, count: int) -> dict[str, list[str]]:
    return {"asked": _all(sweep, 0, count), "scored": _all(sweep, 2, count)}


def _all(sweep: Node, part: int, count: int) -> list[str]:
    """The output of this part of so many trials, as holes."""
    return [f"${_names(sweep, number)[part]}.{_PARTS[part]}" for number in range(1, count + 1)]


def _names(sweep: Node, number: int) -> list[str]:
    return [f"{sweep.name}-{number}-{part}" for part in _PARTS]


def _number(template: dict[str, Any], field: str) -> int:
    return int(template.get(field, BestSettings.model_fields[field].default))
