"""Decisions out of a project into a file, and in again: one import is one act, which one undo takes back."""

import uuid
from collections.abc import Sequence
from typing import Any

from synthstudio.catalog.decisions import Act, Outcome
from synthstudio.errors import BadInput
from synthstudio.intake.decisions import Decided, problem
from synthstudio.jobs.studio import Studio


def rows(studio: Studio, as_of: int | None = None) -> list[dict[str, Any]]:
    """Every decision that stands, or stood after decision `as_of`: image, decision, label (the class by hand), the
    class its maker meant, and who decided, when and why.
    """
    studio.catalog.review.newest()
    found = studio.catalog.decisions.standing(as_of)
    return [{**one, "decision": one.pop("verdict")} for one in found]


def take_in(
    studio: Studio, decided: Sequence[Decided], who: str, tab: str = "import", act: str | None = None
) -> Outcome:
    """Let the rows of a file stand. Rows that stand already are passed over, so the same file again changes nothing.

    BadInput if an image is not in this project or belongs to a test set; then nothing is stored.
    """
    stands = {one["image"]: (one["decision"], one["label"]) for one in rows(studio)}
    known = studio.catalog.decisions.decidable([row.image for row in decided])
    strangers = [row.image[:16] or "an empty id" for row in decided if row.image not in known]
    if strangers:
        what = "not in this project, or belongs to its test photos, which nobody decides about"
        if len(strangers) > 1:
            what = what.replace("belongs", "belong")
        raise BadInput(
            f"Nothing is changed. {problem(len(strangers), what, strangers)} Choose the project with --project."
        )
    # Clearing what is not decided is no change; a class by hand goes with the decision it came with.
    changes = tuple(
        (row.image, row.decision, "" if row.decision == "clear" else row.label)
        for row in decided
        if stands.get(row.image, ("clear", "")) != (row.decision, "" if row.decision == "clear" else row.label)
    )
    act_id = act or str(uuid.uuid4())
    if not changes:
        return Outcome(act_id, studio.catalog.decisions.last(), 0)
    (outcome,) = studio.catalog.decisions.decide(
        [Act(act_id, tab, each=changes, context={"import": len(decided)})], who
    )
    return outcome


def undo(studio: Studio, act: str, who: str, tab: str = "import") -> Outcome:
    """Take an act back. BadInput if there is none of this id."""
    if not studio.catalog.decisions.has(act):
        raise BadInput(f"There is no act {act!r} to take back. The import said its id.")
    (outcome,) = studio.catalog.decisions.decide([Act(str(uuid.uuid4()), tab, undoes=act)], who)
    return outcome
