"""SynthStudio's page: `python app.py [--home FOLDER]`, and what a Hugging Face Space runs."""

import argparse
import os
import sys
from pathlib import Path

from synthstudio.ui import environment

parser = argparse.ArgumentParser(description="Open SynthStudio in a browser.")
parser.add_argument("--home", type=Path, default=Path(os.environ.get("SYNTHSTUDIO_HOME", "synthstudio-home")),
                    help="folder that holds all projects")  # fmt: skip
parser.add_argument("--project", default=None, help="the project to open first; any text; default: the last one opened")
parser.add_argument(
    "--host",
    default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
    help="address to listen on; others than this machine need a password",
)
parser.add_argument("--port", type=int, default=None, help="port; default: the first free one from 7860 on")
parser.add_argument(
    "--log",
    default=None,
    help="where the numbers of runs go too: csv, tensorboard, trackio, with commas; default: what SYNTHSTUDIO_LOG says",
)

if __name__ == "__main__":
    arguments = parser.parse_args()
    environment.prepare(arguments.home)
    if arguments.log is not None:
        os.environ["SYNTHSTUDIO_LOG"] = arguments.log  # for every project that is opened here
    from synthstudio.ui.serve import serve  # gradio reads its environment when it is imported

    sys.exit(serve(arguments.home, arguments.project, arguments.host, arguments.port))
