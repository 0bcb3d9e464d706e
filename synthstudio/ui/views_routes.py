"""The routes that only read: runs, reports, photos, exports."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from synthstudio.jobs.request import LOG
from synthstudio.ui import data_views, report_views, run_views
from synthstudio.ui.session import StudioSession

_LOG_BYTES = 64_000


def router(session: StudioSession) -> APIRouter:
    """Everything the Runs, Evaluate and Data tabs ask."""
    routes = APIRouter()

    @routes.get("/runs")
    def runs(limit: int = 200) -> list[dict[str, Any]]:
        return run_views.every(session, max(1, min(limit, 2000)))

    @routes.get("/runs/{name}")
    def run(name: str) -> dict[str, Any]:
        return run_views.detail(session, name)

    @routes.get("/runs/{name}/log")
    def log(name: str) -> PlainTextResponse:
        found = session.studio.catalog.runs.get(name)
        return PlainTextResponse(_tail(session.studio.workspace.run_folder(found.id) / LOG))

    @routes.get("/reports")
    def reports() -> list[dict[str, Any]]:
        return report_views.every(session)

    @routes.get("/reports/{name}")
    def report(name: str) -> dict[str, Any]:
        return report_views.detail(session, name)

    @routes.get("/data")
    def data() -> dict[str, Any]:
        return data_views.overview(session)

    return routes


def _tail(path: Path) -> str:
    """The end of a log; a run that has not begun has none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _LOG_BYTES))
        return file.read().decode("utf-8", "replace")
