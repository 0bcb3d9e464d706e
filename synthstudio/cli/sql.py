"""`sql`: a question of one's own to a copy of the catalog."""

import csv
import io
import json
import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthstudio.cli.options import HERE, Home, Project
from synthstudio.errors import BadInput

if TYPE_CHECKING:
    from synthstudio.catalog.question import Answer

_WIDEST = 64


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(sql)


def sql(
    question: Annotated[str, typer.Argument(help='One SELECT in quotes; "show tables" lists what there is.')],
    project: Project = "default",
    home: Home = HERE,
    seconds: Annotated[int, typer.Option(min=1, max=3600, help="Give up after so many.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: an object for each row.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Ask the catalog in SQL, as DuckDB speaks it. A copy is read, also while the page has the project open."""
    from synthstudio.catalog.question import MOST_ROWS, ask
    from synthstudio.workspace import Workspace

    if as_json and as_csv:
        raise BadInput("Choose --json or --csv, not both.")
    found = ask(Workspace.open(home, project).catalog, question, seconds)
    typer.echo(_json(found) if as_json else _csv(found) if as_csv else _table(found))
    if found.more:
        typer.echo(f"These are the first {MOST_ROWS:,} rows. Ask for less to see the others.", err=True)


def _json(found: "Answer") -> str:
    rows = [dict(zip(found.columns, map(_plain, row), strict=True)) for row in found.rows]
    return json.dumps(rows, indent=2, ensure_ascii=False, default=str)


def _plain(value: Any) -> Any:
    """JSON has no numbers that are none."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _csv(found: "Answer") -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([found.columns, *found.rows])
    return out.getvalue().rstrip("\n")


def _table(found: "Answer") -> str:
    lines = [found.columns, *([_cell(value) for value in row] for row in found.rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(found.columns))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _cell(value: Any) -> str:
    """A value in a line of a terminal, which strangers' words must not steer."""
    text = "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    shown = "".join(one if one.isprintable() else " " for one in text)
    return shown if len(shown) <= _WIDEST else f"{shown[: _WIDEST - 1]}…"
