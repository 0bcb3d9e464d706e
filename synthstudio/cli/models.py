"""`models` and `fetch`: what is here, and fetching what is not."""

import json
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from synthstudio.cli.options import HERE, Home, Project
from synthstudio.errors import RunFailed, StudioError

if TYPE_CHECKING:
    from collections.abc import Callable

    from synthstudio.catalog.runs import Run
    from synthstudio.jobs import Studio
    from synthstudio.jobs.knowing.downloads import Shelved

_Found = TypeVar("_Found")


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(models)
    app.command()(fetch)


def models(
    project: Project = "default",
    home: Home = HERE,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List models: where each comes from, its size, licence and the memory it needs."""
    from synthstudio.jobs.knowing import downloads
    from synthstudio.workspace import Workspace

    found = downloads.shelf(Workspace.open(home, project))
    if as_json:
        rows = [{**vars(one), "memory_cpu": one.memory[0], "memory_gpu": one.memory[1]} for one in found]
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for one in found:
        typer.echo(_line(one))


def fetch(
    model: Annotated[str, typer.Argument(help="A model by name (see `models`), or a Hub repository: owner/name.")],
    precision: Annotated[str, typer.Option(help="fp16: half the size, where there is one; fp32: full.")] = "fp16",
    project: Project = "default",
    home: Home = HERE,
) -> None:
    """Download a model from the Hub, only the parts that are needed; ctrl-C stops it, the same command goes on."""
    from synthstudio.cli.making import follow_run
    from synthstudio.jobs import Studio
    from synthstudio.jobs.knowing import downloads

    with Studio(home, project) as studio:
        run_id = downloads.ask(studio, model, precision)  # type: ignore[arg-type]  # the Step looks at it
        ended = follow_run(studio, f"fetch {model}", run_id)
        said = [note["text"] for note in studio.catalog.runs.notes(run_id)]
        made = studio.catalog.runs.outputs(run_id)
    for text in said:
        typer.echo(text)
    if ended.state != "done":
        raise RunFailed(f"The download is {ended.state}. {ended.error or ''} The same command goes on.")
    typer.echo(f"{made['model']} can be used.")


def provided(studio: "Studio", make: "Callable[[], _Found]") -> _Found:
    """What `make` gives; the models of the Hub that it names and that are not here are fetched before."""
    from synthstudio.cli.making import follow_run
    from synthstudio.jobs.knowing import downloads

    def wait(run_id: str) -> "Run":
        return follow_run(studio, f"fetch {studio.catalog.runs.fields(run_id)['repository']}", run_id)

    return downloads.provided(studio, make, wait)


def provide_if_possible(studio: "Studio", name: str, purpose: "Any") -> None:
    """Fetch a model that would be of use, and go on without it where that does not work."""
    from synthstudio.models import reference

    try:
        provided(studio, lambda: reference(name, purpose, studio.workspace))
    except StudioError as error:
        typer.echo(f"{name} is done without: {error}", err=True)


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _line(one: "Shelved") -> str:
    size = _size(one.bytes) if one.bytes else "?"
    about = "about " if one.where == "not here" and one.bytes else ""
    cpu, gpu = map(_size, one.memory)
    memory = f"memory about {cpu} on a CPU, {gpu} on a GPU" if one.parameters else "memory unknown"
    indent = "\n" + " " * 18
    lines = [
        f"{one.name:<17} {one.purpose}, {one.where}, {about}{size} {one.precision}".rstrip() + f"; {memory}",
        f"{one.licence or 'its card names no licence'}; from {one.source or one.place}",
        one.about,
        one.damaged and f"cannot be used: {one.damaged}",
    ]
    return indent.join(line for line in lines if line)
