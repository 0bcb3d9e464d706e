"""The routes of Runs, Evaluate, Data and Export: they read; only asking for an export changes anything."""

import asyncio
import functools
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from synthstudio.jobs.running.run_folder import LOG
from synthstudio.terms import DatasetFormat
from synthstudio.ui.api import (
    data_views,
    exports,
    grid_views,
    measure_views,
    previews,
    report_views,
    run_views,
    sweep_views,
    until_views,
)
from synthstudio.ui.session.state import StudioSession

_LOG_BYTES = 64_000


def router(session: StudioSession) -> APIRouter:
    """Everything the Runs, Sample, Evaluate and Data tabs ask."""
    routes = APIRouter()

    @routes.get("/runs")
    def runs(limit: int = 200) -> list[dict[str, Any]]:
        return run_views.every(session, max(1, min(limit, 2000)))

    routes.include_router(_samples(session))

    @routes.get("/runs/{name}")
    def run(name: str) -> dict[str, Any]:
        return run_views.detail(session, name)

    @routes.get("/runs/{name}/log")
    def log(name: str) -> PlainTextResponse:
        found = session.studio.catalog.runs.get(name)
        return PlainTextResponse(_tail(session.studio.workspace.run_folder(found.id) / LOG))

    @routes.get("/runs/{name}/previews/{picture}")
    def preview(name: str, picture: str, request: Request) -> Response:
        data, digest = previews.picture(session.studio, name, picture)
        # A resumed run may draw a row again, so a browser asks each time; mostly it is told that nothing has changed.
        headers = {"ETag": f'"{digest}"', "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(data, media_type="image/png", headers=headers)

    @routes.get("/data")
    def data() -> dict[str, Any]:
        return data_views.overview(session)

    routes.include_router(_evaluations(session))
    return routes


def _samples(session: StudioSession) -> APIRouter:
    """What the Sample tab shows of what was tried."""
    routes = APIRouter()

    @routes.get("/grids")
    def grid() -> dict[str, Any] | None:
        return grid_views.newest(session)

    @routes.get("/grids/{name}/{place}")
    def cell(name: str, place: int, to: int | None = None) -> dict[str, Any]:
        return grid_views.cell(session, name, place, to)

    @routes.get("/until")
    def until() -> dict[str, Any] | None:
        return until_views.newest(session)

    @routes.get("/sweep")
    def sweep() -> dict[str, Any] | None:
        return sweep_views.newest(session)

    @routes.get("/sweeps/{name}/{number}")
    def trial(name: str, number: int) -> dict[str, Any]:
        return sweep_views.trial(session, name, number)

    return routes


def _evaluations(session: StudioSession) -> APIRouter:
    routes = APIRouter()

    @routes.get("/reports")
    def reports() -> list[dict[str, Any]]:
        return report_views.every(session)

    @routes.get("/reports/{name}")
    def report(name: str) -> dict[str, Any]:
        return report_views.detail(session, name)

    @routes.get("/reports/{name}/cell")
    def cell(name: str, arm: str, truth: str, said: str) -> dict[str, Any]:
        return report_views.cell(session, name, arm, truth, said)

    @routes.get("/measures")
    def measures() -> dict[str, Any]:
        return measure_views.every(session)

    return routes


class _Export(BaseModel):
    pipeline: str = Field(max_length=64)
    fold: int = Field(0, ge=0, le=999)
    name: str = Field("dataset", max_length=120)
    classifier: str = Field("real_and_synthetic", max_length=40)
    selection: str = Field("", max_length=120, description="A frozen set by name or id; none: what is accepted now.")
    format: DatasetFormat = "imagefolder"
    strip: bool = False


def export_router(session: StudioSession) -> APIRouter:
    """Ask for exports, list them, fetch them as zips."""
    routes = APIRouter(prefix="/exports")

    @routes.get("")
    def overview() -> dict[str, Any]:
        return exports.overview(session)

    @routes.post("")
    async def begin(asked: _Export) -> dict[str, Any]:
        what = (asked.pipeline, asked.fold, asked.name, asked.classifier, asked.selection)
        begun = functools.partial(exports.begin, session, *what, format=asked.format, strip=asked.strip)
        return {"runs": await asyncio.to_thread(begun)}

    @routes.get("/{name}.zip")
    def download(name: str) -> StreamingResponse:
        folder = exports.folder_of(session, name)
        # The folder's name is a slug of ours, so it needs no quoting.
        stream = exports.zipped(folder)
        headers = {
            "Content-Disposition": f'attachment; filename="{folder.name}.zip"',
            "Content-Length": str(len(stream)),  # so that a browser says how long it will take
        }
        return StreamingResponse(stream, media_type="application/zip", headers=headers)

    return routes


def _tail(path: Path) -> str:
    """The end of a log; a run that has not begun has none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _LOG_BYTES))
        return file.read().decode("utf-8", "replace")
