"""The routes that bring files in. Names of files are the only thing a client says; they are cleaned, see `uploads`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from synthstudio.errors import BadInput
from synthstudio.ui.api import image_settings
from synthstudio.ui.api.uploads import Uploads
from synthstudio.ui.session.state import StudioSession


class _Check(BaseModel):
    label: str = Field("", max_length=200)


class _Remove(BaseModel):
    name: str = Field("", max_length=400, description="One file, as the look calls it.")
    label: str = Field("", max_length=200, description="Or all files of a class.")


class _Again(BaseModel):
    kind: str = Field(max_length=80)
    fields: dict[str, Any] = Field(max_length=100)
    index: int = Field(ge=0, lt=10**9)


class _Confirm(BaseModel):
    title: str = Field("", max_length=200)


def router(uploads: Uploads, session: StudioSession) -> APIRouter:
    """Everything below /uploads."""
    routes = APIRouter(prefix="/uploads")

    @routes.post("/new")
    def begin() -> dict[str, str]:
        return {"token": uploads.begin()}

    routes.post("/settings")(_settings(session))

    @routes.post("/again")
    async def again(asked: _Again) -> dict[str, str]:
        run = await asyncio.to_thread(image_settings.make_again, session, asked.kind, asked.fields, asked.index)
        return {"run": run}

    @routes.get("/again/{run}")
    def made_again(run: str, image: str = "") -> dict[str, Any]:
        return image_settings.made_again(session, run, image)

    @routes.post("/{token}/files")
    async def receive(token: str, name: str, request: Request) -> dict[str, int]:
        length = request.headers.get("content-length", "")  # none where the body comes in chunks
        announced = int(length) if length.isdecimal() else 0
        return {"size": await uploads.receive(token, name, request.stream(), announced)}

    @routes.post("/{token}/check")
    async def check(token: str, asked: _Check) -> dict[str, Any]:
        await asyncio.to_thread(uploads.check, token, asked.label)
        return uploads.status(token)

    @routes.post("/{token}/remove")
    async def remove(token: str, asked: _Remove) -> dict[str, int]:
        return {"left": await asyncio.to_thread(uploads.remove, token, asked.name, asked.label)}

    @routes.get("/{token}")
    def status(token: str) -> dict[str, Any]:
        return uploads.status(token)

    @routes.post("/{token}/confirm")
    async def confirm(token: str, asked: _Confirm) -> dict[str, str]:
        return await asyncio.to_thread(uploads.confirm, token, asked.title)

    @routes.post("/{token}/discard")
    async def discard(token: str) -> dict[str, bool]:
        await asyncio.to_thread(uploads.discard, token)
        return {"discarded": True}

    return routes


def _settings(session: StudioSession) -> Callable[[Request], Awaitable[dict[str, Any]]]:
    async def settings(request: Request) -> dict[str, Any]:
        """How a picture was made; the picture is not kept."""
        data = bytearray()
        async for piece in request.stream():
            data += piece
            if len(data) > image_settings.MOST_BYTES:
                raise BadInput(f"This image is larger than {image_settings.MOST_BYTES >> 20} MB. Choose a smaller one.")
        found = await asyncio.to_thread(image_settings.of_file, session, bytes(data))
        return image_settings.as_document(session, found)

    return settings
