"""The page as a whole: header, bar, tabs, and the public part of the API."""

from typing import Any

import gradio as gr
from gradio.events import api

from synthstudio.jobs import Studio
from synthstudio.jobs.asking.asked import Asked
from synthstudio.ui import notices, scripts
from synthstudio.ui.api import selections
from synthstudio.ui.api.live import Live
from synthstudio.ui.session import address, lists
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.session.tools import QUIET, close_to_strangers, for_strangers, spoken, typed
from synthstudio.ui.tabs import adapt, asking, by_hand, distil, home, review, sample, train

_HEADER = """
<header class="ss-header"><img src="{logo}" alt="" width="26" height="26">
<h1 class="ss-brand">SynthStudio</h1>
<button type="button" class="ss-project" id="ss-project-name" title="Open another project"></button>
<studio-theme></studio-theme></header>
"""
_BAR = '<studio-bar class="idle"></studio-bar>'


def build(session: StudioSession, live: Live) -> gr.Blocks:
    """All tabs. Nothing is run by building it."""
    with gr.Blocks(title="SynthStudio", analytics_enabled=False, fill_width=True) as page:
        gr.HTML(_HEADER.format(logo=scripts.address("logo.svg")), elem_classes="ss-plainblock", apply_default_css=False)
        gr.HTML(_BAR, elem_classes=["ss-plainblock", "ss-insight"], apply_default_css=False)
        notices.head(session.where)
        with gr.Tabs(elem_id="ss-tabs", overflow_behavior="wrap") as tabs:
            with gr.Tab("Start", id="start") as start:
                home.build(session, page, start)
            with gr.Tab("Data", id="data"):
                _part("studio-data")
                by_hand.build(session, by_hand.SPLIT)
            with gr.Tab("Adapt", id="adapt"):
                adapt.build(session, page)
            with gr.Tab("Sample", id="sample") as sampling:
                form = sample.build(session, page, sampling)
            with gr.Tab("Review", id="review"):
                grid = review.build()
                by_hand.build(session, by_hand.SCORE, by_hand.FILTER)
            with gr.Tab("Distil", id="distil") as distilling:
                distil.build(session, page, distilling)
            with gr.Tab("Train", id="train") as training:
                train.build(session, page, training)
            with gr.Tab("Evaluate", id="evaluate"):
                _part("studio-evaluate")
                _part("studio-measures")
                by_hand.build(session, by_hand.COMPARE, by_hand.MEASURE)
            with gr.Tab("Runs", id="runs"):
                _part("studio-runs")
            with gr.Tab("Library", id="library"):
                _part("studio-library", "studio-models")
            with gr.Tab("Export", id="export"):
                _part("studio-export")
                by_hand.build(session, by_hand.EXPORT)
        _endpoints(session, live)

        def use_settings(event: gr.EventData) -> list[Any]:
            return [gr.Tabs(selected="sample"), *sample.asked_for(session, event._data)]

        grid.use_settings(use_settings, None, [tabs, *form], **QUIET).then(
            None, js=scripts.call("remember", "sample"), **QUIET
        )
    lists.wire(session, page)
    notices.wire(session, page)
    close_to_strangers(page, session)
    return page


def _part(*names: str) -> None:
    """A place for some of the page's own elements, see `assets/page`."""
    for name in names:
        gr.HTML(f"<{name}></{name}>", elem_classes="ss-plainblock", apply_default_css=False)


def _holder(session: StudioSession, pipeline: str) -> Studio:
    """The open project that has a pipeline; the one that is asked for if none has."""
    studios = [one.studio for one in session.neighbours()]
    return next((one for one in studios if any(p.id == pipeline for p in one.catalog.pipelines.all())), studios[0])


def _endpoints(session: StudioSession, live: Live) -> None:
    def run_recipe(  # noqa: PLR0913 - every argument is a name of the API
        recipe: str = "datadream", data: str = "digits", shots: int = 16, folds: int = 1, preset: str = "quick",
        backbone: str = "pico", seed: int = 0, settings: str = "", project: str = "",
    ) -> str:  # fmt: skip
        """Start a recipe; returns the id to ask `result` for. The same request while it runs is the same run.

        settings: one step.field=value per line; they override the preset.
        project: its name, or how it is called in an address; without one, the project that was opened last.
        """
        lines = [line.strip() for line in settings.splitlines() if line.strip()]
        asked = Asked(data=data, shots=shots, folds=folds, preset=preset, backbone=backbone, seed=seed, settings=lines)
        with address.within(project):
            return asking.start(session, recipe, asked)

    def review_helped(name: str = "", project: str = "") -> str:
        """Ask what the review of a frozen selection was worth; returns the id to ask `result` for.

        name: the name or id of the selection; without one, what is accepted of the newest recipe now.
        project: as for `run_recipe`.
        """
        with address.within(project):
            return selections.ask_helped(session, name)

    def train_classifier(  # noqa: PLR0913 - every argument is a name of the API
        real: str = "", synthetic: str = "", method: str = train.FIRST, encoder: str = "pico-clip",
        ratio: str = train.ALL, seed: int = 0, settings: str = "", project: str = "",
    ) -> str:  # fmt: skip
        """Train a classifier and compare it on held-out photos; returns the id to ask `result` for.

        real, synthetic: sets by name or id; without `real` the newest split's shots; synthetic "now": what is accepted.
        ratio: real to synthetic images, for example "1 : 5". settings: one field=value per line.
        project: as for `run_recipe`.
        """
        asked = {"real": real, "synthetic": synthetic, "method": method, "encoder": encoder, "ratio": ratio}
        with address.within(project):
            return train.asked(session, train.Asked(**asked, seed=seed, settings=settings))

    @for_strangers
    def result(pipeline: str, project: str = "") -> dict[str, Any]:
        """State and, when it is done, the answer of what `run_recipe`, `review_helped` or `train` started.

        project: as for `run_recipe`; without one, whichever open project has it.
        """
        with address.within(project):
            studio = _holder(session, pipeline) if not project else session.studio
        found = studio.catalog.pipelines.get(pipeline)
        return {"pipeline": found.id, "state": found.state, "error": found.error,
                "result": live.result(studio, found)}  # fmt: skip

    api(spoken(typed(run_recipe)), api_name="run_recipe")
    api(spoken(typed(review_helped)), api_name="review_helped")
    api(spoken(typed(train_classifier)), api_name="train")
    api(spoken(typed(result)), api_name="result")
