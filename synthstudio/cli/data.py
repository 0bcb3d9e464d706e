"""`export`: write a finished recipe's dataset and adapter for other tools."""

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthstudio.cli.options import HERE, Home, Project
from synthstudio.errors import BadInput, RunFailed
from synthstudio.workspace import storage_errors

if TYPE_CHECKING:
    from synthstudio.jobs import Studio
    from synthstudio.step import Step


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(export)


def export(
    to: Annotated[Path, typer.Argument(help="A folder to write; must not exist yet.")],
    pipeline: Annotated[str | None, typer.Option(help="Which recipe run; default: the newest finished one.")] = None,
    fold: Annotated[int, typer.Option(min=0, help="Which fold's images and adapter.")] = 0,
    project: Project = "default",
    home: Home = HERE,
) -> None:
    """Write the dataset (ImageFolder with metadata and a card) and the LoRA of a finished recipe."""
    from synthstudio.jobs import Studio

    target = to.absolute()
    if target.exists():
        raise BadInput(f"{target} exists already. Name a folder that does not.")
    with Studio(home, project) as studio:
        made = _outputs(studio, pipeline, fold)
        folders = {name: _carry_out(studio, step) for name, step in _steps(made, to.name).items()}
        for name, folder in folders.items():
            with storage_errors(target.parent):
                shutil.copytree(folder, target if name == "dataset" else target / "loras" / name)
            typer.echo(f"{name}: {target if name == 'dataset' else target / 'loras' / name}")


def _outputs(studio: "Studio", pipeline_id: str | None, fold: int) -> dict[str, dict[str, Any]]:
    done = [p for p in studio.catalog.pipelines.all() if p.state == "done"]
    if not done:
        raise BadInput(
            "There is no finished recipe to export. Run one first: python -m synthstudio run datadream --data digits"
        )
    chosen = studio.catalog.pipelines.get(pipeline_id) if pipeline_id else done[0]
    nodes = [n for n in studio.catalog.pipelines.nodes(chosen.id) if n.fold in (None, fold) and n.run_id]
    if not any(n.fold == fold for n in nodes):
        raise BadInput(f"{chosen.id} has no fold {fold}.")
    return {node.kind: studio.catalog.runs.outputs(node.run_id) for node in nodes if node.run_id}


def _steps(made: dict[str, dict[str, Any]], name: str) -> dict[str, "Step"]:
    from synthstudio.jobs import delivery
    from synthstudio.step import build

    steps = {"dataset": build("export.image_folder", delivery.of(made, name))}
    if "adapt.lora" in made:
        steps["adapter"] = build("export.adapter", {"adapter": made["adapt.lora"]["adapter"], "name": name})
    return steps


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
