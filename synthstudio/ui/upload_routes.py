"""The routes that bring files in. Names of files are the only thing a client says; they are cleaned, see `uploads`."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from synthstudio.ui.uploads import Uploads


class _Check(BaseModel):
    label: str = Field("", max_length=200)


class _Confirm(BaseModel):
    title: str = Field("", max_length=200)


def router(uploads: Uploads) -> APIRouter:
    """Everything below /uploads."""
    routes = APIRouter(prefix="/uploads")

    @routes.post("/new")
    def begin() -> dict[str, str]:
        return {"token": uploads.begin()}

    @routes.post("/{token}/files")
    async def receive(token: str, name: str, request: Request) -> dict[str, int]:
        return {"size": await uploads.receive(token, name, request.stream())}

    @routes.post("/{token}/check")
    async def check(token: str, asked: _Check) -> dict[str, Any]:
        await asyncio.to_thread(uploads.check, token, asked.label)
        return uploads.status(token)

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
