"""The Review tab: a grid of our own inside one gradio component, and the routes it talks to.

Gradio only holds the place. The grid (`assets/page/grid`) is fetched when the tab is first opened; it asks and decides
over `review_routes`, so that a reload, a second tab or a new server all show the same truth.
"""

import gradio as gr
from fastapi import APIRouter

from synthstudio.ui import scripts
from synthstudio.ui.api import filter_routes, image_routes, map_routes, review_routes, saved_view_routes, word_routes
from synthstudio.ui.api.image_routes import Opened

_PLACE = '<studio-review><div class="ss-review" aria-busy="true">Loading images…</div></studio-review>'


def build() -> gr.HTML:
    """The tab's content. `.use_settings(handler, ...)` of the returned component hears of "Use these settings" with an
    EventData that has `run` and `digest`, and of "Sample again without it" with `kind` and `fields`.
    """
    return gr.HTML(
        value="",
        html_template=_PLACE,
        # 'use_settings' stands here in quotes so that gradio offers it as an event.
        js_on_load=scripts.hears("studio:use_settings", "use_settings"),
        elem_id="review",
        apply_default_css=False,
        padding=False,
    )


def router(session: Opened) -> APIRouter:
    """Pictures and decisions: everything to mount below /studio."""
    routes = APIRouter()
    routes.include_router(image_routes.router(session))
    routes.include_router(review_routes.router(session))
    routes.include_router(filter_routes.router(session))
    routes.include_router(map_routes.router(session))
    routes.include_router(saved_view_routes.router(session))
    routes.include_router(word_routes.router(session))
    return routes
