"""What the review grid asks and says. Reading is GET; deciding is POST, refused from other origins.

A decision is acknowledged only after it is committed. Every act carries an id made in the browser: one that is sent
again, because the answer got lost, is not stored again.
"""

import json
import os
from contextlib import AbstractContextManager
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi import Query as Asking
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from synthstudio.catalog.decisions import Act, Chosen
from synthstudio.catalog.review import Query
from synthstudio.cause_terms import Condition
from synthstudio.complaints import readable
from synthstudio.errors import BadInput, StorageFull, StudioError
from synthstudio.jobs.curating import causes
from synthstudio.jobs.curating.freeze import freeze
from synthstudio.jobs.studio import Studio
from synthstudio.terms import Label, Verdict
from synthstudio.ui.api import cause_views, review_state, selections
from synthstudio.ui.api.image_routes import Opened
from synthstudio.ui.api.review_details import details
from synthstudio.view_terms import Tag

_MAX_BODY = 2 << 20
_PAGE = 500
_NAMED = 1000
_ACT_BYTES, _DECISION_BYTES, _ROWS = 1000, 200, 1_000_000  # about what the catalog takes
_SET_BYTES = 1 << 20
_Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Id = Annotated[str, Field(pattern="^[0-9a-f-]{36}$")]
_Place = Annotated[int, Field(ge=0, lt=2**53)]
_Spans = Annotated[tuple[tuple[_Place, _Place], ...], Field(max_length=100_000)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


_Asked = TypeVar("_Asked", bound=_Body)


class ActBody(_Body):
    """A gesture on named images, on places of a view or on what of it was made in one way, or on an earlier gesture.
    With `tags` it puts them on, or takes them `off`, and decides nothing.
    """

    id: _Id
    verdict: Verdict = "clear"
    label: Label | None = None
    images: Annotated[tuple[_Digest, ...], Field(max_length=_NAMED)] = ()
    query: Query | None = None
    spans: _Spans = ()
    cause: cause_views.Conditions = ()
    tags: Annotated[tuple[Tag, ...], Field(max_length=20)] = ()
    off: bool = False
    undoes: _Id | None = None
    why: Annotated[str, Field(max_length=500)] = ""
    run: Annotated[str, Field(max_length=80)] = ""
    image_set: Annotated[str, Field(max_length=80)] = ""


class DecideBody(_Body):
    """Gestures in the order they were made."""

    project: Annotated[str, Field(max_length=400)]
    tab: _Id
    acts: Annotated[tuple[ActBody, ...], Field(min_length=1, max_length=50)]


class TargetBody(_Body):
    """How many accepted images a class needs; an empty label means every class."""

    project: Annotated[str, Field(max_length=400)]
    label: Annotated[str, Field(max_length=120)] = ""
    wanted: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class FreezeBody(_Body):
    """Which images of a view to freeze: some places, or all it finds; without a name it gets one from its origin."""

    project: Annotated[str, Field(max_length=400)]
    query: Query
    spans: _Spans = ()
    name: Annotated[str, Field(max_length=120)] = ""


class HelpedBody(_Body):
    """Which frozen selection to judge, by name or id; without one, what is accepted now."""

    project: Annotated[str, Field(max_length=400)]
    name: Annotated[str, Field(max_length=120)] = ""


def same_origin(request: Request) -> None:
    """Refuse what another site's page asks for, whatever cookies come with it."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, "asked from another site")
    origin = request.headers.get("origin")
    hosts = {request.headers.get("host", ""), *filter(None, os.environ.get("SPACE_HOST", "").split(","))}
    if origin is not None and urlsplit(origin).netloc not in hosts:
        raise HTTPException(403, "asked from another site")


def router(session: Opened) -> APIRouter:
    """Everything below `/review`."""
    routes = APIRouter(prefix="/review", dependencies=[Depends(same_origin)], include_in_schema=False)
    _add_reading(routes, session)
    _add_causes(routes, session)
    _add_sets(routes, session)
    _add_deciding(routes, session)
    return routes


def _add_reading(routes: APIRouter, session: Opened) -> None:
    @routes.get("/start")
    def start() -> JSONResponse:
        return _json(review_state.overview(session.studio, session.project))

    @routes.get("/view")
    def view(q: str) -> JSONResponse:
        query = _query(q)
        return _stored(lambda: review_state.view(session.studio, query))

    @routes.get("/page")
    def page(q: str, start: int, count: int) -> JSONResponse:
        query = _query(q)
        if query.as_of < 0 or query.upto < 0 or start < 0 or not 0 < count <= _PAGE:
            raise HTTPException(422, "a page needs a settled query and at most 500 places")
        return _stored(lambda: review_state.page(session.studio, query, start, count))

    @routes.get("/changes")
    def changes(since: Annotated[int, Asking(lt=2**53)]) -> JSONResponse:
        decisions = session.studio.catalog.decisions
        rows = decisions.since(since)
        return _json(
            {
                "project": session.project,
                "last": rows[-1]["seq"] if rows else decisions.last(),
                "newest": session.studio.catalog.review.newest(),
                "reset": len(rows) > _NAMED,
                "rows": [[r["image"], r["verdict"], r["label"], r["seq"]] for r in rows[:_NAMED]],
            }
        )

    @routes.get("/tally")
    def tally(q: str) -> JSONResponse:
        query = session.studio.catalog.review.settle(_query(q))
        return _stored(lambda: review_state.tally(session.studio, query))

    @routes.get("/details/{digest}")
    def image(digest: str) -> JSONResponse:
        if not session.studio.catalog.review.knows(digest):
            raise HTTPException(404, "no such picture")
        return _json(details(session.studio, digest))


def _add_causes(routes: APIRouter, session: Opened) -> None:
    @routes.get("/causes")
    def why(q: str) -> JSONResponse:
        query = _query(q)
        return _stored(lambda: cause_views.document(session.studio, query))

    @routes.get("/without")
    def without(q: str, cause: str) -> JSONResponse:
        query, conditions = _query(q), _conditions(cause)
        return _stored(lambda: cause_views.refill_form(session.studio, query, conditions))


def _add_sets(routes: APIRouter, session: Opened) -> None:
    @routes.get("/only")
    def only(
        what: Annotated[str, Asking(max_length=120)], fold: Annotated[int | None, Asking(ge=0, le=999)] = None
    ) -> JSONResponse:
        return _stored(lambda: review_state.only(session.studio, what, fold))

    @routes.get("/selections")
    def frozen() -> JSONResponse:
        return _json({"selections": selections.frozen(session.studio)})


def _add_deciding(routes: APIRouter, session: Opened) -> None:
    @routes.post("/decide")
    async def decide(request: Request) -> JSONResponse:
        body = await _body(request, DecideBody)
        return await run_in_threadpool(_stored, lambda: _decide(session, body, who_asks(request)))

    @routes.post("/target")
    async def target(request: Request) -> JSONResponse:
        body = await _body(request, TargetBody)
        return await run_in_threadpool(_stored, lambda: _set_target(session, body))

    @routes.post("/freeze")
    async def freeze_selection(request: Request) -> JSONResponse:
        body = await _body(request, FreezeBody)
        return await run_in_threadpool(_stored, lambda: _freeze(session, body))

    @routes.post("/helped")
    async def helped(request: Request) -> JSONResponse:
        body = await _body(request, HelpedBody)
        return await run_in_threadpool(_stored, lambda: _ask_helped(session, body))


def who_asks(request: Request) -> str:
    """The signed-in person, where there is a sign-in; it is put there by the page's own middleware."""
    return str(request.scope.get("synthstudio.user") or "local")


def _decide(session: Opened, body: DecideBody, who: str) -> dict[str, Any]:
    with _for_acts(session, body) as studio:
        same_project(session, body.project)
        return _decided(session, studio, body, who)


def _for_acts(session: Opened, body: DecideBody) -> AbstractContextManager[Studio]:
    """Taking back, clearing and taking tags off stay possible where there is no room left; the rest needs it."""
    new = [one for one in body.acts if one.undoes is None and (one.verdict != "clear" or (one.tags and not one.off))]
    if not new:
        return session.acting()
    rows = sum(_rows(session, one) for one in new)
    return session.admitting(len(new) * _ACT_BYTES + min(rows, _ROWS) * _DECISION_BYTES)


def _rows(session: Opened, one: ActBody) -> int:
    if one.query is not None and one.cause:
        return session.studio.catalog.made_with.size(causes.branch(session.studio, one.query, one.cause))
    return (len(one.images) + sum(last - first + 1 for first, last in one.spans)) * max(1, len(one.tags))


def _decided(session: Opened, studio: Studio, body: DecideBody, who: str) -> dict[str, Any]:
    before = studio.catalog.decisions.last()
    outcomes = studio.catalog.decisions.decide([_act(session, body.tab, one) for one in body.acts], who)
    rows = studio.catalog.decisions.since(before)
    named = [image for act in body.acts for image in act.images]
    states = review_state.states_of(studio, named[:_NAMED])
    return {
        "outcomes": [vars(outcome) for outcome in outcomes],
        "reset": len(rows) > _NAMED or any(outcome.again for outcome in outcomes),
        "rows": [[r["image"], r["verdict"], r["label"], r["seq"]] for r in rows[:_NAMED]]
        + [[image, *state] for image, state in states.items()],
    }


def _act(session: Opened, tab: str, body: ActBody) -> Act:
    if body.verdict == "relabel" and body.label is None:
        raise BadInput("Moving an image to another class needs the class.")
    chosen = Chosen.images(body.images)
    if body.query is not None and body.spans:
        chosen = session.studio.catalog.review.chosen(_settled(body.query), body.spans)
    label = body.label if body.verdict == "relabel" and body.label else ""
    context: dict[str, Any] = {"run": body.run, "image_set": body.image_set}
    if body.query is not None and body.cause:
        chosen = causes.branch(session.studio, _settled(body.query), body.cause)
        context |= causes.context(body.cause)
    return Act(body.id, tab, chosen, body.verdict, label, body.undoes, body.why, context, tags=body.tags, off=body.off)


def _set_target(session: Opened, body: TargetBody) -> dict[str, Any]:
    same_project(session, body.project)
    taking_back = body.wanted is None
    with session.acting() if taking_back else session.admitting(_ACT_BYTES) as studio:
        studio.catalog.decisions.set_target(body.label, body.wanted)
        return {"targets": studio.catalog.decisions.targets()}


def _freeze(session: Opened, body: FreezeBody) -> dict[str, Any]:
    same_project(session, body.project)
    with session.admitting(_SET_BYTES, 8) as studio:
        return vars(freeze(studio, _settled(body.query), body.spans, body.name.strip() or None))


def _ask_helped(session: Opened, body: HelpedBody) -> dict[str, Any]:
    same_project(session, body.project)
    return {"pipeline": selections.ask_helped(session, body.name)}


def same_project(session: Opened, project: str) -> None:
    """Refuse what a page says that shows another project by now."""
    if project != session.project:
        raise HTTPException(409, f"The page shows {session.project!r} now. Nothing was stored.")


def _settled(query: Query) -> Query:
    if query.as_of < 0 or query.upto < 0:
        raise BadInput("Places only mean something in a view that has been looked at.")
    return query


def _query(text: str) -> Query:
    try:
        return Query.model_validate_json(text)
    except ValidationError as error:
        raise HTTPException(422, readable(error)) from error


def _conditions(text: str) -> tuple[Condition, ...]:
    try:
        return cause_views.CONDITIONS.validate_json(text)
    except ValidationError as error:
        raise HTTPException(422, readable(error)) from error


async def _body(request: Request, kind: type[_Asked]) -> _Asked:
    """The JSON of a request, never more than a limit, whatever its headers say."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise HTTPException(415, "send JSON")
    data = b""
    async for piece in request.stream():
        data += piece
        if len(data) > _MAX_BODY:
            raise HTTPException(413, "too much at once")
    try:
        return kind.model_validate(json.loads(data))
    except (ValueError, RecursionError) as error:
        why = readable(error) if isinstance(error, ValidationError) else "this is not JSON"
        raise HTTPException(422, why) from error


def _stored(answer: Any) -> JSONResponse:
    """The answer, or why there is none: 507 when the disk refuses, 400 when the request is not to be had."""
    try:
        return _json(answer())
    except StorageFull as error:
        return _json({"error": str(error)}, 507)
    except StudioError as error:
        return _json({"error": str(error)}, 400)


def _json(body: Any, status: int = 200) -> JSONResponse:
    return JSONResponse(body, status, headers={"Cache-Control": "no-store"})
