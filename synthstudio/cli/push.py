"""`push`: an exported dataset becomes a repository on the Hugging Face Hub."""

from pathlib import Path
from typing import Annotated

import typer

from synthstudio.intake.entries import size
from synthstudio.quantities import many


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(push)


def push(
    folder: Annotated[Path, typer.Argument(help="What `export` wrote.")],
    repository: Annotated[str, typer.Argument(help="Where to: owner/name.")],
    public: Annotated[bool, typer.Option("--public", help="Let everybody see it; else a new one is private.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
) -> None:
    """Send an exported dataset to the Hub. Who is signed in there (hf auth login, HF_TOKEN) owns what is made."""
    from synthstudio import hub_upload

    upload = hub_upload.prepare(folder.absolute(), repository)
    what = f"{many(len(upload.files), 'file')}, {size(upload.size)}"
    if dry_run:
        typer.echo(f"Would send {what} to {upload.address}, {'public' if public else 'private'} where it is new:")
        for name in upload.files[:20]:
            typer.echo(f"  {name}")
        more = len(upload.files) - 20
        typer.echo(f"  … and {more} more" if more > 0 else "  and nothing else")
        return
    commit = hub_upload.send(upload, public=public)
    typer.echo(f"{what}: {upload.address}, commit {commit[:12]}. Load it with {upload.loading}.")
