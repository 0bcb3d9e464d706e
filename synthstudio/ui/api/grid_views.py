"""Settings side by side: the newest `sample.grid`, cell by cell, and what each cell would put into the form."""

from typing import Any

from synthstudio.catalog.runs import Run
from synthstudio.complaints import label as words_of
from synthstudio.errors import BadInput
from synthstudio.step import from_json
from synthstudio.steps.sample.grid import Grid
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.words import STATES

_LOOKED_AT = 20  # newest grids; the others are images made again
_SCORES = ("nearest_real", "label_agreement")


def newest(session: StudioSession) -> dict[str, Any] | None:
    """The newest grid and the images it has so far; nothing where none was asked for."""
    studio = session.studio
    asked = ((run, _grid(session, run)) for run in studio.catalog.runs.of_kind(Grid.kind, done=False, limit=_LOOKED_AT))
    run, step = next(((run, step) for run, step in asked if step.only is None), (None, None))
    if run is None or step is None:
        return None
    made = {row["plan_index"]: row for row in studio.catalog.images.made_by(run.id, limit=step.images)}
    scores = studio.catalog.images.scores([row["digest"] for row in made.values()])
    each = step.images // step.cells

    def image(row: dict[str, Any]) -> dict[str, Any]:
        known = scores.get(row["digest"], {})
        return {
            "digest": row["digest"], "label": row["label"], "prompt": row["made"].get("prompt", ""),
            "seed": row["made"].get("seed"), "scores": {name: known.get(name) for name in _SCORES},
        }  # fmt: skip

    return {
        "run": run.id,
        "state": run.state,
        "state_words": STATES.get(run.state, run.state),
        "error": run.error,
        "done": len(made),
        "total": step.images,
        "scored": step.encoder is not None,
        "x": _axis(step.x, step.x_values),
        "y": _axis(step.y, step.y_values) if step.y else None,
        "cells": [
            [image(made[n]) for n in range(at, at + each) if n in made and studio.workspace.has(made[n]["digest"])]
            for at in range(0, step.images, each)
        ],
    }


def cell(session: StudioSession, run_id: str, place: int, to: int | None = None) -> dict[str, Any]:
    """What the form is to be filled with: the settings of one cell; of a ladder of t0 from one rung up to another."""
    step = _grid(session, session.studio.catalog.runs.get(run_id))
    cells = list(step.steps())
    if not all(0 <= one < len(cells) for one in (place, to or 0)):
        raise BadInput(f"This grid has {len(cells)} cells, counted from 0.")
    fields, changed = cells[place].fields, [str(axis) for axis in (step.x, step.y) if axis]
    if to is not None:
        fields["strength_to"] = cells[to].fields["strength"]
        changed.append("strength_to")
    if step.sources:
        changed += ["start", "sources"]
    return {"kind": cells[place].kind, "fields": fields, "only": changed}


def _grid(session: StudioSession, run: Run) -> Grid:
    step = from_json(session.studio.catalog.runs.step_body(run.step_id))
    if not isinstance(step, Grid):
        raise BadInput(f"Run {run.id} compares no settings.")
    return step


def _axis(name: str, values: tuple[float | str, ...]) -> dict[str, Any]:
    shown = [f"{value:g}" if isinstance(value, float) else value for value in values]
    return {"name": name, "words": "t0" if name == "strength" else words_of(name), "values": shown}
