"""The command line: the same verbs as the page, for people and for machines.

Heavy modules are imported inside the commands, so that `recipes` and `--help` answer at once.
"""

import sys

import typer

from synthstudio.cli import (
    causes,
    curate,
    export,
    find,
    frozen_sets,
    image,
    making,
    measures,
    models,
    names,
    page,
    photos,
    push,
    recipe,
    runs,
    sql,
    sweep,
    views,
)
from synthstudio.errors import StudioError

app = typer.Typer(
    name="synthstudio",
    help="From a few real photos to a curated synthetic dataset and a better classifier.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
making.register(app)
sweep.register(app)
photos.register(app)
runs.register(app)
export.register(app)
push.register(app)
curate.register(app)
frozen_sets.register(app)
causes.register(app)
names.register(app)
views.register(app)
find.register(app)
sql.register(app)
models.register(app)
measures.register(app)
page.register(app)
recipe.register(app)
image.register(app)


def main() -> None:
    """Run a command; an error a person can mend is one sentence and exit code 2, never a traceback."""
    try:
        app()
    except StudioError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
