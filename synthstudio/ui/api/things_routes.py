"""The routes of the Library. Reading is GET; names, plans and making room are POST, and things are named by id only."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from synthstudio.ui.api import things_views
from synthstudio.ui.api.review_routes import same_origin, who_asks
from synthstudio.ui.session.state import StudioSession

_Id = Annotated[str, Field(max_length=80)]
_Ids = Annotated[list[_Id], Field(min_length=1, max_length=1000)]


class NameBody(BaseModel):
    """What to call a thing."""

    model_config = ConfigDict(extra="forbid")

    id: _Id
    name: Annotated[str, Field(max_length=120)]


class ThingBody(BaseModel):
    """A thing."""

    model_config = ConfigDict(extra="forbid")

    id: _Id


class ThingsBody(BaseModel):
    """Some things."""

    model_config = ConfigDict(extra="forbid")

    ids: _Ids


class FreeBody(ThingsBody):
    """Some things, the digest of the plan that was looked at, and whether what cannot come back may go."""

    digest: Annotated[str, Field(max_length=64)]
    for_good: bool = False


def router(session: StudioSession) -> APIRouter:
    """Everything below `/things`."""
    routes = APIRouter(prefix="/things", dependencies=[Depends(same_origin)])

    @routes.get("")
    def every() -> dict[str, Any]:
        return things_views.every(session)

    @routes.get("/one")
    def one(id: str) -> dict[str, Any]:
        return things_views.detail(session, id[:80])

    @routes.post("/name")
    async def name(asked: NameBody) -> dict[str, str]:
        return await asyncio.to_thread(things_views.rename, session, asked.id, asked.name)

    @routes.post("/plan")
    async def plan(asked: ThingsBody) -> dict[str, Any]:
        return await asyncio.to_thread(things_views.plan, session, asked.ids)

    @routes.post("/free")
    async def free(asked: FreeBody, request: Request) -> dict[str, Any]:
        who = who_asks(request)
        return await asyncio.to_thread(things_views.free, session, asked.ids, who, asked.for_good, asked.digest)

    @routes.post("/again")
    async def again(asked: ThingBody) -> dict[str, Any]:
        return await asyncio.to_thread(things_views.again, session, asked.id)

    return routes
