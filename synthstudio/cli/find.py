"""`find`: the images that are most like a few words."""

import json
from typing import Annotated

import typer

from synthstudio.cli.options import HERE, Home, Project
from synthstudio.errors import RunFailed


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(find)


def find(
    words: Annotated[str, typer.Argument(help="What the images should show: “a red cup on grass”.")],
    count: Annotated[int, typer.Option(min=1, max=10_000, help="How many images to list.")] = 20,
    project: Project = "default",
    home: Home = HERE,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the images that are most like some words, the most alike first: likeness, class, origin and file."""
    from synthstudio.jobs import Studio
    from synthstudio.jobs.knowing import found_by_words

    with Studio(home, project) as studio:
        studio.tick()
        if (step := found_by_words.step(studio, words)) is not None:
            ended = studio.wait(studio.submit(step)[0])
            if ended.state != "done":
                raise RunFailed(f"The words were not read: {ended.error}")
        review = studio.catalog.review
        query = review.settle(found_by_words.view(words))
        cut_off = found_by_words.cut_off(studio, query.words)
        rows = [
            {**{name: row[name] for name in ("digest", "label", "origin")}, "likeness": row["score"],
             "file": str(studio.workspace.path(row["digest"]))}
            for row in review.decided_page(query, 0, count) if row["score"] is not None
        ]  # fmt: skip
    if as_json:
        typer.echo(json.dumps({"words": query.words, "said": cut_off, "images": rows}, indent=2, ensure_ascii=False))
        return
    for line in (
        cut_off,
        *(f"{row['likeness']:6.3f}  {row['label']:<20} {row['origin']:<9} {row['file']}" for row in rows),
    ):
        if line:
            typer.echo(line)
