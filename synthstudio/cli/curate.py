"""`decisions`, `freeze`, `review-helped`: what a person decided, as a file, as a set, and what it was worth."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthstudio.cli.options import HERE, Home, Json, Project
from synthstudio.errors import BadInput, RunFailed
from synthstudio.quantities import many
from synthstudio.workspace import write_atomically

if TYPE_CHECKING:
    from synthstudio.jobs import Studio

_WHO = "local"


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(decisions)
    app.command()(freeze)
    app.command("review-helped")(review_helped)


def decisions(
    out: Annotated[Path | None, typer.Option(help="Write every decision that stands to this CSV or JSON file.")] = None,
    into: Annotated[
        Path | None,
        typer.Option(
            "--in",
            help="Let the rows of this file stand (columns image, decision, label); or an export that was looked "
            "through: images in another class folder are moved, deleted ones rejected, the others accepted.",
        ),
    ] = None,
    undo: Annotated[str | None, typer.Option(help="Take an import back: the id it said.")] = None,
    project: Project = "default",
    home: Home = HERE,
) -> None:
    """Decisions of people as a file (keep, reject, relabel, clear), out of the project or into it."""
    from synthstudio.jobs import Studio
    from synthstudio.jobs.curating import decision_files

    if sum(one is not None for one in (out, into, undo)) != 1:
        raise BadInput("Say one of: decisions --out FILE, decisions --in FILE, decisions --undo ID.")
    with Studio(home, project) as studio:
        studio.tick()
        if out is not None:
            typer.echo(_written(studio, out))
        elif into is not None:
            typer.echo(_taken_in(studio, into))
        else:
            outcome = decision_files.undo(studio, str(undo), _WHO)
            others = f"; {outcome.kept_elsewhere} were decided anew since and stay" if outcome.kept_elsewhere else ""
            typer.echo(f"{outcome.changed} images are as they were before{others}.")


def freeze(
    name: Annotated[str, typer.Argument(help="What to call the set.")],
    pipeline: Annotated[
        str | None, typer.Option(help="Which recipe run, by name or id; default: the newest finished one.")
    ] = None,
    decided_only: Annotated[
        bool, typer.Option("--decided-only", help="Leave out what nobody decided about, though the filter kept it.")
    ] = False,
    project: Project = "default",
    home: Home = HERE,
) -> None:
    """Freeze what is accepted now: what the filter kept, without rejected images, moved ones in their class."""
    from synthstudio.jobs import Studio
    from synthstudio.jobs.curating.freeze import freeze_accepted

    with Studio(home, project) as studio:
        studio.tick()
        frozen = freeze_accepted(studio, name, pipeline, decided_only=decided_only)
        ended = studio.wait(frozen.run_id)
        if ended.state != "done":
            raise RunFailed(f"The set was not frozen: {ended.error}")
        classes = many(len(frozen.counts), "class", "classes")
        typer.echo(f"{frozen.name}: {many(frozen.size, 'image')} in {classes}, {frozen.image_set}")


def review_helped(
    name: Annotated[str, typer.Argument(help="A frozen selection, by name; see `freeze`.")],
    pipeline: Annotated[
        str | None, typer.Option(help="Which recipe run it continues; default: the newest that made these images.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the random selection it is compared with.")] = 0,
    project: Project = "default",
    home: Home = HERE,
    result: Json = None,
) -> None:
    """Did my review help? Train on real photos, on everything kept, on the selection and on as many at random."""
    from synthstudio.cli.making import follow_pipeline
    from synthstudio.jobs import Studio
    from synthstudio.jobs.curating import review_helped as review
    from synthstudio.jobs.knowing import summary

    with Studio(home, project) as studio:
        studio.tick()
        pipeline_id = review.start(studio, name, pipeline, seed=seed)
        follow_pipeline(studio, pipeline_id)
        found = review.summary(studio, pipeline_id)
    if result is not None:
        write_atomically(result.absolute(), (json.dumps(found, indent=2, ensure_ascii=False) + "\n").encode())
    typer.echo(summary.text(found))


def _written(studio: "Studio", out: Path) -> str:
    from synthstudio.intake.decisions import to_csv, to_json
    from synthstudio.jobs.curating import decision_files

    rows = decision_files.rows(studio)
    write_atomically(out.absolute(), to_json(rows) if out.suffix.lower() == ".json" else to_csv(rows))
    return f"{many(len(rows), 'decision')}: {out}"


def _taken_in(studio: "Studio", file: Path) -> str:
    from synthstudio.catalog.review import Query
    from synthstudio.intake import decisions, reviewed
    from synthstudio.jobs.curating import decision_files

    rows = reviewed.read(file) if file.is_dir() else decisions.read(file)
    known = {label for label, *_ in studio.catalog.review.tally(studio.catalog.review.settle(Query()))}
    outcome = decision_files.take_in(studio, rows, _WHO)
    if not outcome.changed:
        return f"Nothing changed: what {file.name} says ({many(len(rows), 'decision')}) stands already."
    fresh = sorted({row.label for row in rows if row.label} - known)
    new = f" No image had the class {', '.join(map(repr, fresh[:3]))} before." if fresh else ""
    return (
        f"{outcome.changed} of {many(len(rows), 'decision')} in {file.name} changed something.{new}\n"
        f"Take them back with: python -m synthstudio decisions --undo {outcome.id}"
    )
