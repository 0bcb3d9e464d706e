"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[Path, typer.Option("--home", envvar="SYNTHSTUDIO_HOME", help="Folder that holds all projects.")]
HERE = Path("synthstudio-home")
Project = Annotated[str, typer.Option("--project", help="Project name; any text.")]
Json = Annotated[Path | None, typer.Option("--json", help="Also write the result to this file.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0: the engine chooses.")]
Log = Annotated[
    str | None,
    typer.Option(
        "--log",
        help="Where the numbers of runs go too: csv, tensorboard, trackio; several with commas. Default: what"
        " SYNTHSTUDIO_LOG says, else nowhere.",
    ),
]
Batch = Annotated[int, typer.Option(min=0, help="Images sampled at once; 0: the engine chooses.")]
