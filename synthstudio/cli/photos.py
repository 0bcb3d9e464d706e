"""`import`: bring photos in, or only look at what an import would bring."""

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from synthstudio.cli.options import HERE, Home, Project
from synthstudio.errors import RunFailed

_LEVELS = {"ok": "good", "warn": "note", "block": "problem"}
_SHOWN_REFUSED = 20


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("import")(import_)


def import_(
    data: Annotated[str, typer.Argument(help="digits, a folder, a zip or a parquet file.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what an import would bring.")] = False,
    project: Project = "default",
    home: Home = HERE,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Import photos into a project, as `step collect.import_images` does; with --dry-run nothing is kept or opened."""
    found = _looked(data) if dry_run else _imported(data, project, home)
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for line in _said(found) if dry_run else _brought(found):
        typer.echo(line)


def _looked(data: str) -> dict[str, Any]:
    """The report that the page shows, without its pictures."""
    from synthstudio.steps.collect.dry_run import look_at

    found = look_at(data)
    classes = {one["label"]: one["images"] for one in found["classes"]}
    refused = [{"name": one["name"], "reason": one["reason"]} for one in found["refused"]]
    kept = ("source", "images", "badges", "refused_count", "repeats", "conflicts", "near_duplicates", "copies")
    return {**{name: found[name] for name in kept}, "classes": classes, "refused": refused}


def _said(found: Mapping[str, Any]) -> Iterator[str]:
    for label, count in found["classes"].items():
        yield f"{count:>7,}  {label}"
    for badge in found["badges"]:
        yield f"{_LEVELS[badge['level']]}: {badge['text']}"
    for one in found["refused"][:_SHOWN_REFUSED]:
        yield f"not used: {one['name']}: {one['reason']}"
    if found["refused_count"] > _SHOWN_REFUSED:
        yield f"… and {found['refused_count'] - _SHOWN_REFUSED:,} more"
    if found["copies"]:
        yield found["copies"]


def _imported(data: str, project: str, home: Home) -> dict[str, Any]:
    from synthstudio.cli.making import follow_run
    from synthstudio.intake import sources
    from synthstudio.jobs import Studio
    from synthstudio.steps.collect.import_images import ImportImages

    with Studio(home, project) as studio:
        run_id, reused = studio.submit(ImportImages(source=sources.register(data, studio.workspace)))
        ended = follow_run(studio, ImportImages.kind, run_id, reused)
        if ended.state != "done":
            again = f"Go on with: python -m synthstudio resume {run_id}"
            raise RunFailed(f"The import is {ended.state}. {ended.error or ''} {again}")
        outputs = studio.catalog.runs.outputs(run_id)
        return {
            "run": run_id, "reused": reused, "images": outputs["images"],
            "name": studio.catalog.names.of(outputs["images"]), "classes": outputs["counts"],
            "notes": [note["text"] for note in studio.catalog.runs.notes(run_id)],
        }  # fmt: skip


def _brought(found: Mapping[str, Any]) -> Iterator[str]:
    yield from found["notes"]
    yield f"Imported as {found['name']}. Go on with: python -m synthstudio step collect.split --images {found['name']}"
