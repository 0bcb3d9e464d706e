"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Literal

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
Batch = Annotated[int, typer.Option(min=0, help="Images sampled or trained on at once; 0: the engine chooses.")]
Checkpointing = Annotated[
    Literal["auto", "on", "off"],
    typer.Option(
        help="While adapting, compute activations again instead of keeping them: less memory, about a third slower."
        " auto: once a halved pass does not fit either."
    ),
]
Slicing = Annotated[
    bool, typer.Option("--slicing", help="Encode and decode one image at a time; by itself once several do not fit.")
]
Compile = Annotated[
    bool, typer.Option("--compile", help="Compile the denoiser (torch.compile): takes minutes before the first image.")
]
