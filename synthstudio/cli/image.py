"""`image read` and `image again`: what a file says of its making, and making it once more."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from synthstudio.cli.options import HERE, Batch, Device, Home, Json, Project, Threads
from synthstudio.errors import BadInput, RunFailed
from synthstudio.workspace import write_atomically

_MOST_BYTES = 64 << 20
_File = Annotated[Path, typer.Argument(help="A PNG, JPEG or WebP file.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    image = typer.Typer(help="What the file of an image says of its making.", no_args_is_help=True)
    image.command()(read)
    image.command()(again)
    app.add_typer(image, name="image")


def read(file: _File, result: Json = None) -> None:
    """Print how an image was made, as SynthStudio, AUTOMATIC1111, ComfyUI or InvokeAI wrote it into its file."""
    from synthstudio.intake import image_notes

    found = image_notes.read(_bytes(file))
    if found is None:
        raise BadInput(f"{file.name} says nothing of its making. Images say so when they were exported with notes.")
    _told(image_notes.as_json(found), result)


def again(  # noqa: PLR0913 - every argument is an option
    file: _File,
    out: Annotated[Path | None, typer.Option(help="Where to write it; default: beside FILE, -again added.")] = None,
    project: Project = "default",
    home: Home = HERE,
    device: Device = "auto",
    threads: Threads = 0,
    batch: Batch = 0,
    result: Json = None,
) -> None:
    """Make the image of a file again: same step, same machine, same bytes; says so, or that they differ."""
    from synthstudio.cli.making import follow_run
    from synthstudio.intake import image_notes
    from synthstudio.jobs import Studio
    from synthstudio.jobs.curating import again as made_again
    from synthstudio.jobs.curating import single
    from synthstudio.resources import Resources

    notes = image_notes.read(_bytes(file))
    wanted = made_again.step_of(notes)
    with Studio(home, project) as studio:
        lacking = made_again.missing(studio, wanted)
        if lacking:
            raise BadInput(" ".join(lacking))
        run_id, reused = studio.submit(wanted, Resources(device=device, threads=threads, batch=batch))
        ended = follow_run(studio, "again", run_id, reused)
        if ended.state != "done":
            raise RunFailed(f"The run is {ended.state}. {ended.error or ''}")
        (made,) = studio.catalog.images.made_by(run_id)
        data = single.file_of(studio, made["digest"])
    target = out or file.with_name(f"{file.stem}-again.png")
    write_atomically(target.absolute(), data)
    same = notes is not None and notes.image == made["digest"]
    _told({"file": str(target), "run": run_id, "image": made["digest"], "same_bytes": same}, result)
    if not same:
        typer.echo("The bytes differ: other software, another device or another --batch rounds otherwise.", err=True)


def _bytes(file: Path) -> bytes:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise BadInput(f"{file.name} is larger than {_MOST_BYTES >> 20} MB. Choose a smaller image.")
        return file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}. Name a file that is there.") from error


def _told(body: dict[str, Any], result: Path | None) -> None:
    text = json.dumps(body, indent=2, ensure_ascii=False)
    if result is not None:
        write_atomically(result.absolute(), (text + "\n").encode())
    typer.echo(text)
