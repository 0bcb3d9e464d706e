"""The routes of the models: the list is GET, a download POST. Stop and resume are those of any run."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from synthstudio.modelfiles import Precision
from synthstudio.ui.api import models_views
from synthstudio.ui.api.review_routes import same_origin
from synthstudio.ui.session.state import StudioSession


class FetchBody(BaseModel):
    """A model by name or repository, and in which precision."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, Field(min_length=1, max_length=200)]
    precision: Precision = "fp16"


def router(session: StudioSession) -> APIRouter:
    """Everything below `/models`."""
    routes = APIRouter(prefix="/models", dependencies=[Depends(same_origin)])

    @routes.get("")
    def every() -> dict[str, Any]:
        return models_views.every(session)

    @routes.post("/fetch")
    async def fetch(asked: FetchBody) -> dict[str, Any]:
        return await asyncio.to_thread(models_views.fetch, session, asked.model, asked.precision)

    return routes
