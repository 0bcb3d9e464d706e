"""What the map of Review asks: points as bytes, the state of the map in words, holes; and asking for a map.

The points of a view are one answer: the length of a head (4 bytes, little-endian), the head (JSON, padded to fours),
then one column after the other, each as long as the view: 16 bits a number for `x y label run`, 8 for the others.
"""

import json
import math
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, HTTPException
from fastapi import Query as Asking
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synthstudio.catalog.points import STANDINGS, Drawn
from synthstudio.catalog.review import Query
from synthstudio.complaints import readable
from synthstudio.errors import Missing
from synthstudio.jobs.knowing import maps
from synthstudio.ui.api.image_routes import Opened
from synthstudio.ui.api.review_routes import same_origin
from synthstudio.ui.words import STATES

_ORDER = ("x", "y", "label", "run", "origin", "standing", "score", "mark")
_WIDE = _ORDER[:4]
_HOLES = 500
_RUN_BYTES, _RUN_FILES = 1 << 20, 8
_NONE = "There is no map yet. Press “Make the map”."


class MapBody(BaseModel):
    """Whether to fit a map anew, or to give images a place on the one that is shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: Annotated[str, Field(max_length=400)]
    anew: bool = False


def settled(q: Annotated[str, Asking(max_length=500_000)]) -> Query:
    """The view that is asked about: one that has been looked at."""
    try:
        query = Query.model_validate_json(q)
    except ValidationError as error:
        raise HTTPException(422, readable(error)) from error
    if query.as_of < 0 or query.upto < 0:
        raise HTTPException(422, "A map needs a settled view.")
    return query


_View = Annotated[Query, Depends(settled)]


def router(session: Opened) -> APIRouter:
    """Everything below `/review/map`."""
    routes = APIRouter(prefix="/review/map", dependencies=[Depends(same_origin)], include_in_schema=False)

    @routes.get("/state")
    def state() -> dict[str, Any]:
        return _state(session)

    @routes.get("/points")
    def points(query: _View) -> Response:
        known = _known(session)
        return _bytes(_packed(session.studio.catalog.points.of(query, known.id, known.rows), known))

    @routes.get("/standings")
    def standings(query: _View) -> Response:
        return _bytes(session.studio.catalog.points.standings(query).tobytes())

    @routes.get("/holes")
    def holes(query: _View) -> dict[str, Any]:
        return _holes(session, query)

    @routes.post("")
    def ask(body: MapBody) -> dict[str, Any]:
        if body.project != session.project:
            raise HTTPException(409, f"The page shows {session.project!r} now. Nothing was asked for.")
        with session.admitting(_RUN_BYTES, _RUN_FILES) as studio:
            return {"run": studio.submit(maps.step(studio, anew=body.anew))[0]}

    return routes


def _known(session: Opened) -> maps.Map:
    found = maps.newest(session.studio)
    if found is None:
        raise Missing(_NONE)
    return found


def _state(session: Opened) -> dict[str, Any]:
    """The map that is shown, if there is one, and the run that makes the next, if one does or did not end well."""
    known, run = maps.newest(session.studio), maps.working(session.studio)
    return {
        "map": known and {
            "id": known.id, "eye": known.encoder.partition("@")[0], "method": known.method, "images": len(known.rows),
            "fitted_to": int(known.rows["anchor"].sum()), "missing": 0 if run else maps.missing(session.studio, known),
        },
        "run": run and {
            "id": run.id, "state": run.state, "words": STATES.get(run.state, run.state), "error": run.error or "",
            "done": run.done, "total": run.total, "unit": run.unit,
        },
        "compared": "nearest_real" in session.studio.catalog.review.scorers(),
    }  # fmt: skip


def _packed(drawn: Drawn, known: maps.Map) -> bytes:
    head = {
        "map": known.id, "total": len(drawn.columns["x"]), "labels": drawn.labels, "runs": drawn.runs,
        "standings": STANDINGS, "low": drawn.low, "high": drawn.high,
    }  # fmt: skip
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    columns = (drawn.columns[name].astype("<u2" if name in _WIDE else "u1").tobytes() for name in _ORDER)
    return b"".join([np.uint32(len(text)).astype("<u4").tobytes(), text, *columns])


def _bytes(data: bytes) -> Response:
    return Response(data, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})


def _holes(session: Opened, query: Query) -> dict[str, Any]:
    """Holes with their places in the view, -1 where that does not show them."""
    studio = session.studio
    found = maps.holes(studio, _known(session), query)
    shown = found[:_HOLES]
    places = studio.catalog.points.places_of(query, [hole.image for hole in shown])
    return {
        "count": len(found),
        "shots": maps.shots(studio) or "",
        "holes": [_hole(hole, place) for hole, place in zip(shown, places, strict=True)],
    }  # fmt: skip


def _hole(hole: maps.Hole, place: int) -> dict[str, Any]:
    far = hole.far if math.isfinite(hole.far) else None
    return {"place": place, "digest": hole.image, "label": hole.label, "far": far}
