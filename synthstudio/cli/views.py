"""`views`: the saved views of Review, each in one sentence."""

import json
from typing import Annotated

import typer

from synthstudio.cli.options import HERE, Home, Project


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(views)


def views(
    project: Project = "default",
    home: Home = HERE,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with the filters of each.")] = False,
) -> None:
    """List the saved views of Review by name, and what each shows in one sentence."""
    from synthstudio.catalog.review import SETTLED
    from synthstudio.jobs import Studio

    with Studio(home, project) as studio:
        studio.tick()
        found = studio.catalog.views.all()
    if as_json:
        rows = [{**vars(one), "query": one.query.model_dump(exclude=set(SETTLED))} for one in found]
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    if not found:
        typer.echo("No views yet. Set filters in Review and press “Save view…”.")
    for one in found:
        typer.echo(f"{one.name:<32} {one.words}")
