"""What people say of runs and recipes: what to call them, which starts first, whose curves to lay over each other."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Query as Asking
from pydantic import BaseModel, ConfigDict, Field

from synthstudio.catalog.names import PIPELINE, RUN
from synthstudio.complaints import concerning
from synthstudio.ui.api import run_views
from synthstudio.ui.session.state import StudioSession

_NAME_BYTES = 1000
_Id = Annotated[str, Field(min_length=1, max_length=80)]


class Naming(BaseModel):
    """A run or a recipe run, by id or by the name it has, and its new name."""

    model_config = ConfigDict(extra="forbid")

    thing: Annotated[str, Field(min_length=1, max_length=120)]
    name: Annotated[str, Field(max_length=120)]


class Queue(BaseModel):
    """Runs that wait, in the order in which they are to start."""

    model_config = ConfigDict(extra="forbid")

    runs: Annotated[tuple[_Id, ...], Field(min_length=1, max_length=1000)]


def router(session: StudioSession) -> APIRouter:
    """Names, the queue and curves."""
    routes = APIRouter()

    @routes.post("/runs-named")
    async def rename(asked: Naming) -> dict[str, Any]:
        return {"name": await asyncio.to_thread(_renamed, session, asked)}

    @routes.post("/queue")
    async def reorder(asked: Queue) -> dict[str, Any]:
        return {"runs": await asyncio.to_thread(_reordered, session, asked.runs)}

    @routes.get("/curves")
    def curves(run: Annotated[list[_Id], Asking(max_length=8)]) -> list[dict[str, Any]]:
        return run_views.curves(session, run)

    return routes


def _renamed(session: StudioSession, asked: Naming) -> str:
    with session.admitting(_NAME_BYTES) as studio, concerning("name"):
        names = studio.catalog.names
        return names.give(names.find(asked.thing, (RUN, PIPELINE)), asked.name)


def _reordered(session: StudioSession, wanted: tuple[str, ...]) -> list[str]:
    """The ids of the runs that wait, as they will start."""
    with session.acting() as studio:
        studio.reorder(wanted)
        return [run.id for run in studio.catalog.runs.in_state("queued")]
