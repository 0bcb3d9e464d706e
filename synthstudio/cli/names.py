"""`names`, `rename`, `free`: what a project holds, by the names that steps and exports take, and making room."""

import json
from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated

import typer

from synthstudio.cli.options import HERE, Home, Project
from synthstudio.quantities import many

if TYPE_CHECKING:
    from synthstudio.jobs import Studio

_WHO = "local"
_STATES = {"freed": "thrown away", "partly": "partly thrown away", "working": "working"}


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(names)
    app.command()(rename)
    app.command()(free)


def names(
    role: Annotated[
        list[str] | None, typer.Option(help="Only set, test, pool, adapter, classifier, run, …; may be repeated.")
    ] = None,
    project: Project = "default",
    home: Home = HERE,
    sizes: Annotated[
        bool, typer.Option("--sizes", help="What takes room: bytes on disk, what made it, what reads it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List sets, adapters, classifiers, runs and recipe runs by name, with size and origin, the newest first."""
    from synthstudio.jobs import Studio

    with Studio(home, project) as studio:
        studio.tick()
        if sizes:
            typer.echo(_sizes(studio, role or (), as_json))
            return
        found = studio.catalog.names.all(role or ())
    if as_json:
        typer.echo(json.dumps([vars(one) for one in found], indent=2, ensure_ascii=False))
        return
    if not found:
        typer.echo("Nothing is here yet. Start with: python -m synthstudio run datadream --data digits")
    for one in found:
        size = "" if one.size is None else many(one.size, "image")
        typer.echo(f"{one.role:<11} {one.name:<44} {size:<14} {one.kind or '':<24} {one.id}".rstrip())


def _sizes(studio: "Studio", roles: Collection[str], as_json: bool) -> str:
    from synthstudio.jobs.keeping import things

    found = [one for one in things.every(studio) if not roles or one.role in roles]
    if as_json:
        return json.dumps([things.described(one) for one in found], indent=2, ensure_ascii=False)
    if not found:
        return "Nothing is here yet. Start with: python -m synthstudio run datadream --data digits"
    lines = []
    for one in found:
        count = "" if one.images is None else many(one.images, "image")
        state = "" if one.state == "here" else _STATES[one.state]
        read = f"read by {many(len(one.used_by), 'run')}" if one.used_by else ""
        about = f"{one.role:<11} {one.name:<44} {count:<14} {_room(one.bytes):>10}  {one.kind:<24} {read:<16} {state}"
        lines.append(about.rstrip())
    return "\n".join(lines)


def free(
    chosen: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names or ids; see `names --sizes`.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    for_good: Annotated[
        bool, typer.Option("--for-good", help="Also what cannot be made again, such as photos whose source is gone.")
    ] = False,
    project: Project = "default",
    home: Home = HERE,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Throw images and weights away to free space; logs, names and decisions stay, and steps can make them again."""
    from synthstudio.jobs import Studio
    from synthstudio.jobs.keeping import freeing, things

    with Studio(home, project) as studio:
        studio.tick()
        wanted = [things.find(studio, one) for one in chosen]
        found = freeing.plan(studio, wanted) if dry_run else freeing.free(studio, wanted, _WHO, for_good=for_good)
    if as_json:
        typer.echo(json.dumps({**found.to_json(), "dry_run": dry_run}, indent=2, ensure_ascii=False))
        return
    for away in found.things:
        typer.echo(f"{away.role} {away.name}: {_room(away.bytes)}. {away.why}")
        if away.shared:
            typer.echo(f"  {away.shared} of its images stay: {', '.join(found.kept_by) or 'others'} need them.")
    if found.dependants:
        typer.echo(f"Made from it, and staying: {', '.join(found.dependants)}.")
    for sentence in found.refused:
        typer.echo(sentence)
    would = "would be freed" if dry_run else "freed"
    typer.echo(f"{_room(found.bytes)} in {many(found.files, 'file')} {would}. Asking for a step again makes it again.")


def _room(count: int) -> str:
    """Bytes for a reader."""
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.0f} kB"


def rename(
    old: Annotated[str, typer.Argument(help="A name, an id, or the beginning of an id.")],
    new: Annotated[str, typer.Argument(help="The new name; no two things of a project share one.")],
    project: Project = "default",
    home: Home = HERE,
) -> None:
    """Give a set, an adapter, a classifier, a run or a recipe run another name."""
    from synthstudio.jobs import Studio

    with Studio(home, project) as studio:
        thing = studio.catalog.names.find(old)
        before = studio.catalog.names.of(thing)
        typer.echo(f"{before} is now called {studio.catalog.names.give(thing, new)}.")
