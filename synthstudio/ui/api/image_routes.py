"""Pictures by digest: the whole picture, or a small one made once and kept beside the project as a cache.

A digest names bytes for ever, so browsers may keep what they got for ever. Nothing but pictures of the open project is
served: the address holds a digest and no path, the digest must be one the catalog knows, and links are not followed.
"""

import io
import os
import re
import stat
import threading
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response
from PIL import Image as Picture

from synthstudio.artifacts import digest_of
from synthstudio.jobs import Studio
from synthstudio.jobs.curating import single
from synthstudio.resources import cpu_count
from synthstudio.workspace import Workspace

SIZES = (96, 160, 320)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TYPES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}
_MAX_PIXELS = 200_000_000
_HEADERS = {
    "Cache-Control": "private, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
_resizing = threading.Semaphore(cpu_count())


class Opened(Protocol):
    """What a page works with: the project that is open now."""

    @property
    def studio(self) -> Studio: ...
    @property
    def project(self) -> str: ...

    def acting(self) -> AbstractContextManager[Studio]: ...

    def admitting(self, coming_bytes: int = 0, coming_files: int = 0) -> AbstractContextManager[Studio]: ...


def router(session: Opened) -> APIRouter:
    """`/images/<digest>`, `/images/<digest>/file`, `/thumbs/<digest>` and `/thumbs/<size>/<digest>`."""
    routes = APIRouter()

    @routes.get("/images/{digest}", include_in_schema=False)
    def image(digest: str) -> Response:
        return _answer(_blob(session.studio, digest))

    @routes.get("/images/{digest}/file", include_in_schema=False)
    def file(digest: str, notes: bool = True) -> Response:
        """To take away: a made image says in its file how it was made, unless `notes` is false."""
        _blob(session.studio, digest)  # what is missing or damaged is said
        data = single.file_of(session.studio, digest, notes)
        name = single.named(session.studio, digest)
        headers = {**_HEADERS, "Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'}
        return Response(data, media_type="image/png", headers=headers)

    @routes.get("/thumbs/{digest}", include_in_schema=False)
    @routes.get("/thumbs/{size}/{digest}", include_in_schema=False)
    def thumb(digest: str, size: str = "160") -> Response:
        if size not in map(str, SIZES):
            raise HTTPException(404, "no such size")
        return _answer(_thumb(session.studio, digest, int(size)))

    return routes


def _answer(data: bytes) -> Response:
    kind = next((kind for magic, kind in _TYPES.items() if data.startswith(magic)), None)
    if kind is None:
        raise HTTPException(404, "not a picture")
    return Response(data, media_type=kind, headers=_HEADERS)


def _known(studio: Studio, digest: str) -> None:
    if not _DIGEST.fullmatch(digest) or not studio.catalog.review.knows(digest):
        raise HTTPException(404, "no such picture")


def _blob(studio: Studio, digest: str) -> bytes:
    _known(studio, digest)
    data = _regular_file(studio.workspace, studio.workspace.path(digest))
    if data is not None and digest_of(data) == digest:
        return data
    if data is not None:
        studio.workspace.set_aside(studio.workspace.path(digest), digest)
    state = "is missing" if data is None else "was damaged and has been set aside"
    raise HTTPException(410, f"This picture {state}. Choose “Make again” at the run that made it, under Runs.")


def _thumb(studio: Studio, digest: str, size: int) -> bytes:
    _known(studio, digest)
    kept = studio.workspace.root / "cache" / f"thumbs-{size}" / digest[:2] / f"{digest}.webp"
    found = _regular_file(studio.workspace, kept)
    if found:
        return found
    with _resizing:
        data = _blob(studio, digest)
        small = _reduced(data, size)
    if small is None:
        return data
    _keep(kept, small)
    return small


def _regular_file(workspace: Workspace, path: Path) -> bytes | None:
    """The bytes of a plain file inside the project, or None; a link anywhere below the project's folder is refused."""
    root = workspace.root.resolve()
    try:
        if path.resolve(strict=True) != root / path.relative_to(workspace.root):
            return None
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            return file.read() if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    except OSError:
        return None


def _reduced(data: bytes, size: int) -> bytes | None:
    """A WebP whose longer side is `size`, or None where the picture is that small already."""
    try:
        with Picture.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as opened:
            if max(opened.size) <= size:
                return None
            if opened.width * opened.height > _MAX_PIXELS:
                raise HTTPException(404, "this picture is too large to show")
            opened.draft("RGB", (size, size))
            small = opened.convert("RGB")
        small.thumbnail((size, size), Picture.Resampling.LANCZOS)
        out = io.BytesIO()
        small.save(out, "WEBP", quality=82)
    except (OSError, ValueError, Picture.DecompressionBombError) as error:
        raise HTTPException(404, "this picture cannot be read") from error
    return out.getvalue()


def _keep(path: Path, data: bytes) -> None:
    """A cache may be lost and must never be half: renamed into place, not synced, and a full disk is no error."""
    aside = path.with_name(f".{uuid.uuid4().hex}.part")
    attempt: tuple[Callable[[], object], ...] = (
        lambda: path.parent.mkdir(parents=True, exist_ok=True),
        lambda: aside.write_bytes(data),
        lambda: os.replace(aside, path),
    )
    try:
        for one in attempt:
            one()
    except OSError:
        aside.unlink(missing_ok=True)
