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
    chosen: Annotated[
        str | None, typer.Option("--set", help="A frozen set by name; default: what is accepted now.")
    ] = None,
    pipeline: Annotated[
        str | None, typer.Option(help="Which recipe run, by name or id; default: the newest finished one.")
    ] = None,
    fold: Annotated[
        int, typer.Option(min=1, help="Which fold's images, adapter and classifier: 1 is the first, as on the page.")
    ] = 1,
    classifier: Annotated[
        str | None,
        typer.Option(
            help="Trained on what: real_and_synthetic, real_only, synthetic_only or selection; default: the selection, "
            "if review-helped trained one on it, else real_and_synthetic."
        ),
    ] = None,
    format: Annotated[str, typer.Option(help="imagefolder, webdataset, kohya, coco, fiftyone or csv.")] = "imagefolder",
    strip: Annotated[
        bool, typer.Option("--strip", help="Leave out how images were made and who decided, in files and tables.")
    ] = False,
    project: Project = "default",
    home: Home = HERE,
) -> None:
    """Write the dataset (with metadata and a card), the LoRA and the classifier of a finished recipe.

    Rejected images are left out, moved ones stand in their class.
    """
    from synthstudio.jobs import Studio

    target = to.absolute()
    if target.exists():
        raise BadInput(f"{target} exists already. Name a folder that does not.")
    with Studio(home, project) as studio:
        studio.tick()
        written: dict[str, str | bool] = {"format": format, "strip": strip}
        for name, step in _steps(studio, target.name, chosen, pipeline, fold - 1, classifier, **written).items():
            folder, counts = _carry_out(studio, step)
            place = target / _PLACES[name]
            with storage_errors(target.parent):
                shutil.copytree(folder, place, dirs_exist_ok=name != "dataset")
            typer.echo(f"{name}: {place}")
            for line in _counted(counts):
                typer.echo(line)


def _steps(
    studio: "Studio", name: str, chosen: str | None, pipeline: str | None, fold: int, classifier: str | None,
    **written: str | bool,
) -> "dict[str, Step]":  # fmt: skip
    from synthstudio.jobs.curating import accepted, delivery

    selection = studio.catalog.names.find(chosen, ("set",)) if chosen else None
    if selection and pipeline is None and not any(one.state == "done" for one in studio.catalog.pipelines.all()):
        return {"dataset": delivery.selection_alone(studio, selection, name, **written)}
    return delivery.steps(studio, accepted.pipeline(studio, pipeline).id, fold, name, classifier, selection, **written)


def _counted(counts: dict[str, dict[str, int]]) -> list[str]:
    """The counts before and after a review, in all and by class where they differ."""
    if not counts:
        return []
    before, after = counts["before"], counts["after"]
    lines = [f"kept by the filter: {sum(before.values())} images; exported: {sum(after.values())}"]
    labels = sorted(set(before) | set(after))
    changed = [label for label in labels if before.get(label, 0) != after.get(label, 0)]
    return lines + [f"  {label}: {before.get(label, 0)} -> {after.get(label, 0)}" for label in changed]


def _carry_out(studio: "Studio", step: "Step") -> tuple[Path, dict[str, dict[str, int]]]:
    """The folder of a carried-out export, and the counts it said, if any."""
    run_id, _ = studio.submit(step)
    ended = studio.wait(run_id, poll_seconds=0.1)
    if ended.state != "done":
        raise RunFailed(f"{step.kind} is {ended.state}: {ended.error}")
    outputs = studio.catalog.runs.outputs(run_id)
    folder: Path = studio.workspace.root / outputs["folder"]
    if not folder.is_dir():
        raise RunFailed(
            f"{folder} is gone since {time.strftime('%d %B', time.localtime(ended.created))}; run {step.kind} again."
        )
    return folder, outputs.get("counts", {})
