"""The routes of the Distil tab: they read; asking for a curve or for an export queues a run and nothing else."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from synthstudio.jobs.curating import distil_exports
from synthstudio.ui.api import distil_shrink, distil_views
from synthstudio.ui.api.live import Live
from synthstudio.ui.session.state import StudioSession


class _Export(BaseModel):
    fold: int = Field(0, ge=0, le=999)
    name: str = Field("small set", max_length=120)


def router(session: StudioSession, live: Live) -> APIRouter:
    """Everything under /distil."""
    routes = APIRouter(prefix="/distil")
    _shrinking(routes, session)

    @routes.get("")
    def overview(pipeline: str | None = None) -> dict[str, Any]:
        return distil_views.overview(session, live, pipeline)

    @routes.get("/previews/{run}")
    def preview(run: str, request: Request) -> Response:
        data, digest = distil_views.picture(session.studio, run)
        headers = {"ETag": f'"{digest}"', "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(data, media_type="image/png", headers=headers)

    @routes.get("/{pipeline}")
    def answer(pipeline: str) -> dict[str, Any]:
        return distil_views.answer(session, pipeline)

    @routes.post("/{pipeline}/export")
    async def export(pipeline: str, asked: _Export) -> dict[str, Any]:
        def begin() -> str:
            with session.acting() as studio:
                return distil_exports.begin_pipeline(studio, pipeline, asked.fold, asked.name)

        return {"run": await asyncio.to_thread(begin)}

    return routes


def _shrinking(routes: APIRouter, session: StudioSession) -> None:
    @routes.get("/shrink")
    def shrink(run: str | None = None) -> dict[str, Any]:
        return distil_shrink.overview(session, run)

    @routes.post("/shrink")
    async def begin(asked: distil_shrink.Asked) -> dict[str, Any]:
        return {"run": await asyncio.to_thread(distil_shrink.begin, session, asked)}

    @routes.get("/shrink/{run}/{size}")
    def sheet(run: str, size: int) -> dict[str, Any]:
        return distil_shrink.sheet_of(session, run, size)

    @routes.post("/shrink/{run}/{size}/export")
    async def export(run: str, size: int, asked: _Export) -> dict[str, Any]:
        def begin() -> str:
            with session.acting() as studio:
                return distil_exports.begin_size(studio, run, size, asked.name)

        return {"run": await asyncio.to_thread(begin)}
