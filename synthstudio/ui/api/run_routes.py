"""What people say of runs and recipe runs: their names, which starts first, whose curves to compare, what to keep."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Query as Asking
from pydantic import BaseModel, ConfigDict, Field

from synthstudio.catalog.names import PIPELINE, RUN
from synthstudio.complaints import concerning
from synthstudio.errors import BadInput
from synthstudio.jobs.asking import saved_recipes
from synthstudio.ui.api import run_views
from synthstudio.ui.session.state import StudioSession

_NAME_BYTES = 1000
_RECIPE_BYTES = 16 << 10
_Id = Annotated[str, Field(min_length=1, max_length=80)]


class Naming(BaseModel):
    """A run or a recipe run, by id or by the name it has, and its new name."""

    model_config = ConfigDict(extra="forbid")

    thing: Annotated[str, Field(min_length=1, max_length=120)]
    name: Annotated[str, Field(max_length=120)]


class Keeping(BaseModel):
    """A finished recipe run, by id, and what its recipe is to be called."""

    model_config = ConfigDict(extra="forbid")

    pipeline: _Id
    name: Annotated[str, Field(max_length=120)]


class Queue(BaseModel):
    """Runs that wait, in the order in which they are to start."""

    model_config = ConfigDict(extra="forbid")

    runs: Annotated[tuple[_Id, ...], Field(min_length=1, max_length=1000)]


def router(session: StudioSession) -> APIRouter:
    """Names, recipes of one's own, the queue and curves."""
    routes = APIRouter()

    @routes.post("/runs-named")
    async def rename(asked: Naming) -> dict[str, Any]:
        return {"name": await asyncio.to_thread(_renamed, session, asked)}

    @routes.post("/recipes-saved")
    async def save(asked: Keeping) -> dict[str, Any]:
        return {"said": await asyncio.to_thread(_saved, session, asked)}

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


def _saved(session: StudioSession, asked: Keeping) -> str:
    """A sentence that says where the recipe is now."""
    if session.where.public:
        raise BadInput("A public copy keeps no recipes of its visitors. Run a copy of your own: python app.py.")
    with session.admitting(_RECIPE_BYTES, 1) as studio, concerning("name"):
        pipeline = studio.catalog.pipelines.get(asked.pipeline)
        if pipeline.state != "done":
            raise BadInput("Only a finished run can be kept as a recipe. Wait for its end, or resume it.")
        path = saved_recipes.save(pipeline, asked.name.strip(), session.recipe_home)
    return f"Kept as {path.stem}: choose it under Recipe on Start, or python -m synthstudio run {path.stem}."


def _reordered(session: StudioSession, wanted: tuple[str, ...]) -> list[str]:
    """The ids of the runs that wait, as they will start."""
    with session.acting() as studio:
        studio.reorder(wanted)
        return [run.id for run in studio.catalog.runs.in_state("queued")]
