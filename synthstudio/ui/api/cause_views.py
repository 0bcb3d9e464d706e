"""Why images were rejected, as the review grid shows it."""

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from synthstudio.catalog.review import Query
from synthstudio.cause_terms import Condition
from synthstudio.jobs import Studio
from synthstudio.jobs.curating import causes, refill
from synthstudio.quantities import many

Conditions = Annotated[tuple[Condition, ...], Field(max_length=2)]
CONDITIONS: TypeAdapter[tuple[Condition, ...]] = TypeAdapter(
    Annotated[tuple[Condition, ...], Field(min_length=1, max_length=2)]
)


def document(studio: Studio, query: Query) -> dict[str, Any]:
    """What rejects of a view share, and what was rejected as a whole; that of which nothing is left is told once."""
    branches = causes.standing(studio)
    over = [one.conditions for one in branches]
    found = [one for one in causes.found(studio, query) if one.pending or one.conditions not in over]
    return {"causes": [_cause(one) for one in found], "branches": [_branch(one) for one in branches]}


def refill_form(studio: Studio, query: Query, conditions: tuple[Condition, ...]) -> dict[str, Any]:
    """What fills the Sample form to sample again without a setting, and what that is in a sentence."""
    found = refill.without(studio, query, conditions)
    return {"kind": found.step.kind, "fields": found.step.fields, "says": found.says}


def _cause(one: causes.Cause) -> dict[str, Any]:
    rule = one.rule
    others = f"{rule.others:,} of {many(rule.rest, 'other')} looked at"
    counts = f"{rule.hits:,} of {many(rule.rejected, 'reject')}, {others}"
    return {
        "cause": causes.context(one.conditions)["cause"], "says": one.says, "sentence": one.sentence,
        "counts": f"{counts}; p {'< 0.001' if rule.p < 0.001 else f'= {rule.p:.3f}'}", "same": list(one.same),
        "pending": one.pending, "fills": refill.fits(one.conditions),
    }  # fmt: skip


def _branch(one: causes.Branch) -> dict[str, Any]:
    return {
        "cause": causes.context(one.conditions)["cause"], "says": one.says, "act": one.act, "standing": one.standing,
        "fills": refill.fits(one.conditions),
    }  # fmt: skip
