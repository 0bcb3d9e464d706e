"""The Review tab: a grid of our own inside one gradio component, and the routes it talks to.

Gradio only holds the place. The grid is a module of its own (`grid/`), fetched when the tab is first opened; it asks
and decides over `review_routes`, so that a reload, a second tab or a new server all show the same truth.
"""

import functools
import hashlib
from pathlib import Path

import gradio as gr
from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

from synthstudio.ui.api import image_routes, review_routes
from synthstudio.ui.api.image_routes import Opened

_GRID = Path(__file__).parents[1] / "grid"
_KINDS = {".js": "text/javascript", ".css": "text/css"}
_KEEP = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}

# 'use_settings' stands here in quotes so that gradio offers it as an event; the grid triggers it with run and digest.
_LOAD = """
const root = (window.gradio_config?.root || location.origin).replace(/\\/$/, '');
const base = window.studio ? window.studio.BASE : '%s';  // of the page's project
import(root + '%s').then(grid => grid.mount(element, root + base, detail => trigger('use_settings', detail)))
  .catch(() => { element.textContent = 'The review grid could not be loaded. Reload the page.'; });
"""


def build(base: str = "/studio") -> gr.HTML:
    """The tab's content. `base` is where `router` is mounted; `.use_settings(handler, ...)` of the returned component
    hears of "Use these settings" with an EventData that has `run` and `digest`.
    """
    address = f"{base}/grid/{_version()}/main.js"
    return gr.HTML(
        value="",
        html_template='<div class="ss-review" aria-busy="true">Loading images…</div>',
        js_on_load=_LOAD % (base, address),
        elem_id="review",
        apply_default_css=False,
        padding=False,
    )


def router(session: Opened) -> APIRouter:
    """Pictures, decisions and the grid's own files: everything to mount below `base`."""
    routes = APIRouter()
    routes.include_router(image_routes.router(session))
    routes.include_router(review_routes.router(session))

    @routes.get("/grid/{version}/{name}", include_in_schema=False)
    def grid_file(version: str, name: str) -> Response:
        if version != _version() or name not in _files():
            raise HTTPException(404, "no such file")
        return Response(_files()[name], media_type=_KINDS[Path(name).suffix], headers=_KEEP)

    return routes


@functools.cache
def _files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(_GRID.iterdir()) if path.suffix in _KINDS}


@functools.cache
def _version() -> str:
    """Changes with any of the grid's files, so that browsers may keep each version for ever."""
    return hashlib.sha256(b"".join(_files().values())).hexdigest()[:12]
