"""The page's own routes under /studio: state of work, steering, files of the page.

No address holds a path of this machine: pages are known by name, everything else by an id of the catalog.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse

from synthstudio.complaints import by_field, readable
from synthstudio.errors import Missing, StudioError, UnknownName
from synthstudio.ui import theme
from synthstudio.ui.api import steering
from synthstudio.ui.api.live import Live
from synthstudio.ui.session.state import StudioSession

_KEEP = {"Cache-Control": "private, max-age=31536000, immutable"}
_KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def api(session: StudioSession, live: Live, others: list[APIRouter]) -> FastAPI:
    """The sub-application to mount at /studio."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(StudioError, _in_words)
    app.add_exception_handler(RequestValidationError, which_field)
    app.include_router(_page())
    app.include_router(_work(session, live))
    for router in others:
        app.include_router(router)
    return app


def _in_words(_: Request, error: Exception) -> JSONResponse:
    """An error a person can mend is an answer, not a traceback."""
    status = 404 if isinstance(error, UnknownName | Missing) else 422
    fields = dict(error.fields) if isinstance(error, StudioError) else {}
    return JSONResponse({"detail": str(error), "fields": fields}, status_code=status)


def which_field(_: Request, error: Exception) -> JSONResponse:
    """What a route cannot take, as a sentence: what was sent may hold numbers and texts that JSON cannot give back."""
    assert isinstance(error, RequestValidationError)
    return JSONResponse({"detail": readable(error), "fields": by_field(error)}, status_code=422)


def _page() -> APIRouter:
    router = APIRouter()
    known = theme.files()

    @router.get("/page/{name}")
    def page_file(name: str) -> FileResponse:
        if name not in known:
            raise HTTPException(404)
        path = theme.PAGE / name
        return FileResponse(path, media_type=_KINDS[path.suffix], headers=_KEEP)

    return router


def _work(session: StudioSession, live: Live) -> APIRouter:
    router = APIRouter()

    @router.get("/state")
    def state(pipeline: str | None = None) -> dict[str, Any]:
        return live.state(pipeline)

    @router.post("/pipelines/{name}/{verb}")
    async def steer_pipeline(name: str, verb: str) -> dict[str, Any]:
        verbs = {"stop": lambda s: s.stop_pipeline(name), "resume": lambda s: s.resume_pipeline(name)}
        session.studio.catalog.pipelines.get(name)
        return await _steer(session, verbs, verb)

    @router.post("/runs/{name}/{verb}")
    async def steer_run(name: str, verb: str) -> dict[str, Any]:
        verbs = {
            "stop": lambda s: s.stop(name),
            "resume": lambda s: s.resume(name),
            "end": lambda s: steering.end(s, name),
            "sample": lambda s: steering.sample(s, name),
            "again": lambda s: steering.again(s, name),
        }
        return await _steer(session, verbs, verb)

    return router


async def _steer(session: StudioSession, verbs: dict[str, Callable[[Any], Any]], verb: str) -> dict[str, Any]:
    if verb not in verbs:
        raise HTTPException(404)

    def change() -> Any:
        with session.acting() as studio:
            return verbs[verb](studio)

    # In a thread: the lock may be held by a tick, and the event loop must not wait for it.
    said = await asyncio.to_thread(change)
    return {"done": verb, "said": said if isinstance(said, str) else ""}
