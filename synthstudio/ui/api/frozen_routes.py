"""Frozen sets over HTTP: what has changed since a set was frozen, going back to it, and taking that back."""

from itertools import groupby, islice
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi import Query as Asking
from pydantic import BaseModel, ConfigDict, Field

from synthstudio.jobs.curating import decision_files, frozen_sets
from synthstudio.ui.api.review_routes import same_origin, who_asks
from synthstudio.ui.session.state import StudioSession

_TAB = "frozen sets"
_SHOWN = 48  # images of a kind of change; the counts are of all, and `changes --images` lists all
_RESTORE_BYTES = 1 << 20
_Name = Annotated[str, Field(min_length=1, max_length=120)]


class _Restore(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: _Name
    id: Annotated[str, Field(min_length=8, max_length=64, pattern=r"^[0-9a-zA-Z-]+$", description="Of the act.")]


class _Undo(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    act: Annotated[str, Field(min_length=8, max_length=64, pattern=r"^[0-9a-zA-Z-]+$")]


def router(session: StudioSession) -> APIRouter:
    """Everything below `/frozen`."""
    routes = APIRouter(prefix="/frozen", dependencies=[Depends(same_origin)], include_in_schema=False)

    @routes.get("")
    def changes(
        before: Annotated[str, Asking(min_length=1, max_length=120)], after: Annotated[str, Asking(max_length=120)] = ""
    ) -> dict[str, Any]:
        return _document(frozen_sets.changes(session.studio, before, after))

    @routes.post("/restore")
    def restore(body: _Restore, request: Request) -> dict[str, Any]:
        with session.admitting(_RESTORE_BYTES) as studio:
            outcome = frozen_sets.restore(studio, body.name, who_asks(request), _TAB, body.id)
            return {"act": outcome.id, "changed": outcome.changed}

    @routes.post("/undo")
    def undo(body: _Undo, request: Request) -> dict[str, Any]:
        with session.acting() as studio:
            outcome = decision_files.undo(studio, body.act, who_asks(request), _TAB)
            return {"changed": outcome.changed, "kept_elsewhere": outcome.kept_elsewhere}

    return routes


def _document(found: frozen_sets.Comparison) -> dict[str, Any]:
    """The sentence, the classes that differ, and the first images of each kind of change."""
    kinds = groupby(sorted(found.changes, key=lambda one: one.kind), key=lambda one: one.kind)
    return {
        "sentence": found.sentence,
        "classes": [list(row) for row in found.classes if row[3] or row[4]],
        "counts": {kind: sum(one.kind == kind for one in found.changes) for kind in ("added", "removed", "moved")},
        "images": {
            kind: [{"digest": one.image, "before": one.before, "after": one.after} for one in islice(some, _SHOWN)]
            for kind, some in kinds
        },
    }
