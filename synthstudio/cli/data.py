"""`export`: write a finished recipe's dataset, adapter and classifier for other tools."""

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthstudio.cli.options import HERE, Home, Project
from synthstudio.errors import BadInput, RunFailed
from synthstudio.workspace import storage_errors

if TYPE_CHECKING:
    from synthstudio.jobs import Studio
    from synthstudio.step import Step

_PLACES = {"dataset": ".", "adapter": "loras/adapter", "classifier": "classifier"}


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(export)


def export(
    to: Annotated[Path, typer.Argument(help="A folder to write; must not exist yet.")],
    pipeline: Annotated[str | None, typer.Option(help="Which recipe run; default: the newest finished one.")] = None,
    fold: Annotated[int, typer.Option(min=0, help="Which fold's images, adapter and classifier.")] = 0,
    classifier: Annotated[
        str, typer.Option(help="Trained on what: real_and_synthetic, real_only or synthetic_only.")
    ] = "real_and_synthetic",
    project: Project = "default",
    home: Home = HERE,
) -> None:
    """Write the dataset (ImageFolder with metadata and a card), the LoRA and the classifier of a finished recipe."""
    from synthstudio.jobs import Studio, delivery

    target = to.absolute()
    if target.exists():
        raise BadInput(f"{target} exists already. Name a folder that does not.")
    with Studio(home, project) as studio:
        steps = delivery.steps(studio.catalog, pipeline or _newest(studio), fold, to.name, classifier)
        folders = {name: _carry_out(studio, step) for name, step in steps.items()}
        for name, folder in folders.items():
            place = target / _PLACES[name]
            with storage_errors(target.parent):
                shutil.copytree(folder, place, dirs_exist_ok=name != "dataset")
            typer.echo(f"{name}: {place}")


def _newest(studio: "Studio") -> str:
    for pipeline in studio.catalog.pipelines.all():
        if pipeline.state == "done":
            return pipeline.id
    raise BadInput(
        "There is no finished recipe to export. Run one first: python -m synthstudio run datadream --data digits"
    )


def _carry_out(studio: "Studio", step: "Step") -> Path:
    run_id, _ = studio.submit(step)
    ended = studio.wait(run_id, poll_seconds=0.1)
    if ended.state != "done":
        raise RunFailed(f"{step.kind} is {ended.state}: {ended.error}")
    folder: Path = studio.workspace.root / studio.catalog.runs.outputs(run_id)["folder"]
    if not folder.is_dir():
        raise RunFailed(
            f"{folder} is gone since {time.strftime('%d %B', time.localtime(ended.created))}; run {step.kind} again."
        )
    return folder
