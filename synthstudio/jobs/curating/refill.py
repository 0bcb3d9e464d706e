"""Sample again without a cause: the step that made most of what was rejected, without the setting, as many images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from synthstudio.catalog.review import Query
from synthstudio.cause_terms import Condition
from synthstudio.errors import BadInput
from synthstudio.jobs.curating import causes
from synthstudio.jobs.studio import Studio
from synthstudio.quantities import many
from synthstudio.sampling_terms import per_name
from synthstudio.seeds import derived_seed
from synthstudio.step import Step, build

Fields = dict[str, Any]
_TABLES = ("captions", "hypernyms", "definitions", "guidance_per_label")  # lines that begin with a class
_HOLES = {
    "domain": ("domains", "domain_shares"), "word": ("vocabulary",), "prefix": ("prefix",), "caption": ("captions",),
    "hypernym": ("hypernyms",), "definition": ("definitions",),
}  # fmt: skip
_SEEDS = 2**31


@dataclass(frozen=True)
class Refill:
    """A step to ask for, and what it is in a sentence."""

    step: Step
    says: str


def fits(conditions: Sequence[Condition]) -> bool:
    """Whether a form can leave this out: one setting of those that a step may name several values of."""
    return len(conditions) == 1 and conditions[0].field in _LEAVING


def without(studio: Studio, query: Query, conditions: Sequence[Condition]) -> Refill:
    """As many images as were rejected of a cause, without it and without what else was rejected as a whole.

    BadInput if the setting cannot be left out: nothing would be left, or other steps made the images.
    """
    if not fits(conditions):
        raise BadInput("No form can leave this out. Reject the images, and change the settings under Sample.")
    rows = causes.rejected_by(studio, query, conditions)
    step, counts = _made_most(studio, rows)
    fields = left_out(step.fields, conditions[0])
    also = []
    for one in causes.standing(studio):
        if fits(one.conditions) and one.conditions != tuple(conditions):
            changed = _changed(step.kind, fields, one.conditions[0])
            also += [one.says] if changed is not None else []
            fields = changed or fields
    labels = [label for label in fields["labels"] if counts.get(label)] or list(fields["labels"])
    wanted = sum(counts.values())
    each = ceil(wanted / len(labels)) if labels else 1
    seed = derived_seed(fields["seed"], "without", studio.catalog.decisions.last()) % _SEEDS
    size = {"labels": labels, "images_per_class": each, "seed": seed, "only": None}
    again = build(step.kind, {**fields, **size})
    left = " and without ".join([causes.says(studio, conditions), *also])
    classes = f" of {many(len(labels), 'class', 'classes')}" if len(labels) > 1 else ""
    return Refill(
        again, f"{many(each * len(labels), 'image')}{classes} without {left}, for {wanted:,} that were rejected."
    )


def left_out(fields: Fields, condition: Condition) -> Fields:
    """The fields of a sampling step without a setting. BadInput if it is the only one, or none of this step."""
    found = _LEAVING[condition.field](dict(fields), condition)
    if found == fields:
        raise BadInput(f"The step has no {condition.says()} to leave out.")
    return found


def _made_most(studio: Studio, rows: Sequence[tuple[str, str, int]]) -> tuple[Step, dict[str, int]]:
    """The sampling step that made most of some images, and how many there are of each of its classes."""
    known = studio.catalog.runs.those(run for run, _, _ in rows)
    totals: dict[str, int] = {}
    for run, _, count in rows:
        if known[run].kind in causes.PROMPTED:
            totals[run] = totals.get(run, 0) + count
    if not totals:
        raise BadInput("None of these images that the Sample tab makes was rejected yet. Reject some first.")
    step = causes.step_of(studio, known[max(totals, key=lambda run: totals[run])].step_id)
    counts: dict[str, int] = {}
    for _, label, count in rows:
        if label in step.labels:
            counts[label] = counts.get(label, 0) + count
    return step, counts


def _changed(kind: str, fields: Fields, condition: Condition) -> Fields | None:
    """The fields without something more, where the step has it and can do without."""
    try:
        changed = left_out(fields, condition)
        build(kind, changed)
    except BadInput:
        return None
    return changed


def _domain(fields: Fields, condition: Condition) -> Fields:
    fields["domains"] = _others(fields["domains"], condition)
    shares = fields["domain_shares"]
    fields["domain_shares"] = [line for line in shares if line.rpartition("=")[0].strip() != condition.text]
    return fields


def _template(fields: Fields, condition: Condition) -> Fields:
    first, *more = _others([fields["prompt"], *fields["templates"]], condition)
    fields |= {"prompt": first, "templates": more}
    for hole, names in _HOLES.items():
        if not any(f"{{{hole}}}" in one for one in (first, *more)):
            fields |= {name: "" if name == "prefix" else [] for name in names}
    return fields


def _word(fields: Fields, condition: Condition) -> Fields:
    fields["vocabulary"] = _others(fields["vocabulary"], condition)
    return fields


def _caption(fields: Fields, condition: Condition) -> Fields:
    lines = fields["captions"]
    fields["captions"] = [line for line in lines if line.partition("=")[2].strip() != condition.text]
    return fields


def _label(fields: Fields, condition: Condition) -> Fields:
    fields["labels"] = _others(fields["labels"], condition)
    for name in _TABLES:
        fields[name] = [line for line in fields[name] if line.partition("=")[0].strip() != condition.text]
    return fields


def _guidance(fields: Fields, condition: Condition) -> Fields:
    single = per_name(tuple(fields["guidance_per_label"]))
    fields["guidance_per_label"] = [f"{name} = {_held(one, condition):g}" for name, one in single.items()]
    return _range(fields, "guidance_scale", "guidance_to", condition)


def _strength(fields: Fields, condition: Condition) -> Fields:
    if "strength" not in fields:
        raise BadInput("The step starts from words, so it has no t0 to leave out.")
    if fields["strengths"]:
        fields["strengths"] = [one for one in fields["strengths"] if one == _held(one, condition)]
        fields["strength"] = _held(fields["strength"], condition)
        return fields
    if fields["strength_by_shots"]:
        return fields | {"strength_by_shots": False, "strength": _beyond(condition)}
    return _range(fields, "strength", "strength_to", condition)


_LEAVING: dict[str, Callable[[Fields, Condition], Fields]] = {
    "domain": _domain, "template": _template, "word": _word, "caption": _caption, "label": _label,
    "guidance_scale": _guidance, "strength": _strength,
}  # fmt: skip


def _others(values: Sequence[str], condition: Condition) -> list[str]:
    found = [one for one in values if one != condition.text]
    if not found:
        raise BadInput(f"There is nothing but {condition.says()}. Write something else under Sample.")
    return found


def _range(fields: Fields, low: str, high: str, condition: Condition) -> Fields:
    """Both ends of a range on the side of a bound that is left; one number where they meet."""
    begin = _held(fields[low], condition)
    end = begin if fields[high] is None else _held(fields[high], condition)
    return fields | {low: begin, high: end if end > begin else None}


def _held(value: float, condition: Condition) -> float:
    """A number, moved to the closest one that was seen beyond the bound if it is on the wrong side."""
    bound = condition.number or 0.0
    wrong = value >= bound if condition.op == "at_least" else value <= bound
    return _beyond(condition) if wrong else value


def _beyond(condition: Condition) -> float:
    if condition.beyond is None:
        raise BadInput(f"There is nothing but {condition.says()}. Choose another value under Sample.")
    return condition.beyond
