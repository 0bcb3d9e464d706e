"""`page`: open the page in a browser. `python app.py` is the same command, for a Space and for a checkout."""

import os
from pathlib import Path
from typing import Annotated

import typer

from synthstudio.cli.options import HERE, Home, Log


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(page)


def page(
    home: Home = HERE,
    project: Annotated[
        str | None, typer.Option(help="The project to open first; any text; default: the last one opened.")
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            envvar="GRADIO_SERVER_NAME", help="Address to listen on; others than this machine need a password."
        ),
    ] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Port; default: the first free one from 7860 on.")] = None,
    log: Log = None,
) -> None:
    """Open SynthStudio in a browser. Ctrl-C closes the page; runs that work go on."""
    from synthstudio.ui import environment

    environment.prepare(Path(home))
    if log is not None:
        os.environ["SYNTHSTUDIO_LOG"] = log  # for every project that is opened here
    from synthstudio.ui.serve import serve  # gradio reads its environment when it is imported

    raise typer.Exit(serve(Path(home), project, host, port))
