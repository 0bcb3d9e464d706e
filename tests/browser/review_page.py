"""Serve the Review tab alone: `python -m tests.browser.review_page HOME PORT`, over a home that has images."""

import os
import sys
import threading
import time
from pathlib import Path

os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_OFFLINE="1")

import gradio as gr  # noqa: E402
from fastapi import FastAPI  # noqa: E402
from starlette.routing import Mount  # noqa: E402

from synthstudio.jobs.launchers import ProcessLauncher  # noqa: E402
from synthstudio.jobs.studio import Studio  # noqa: E402
from synthstudio.steps.collect.import_images import ImportImages  # noqa: E402
from synthstudio.ui import review  # noqa: E402


class Session:
    """One project and a clock."""

    def __init__(self, home, project="default"):
        self.project = project
        self.studio = Studio(Path(home), project, ProcessLauncher())

    def tick(self):
        while True:
            time.sleep(0.5)
            self.studio.tick()


def import_digits(home):
    """A project with the bundled digits; done once, by the process that will own the catalog."""
    with Studio(Path(home), launcher=ProcessLauncher()) as studio:
        run_id, _ = studio.submit(ImportImages(source="source:digits"))
        ended = studio.wait(run_id)
        assert ended.state == "done", ended.error


def page():
    """A page with the tab, another tab, and a text box whose keys must not decide anything."""
    with gr.Blocks(title="review", analytics_enabled=False, fill_width=True) as demo, gr.Tabs():
        with gr.Tab("Review"):
            grid = review.build()
        with gr.Tab("Other"):
            gr.Textbox(label="note", elem_id="note")
            used = gr.Textbox(label="used", elem_id="used")

    def use(event: gr.EventData):
        return event.run

    with demo:
        grid.use_settings(use, None, used, api_visibility="private")
    return demo


def main():
    home, port = sys.argv[1], int(sys.argv[2])
    session = Session(home)
    threading.Thread(target=session.tick, daemon=True).start()
    api = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    api.include_router(review.router(session))
    page().launch(
        server_name="127.0.0.1", server_port=port, quiet=True, ssr_mode=False, run_history=False, footer_links=[],
        app_kwargs={"routes": [Mount("/studio", api)]},
    )  # fmt: skip


if __name__ == "__main__":
    main()
