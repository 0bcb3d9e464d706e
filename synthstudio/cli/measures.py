"""`measures`: measured sets beside each other, with the numbers of the page."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from synthstudio.cli.options import HERE, Home, Project

_BESIDE = 3  # sets in one block of a table, so that a terminal is wide enough
_HOW = (
    "Measure a set with: python -m synthstudio step measure.images "
    "--images SET --references VALIDATION --encoder pico-clip"
)


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(measures)


def measures(
    chosen: Annotated[
        list[str] | None, typer.Argument(metavar="SET...", help="Sets by name or id; none: all that were measured.")
    ] = None,
    project: Project = "default",
    home: Home = HERE,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measured sets beside each other: coverage, precision, diversity, copying and the like, with 95 % intervals.

    Sets stand together only where they were measured against the same photos, in the same eyes.
    """
    from synthstudio.jobs import Studio
    from synthstudio.jobs.knowing import measured

    with Studio(home, project) as studio:
        studio.tick()
        wanted = [studio.catalog.names.find(one, ("set",)) for one in chosen or ()]
        found = measured.document(studio, wanted)
        known = {row["images"] for group in found["groups"] for row in group["rows"]}
        missing = [studio.catalog.names.of(one) for one in wanted if one not in known]
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for line in _lines(found, missing):
        typer.echo(line.rstrip())


def _lines(found: Mapping[str, Any], missing: Sequence[str]) -> Iterator[str]:
    yield from found["problems"]
    for group in found["groups"]:
        yield f"{group['heading']}:"
        if group["apart"]:
            yield group["apart"]
        rows = group["rows"]
        for start in range(0, len(rows), _BESIDE):
            yield from _table(found["measures"], rows[start : start + _BESIDE])
            yield ""
    if found["groups"]:
        yield found["note"]
    if missing:
        yield f"Not measured: {', '.join(missing)}. {_HOW}"
    elif not found["groups"]:
        yield f"No set was measured yet. {_HOW}"


def _table(described: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Measures below each other, sets beside each other."""
    lines = [("", *(row["images_name"] for row in rows)), ("", *(f"{row['n'][0]} images" for row in rows))]
    for one in described:
        said = [row["said"].get(one["name"], {}) for row in rows]
        lines.append((one["heading"], *(_cell(each) for each in said)))
        if any(each.get("beside") for each in said):
            lines.append(("", *(each.get("beside", "") for each in said)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))


def _cell(said: Mapping[str, str]) -> str:
    interval = said.get("interval")
    return said.get("value", "") + (f" ({interval})" if interval else "")
