"""The page as a whole: header, bar, tabs, and the public part of the API."""

from typing import Any

import gradio as gr

from synthstudio.jobs.requests import Asked
from synthstudio.ui import asking, home
from synthstudio.ui.live import Live
from synthstudio.ui.session import StudioSession

_HEADER = """
<header class="ss-header"><img src="/studio/page/logo.svg" alt="" width="26" height="26">
<span class="ss-brand">SynthStudio</span><span class="ss-project" id="ss-project-name"></span></header>
<studio-bar class="idle"></studio-bar>
"""


def build(session: StudioSession, live: Live) -> gr.Blocks:
    """All tabs. Nothing is run by building it."""
    with gr.Blocks(title="SynthStudio", analytics_enabled=False, fill_width=True) as page:
        gr.HTML(_HEADER, elem_classes="ss-plainblock")
        with gr.Tabs(elem_id="ss-tabs") as tabs:
            with gr.Tab("Start", id="start"):
                home.build(session, page, tabs)
        _endpoints(session, live)
    return page


def _endpoints(session: StudioSession, live: Live) -> None:
    def run_recipe(
        recipe: str = "datadream", data: str = "digits", shots: int = 16, folds: int = 1, preset: str = "quick",
        backbone: str = "pico", seed: int = 0,
    ) -> str:  # fmt: skip
        """Start a recipe; returns the id to ask `result` for. The same request while it runs is the same run."""
        asked = Asked(data=data, shots=shots, folds=folds, preset=preset, backbone=backbone, seed=seed)
        return asking.start(session, recipe, asked)

    def result(pipeline: str) -> dict[str, Any]:
        """State and, when it is done, the answer of a recipe that `run_recipe` started."""
        found = session.studio.catalog.pipelines.get(pipeline)
        return {"pipeline": found.id, "state": found.state, "error": found.error,
                "result": live.result(session.studio, found)}  # fmt: skip

    gr.api(run_recipe, api_name="run_recipe")
    gr.api(result, api_name="result")
