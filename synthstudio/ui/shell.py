"""The page as a whole: header, bar, tabs, and the public part of the API."""

from typing import Any

import gradio as gr
from gradio.events import api

from synthstudio.jobs.requests import Asked
from synthstudio.ui import adapt, asking, distil, home, notices, review, sample
from synthstudio.ui.live import Live
from synthstudio.ui.session import StudioSession
from synthstudio.ui.tools import QUIET, spoken

_HEADER = """
<header class="ss-header"><img src="/studio/page/logo.svg" alt="" width="26" height="26">
<span class="ss-brand">SynthStudio</span><span class="ss-project" id="ss-project-name"></span></header>
<studio-bar class="idle"></studio-bar>
"""


def build(session: StudioSession, live: Live) -> gr.Blocks:
    """All tabs. Nothing is run by building it."""
    with gr.Blocks(title="SynthStudio", analytics_enabled=False, fill_width=True) as page:
        gr.HTML(_HEADER, elem_classes="ss-plainblock", apply_default_css=False)
        notices.head(session.where)
        with gr.Tabs(elem_id="ss-tabs", overflow_behavior="wrap") as tabs:
            with gr.Tab("Start", id="start"):
                home.build(session, page)
            with gr.Tab("Data", id="data"):
                _part("studio-data")
            with gr.Tab("Adapt", id="adapt"):
                adapt.build(session, page)
            with gr.Tab("Sample", id="sample"):
                form = sample.build(session, page)
            with gr.Tab("Review", id="review"):
                grid = review.build()
            with gr.Tab("Distil", id="distil"):
                distil.build(session, page)
            with gr.Tab("Evaluate", id="evaluate"):
                _part("studio-evaluate")
            with gr.Tab("Runs", id="runs"):
                _part("studio-runs")
            with gr.Tab("Export", id="export"):
                _part("studio-export")
        _endpoints(session, live)

        def use_settings(event: gr.EventData) -> list[Any]:
            return [gr.Tabs(selected="sample"), *sample.values_of(session, str(event._data["run"]))]

        place = "() => studio.remember('sample')"
        grid.use_settings(use_settings, None, [tabs, *form], **QUIET).then(None, js=place, **QUIET)
    notices.wire(session, page)
    return page


def _part(name: str) -> None:
    """A place for one of the page's own elements, see `assets/page`."""
    gr.HTML(f"<{name}></{name}>", elem_classes="ss-plainblock", apply_default_css=False)


def _endpoints(session: StudioSession, live: Live) -> None:
    def run_recipe(  # noqa: PLR0913 - every argument is a name of the API
        recipe: str = "datadream", data: str = "digits", shots: int = 16, folds: int = 1, preset: str = "quick",
        backbone: str = "pico", seed: int = 0, settings: str = "",
    ) -> str:  # fmt: skip
        """Start a recipe; returns the id to ask `result` for. The same request while it runs is the same run.

        settings: one step.field=value per line; they override the preset.
        """
        lines = [line.strip() for line in settings.splitlines() if line.strip()]
        asked = Asked(data=data, shots=shots, folds=folds, preset=preset, backbone=backbone, seed=seed, settings=lines)
        return asking.start(session, recipe, asked)

    def result(pipeline: str) -> dict[str, Any]:
        """State and, when it is done, the answer of a recipe that `run_recipe` started."""
        found = session.studio.catalog.pipelines.get(pipeline)
        return {"pipeline": found.id, "state": found.state, "error": found.error,
                "result": live.result(session.studio, found)}  # fmt: skip

    api(spoken(run_recipe), api_name="run_recipe")
    api(spoken(result), api_name="result")
