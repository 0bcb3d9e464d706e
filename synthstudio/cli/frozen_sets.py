"""`changes`, `restore`: what has changed since a set was frozen, and going back to it."""

import json
from typing import Annotated

import typer

from synthstudio.cli.options import HERE, Home, Json, Project
from synthstudio.quantities import many
from synthstudio.workspace import write_atomically

_WHO = "local"


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(changes)
    app.command()(restore)


def changes(
    before: Annotated[str, typer.Argument(help="A frozen set, by name; see `freeze`.")],
    after: Annotated[str, typer.Argument(help="Another one; default: what is accepted now.")] = "",
    images: Annotated[bool, typer.Option("--images", help="List every image that differs.")] = False,
    project: Project = "default",
    home: Home = HERE,
    result: Json = None,
) -> None:
    """What changed between two frozen sets, or since one was frozen: images added, removed and moved, by class."""
    from synthstudio.jobs import Studio
    from synthstudio.jobs.curating import frozen_sets

    with Studio(home, project) as studio:
        studio.tick()
        found = frozen_sets.changes(studio, before, after)
    if result is not None:
        body = {"sentence": found.sentence, "classes": found.classes, "changes": [vars(one) for one in found.changes]}
        write_atomically(result.absolute(), (json.dumps(body, indent=2, ensure_ascii=False) + "\n").encode())
    typer.echo(found.sentence)
    for label, was, is_now, came, went in found.classes:
        if came or went:
            typer.echo(f"  {label}: {was} -> {is_now} ({came} came, {went} went)")
    for one in found.changes if images else ():
        typer.echo(f"{one.image}  {one.before or '-'} -> {one.after or '-'}")


def restore(
    name: Annotated[str, typer.Argument(help="A frozen set, by name.")],
    project: Project = "default",
    home: Home = HERE,
) -> None:
    """Make a frozen set what is accepted again: every image that differs is decided as it was then, in one act."""
    from synthstudio.jobs import Studio
    from synthstudio.jobs.curating import frozen_sets

    with Studio(home, project) as studio:
        studio.tick()
        outcome = frozen_sets.restore(studio, name, _WHO, "restore")
        if not outcome.changed:
            typer.echo(f"Nothing changed: {name} is what is accepted now.")
            return
        typer.echo(
            f"{many(outcome.changed, 'image')} decided as when {name} was frozen.\n"
            f"Take it back with: python -m synthstudio decisions --undo {outcome.id}"
        )
        rest = frozen_sets.changes(studio, name).changes
        if rest:
            typer.echo(
                f"{many(len(rest), 'image')} still differ: by what was made or filtered since, not by decisions."
            )
