"""`recipe save`: a recipe run as a recipe of one's own."""

from typing import Annotated

import typer

from synthstudio.cli.options import HERE, Home, Project


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    recipe = typer.Typer(help="Recipes of your own.", no_args_is_help=True)
    recipe.command()(save)
    recipe.callback()(lambda: None)
    app.add_typer(recipe, name="recipe")


def save(
    name: Annotated[str, typer.Argument(help="What the recipe is to be called: small letters, digits, hyphens.")],
    of: Annotated[
        str | None, typer.Option("--of", help="Which recipe run, by name or id; default: the newest finished one.")
    ] = None,
    title: Annotated[str, typer.Option(help="A title for people; default: that of the recipe, with the name.")] = "",
    project: Project = "default",
    home: Home = HERE,
) -> None:
    """Keep a recipe run as a recipe: its shots and settings, not its data, models and seed.

    It lies in the folder `recipes` of the home, may be changed there, and is offered here, in Python and in the page.
    """
    from synthstudio.jobs import Studio
    from synthstudio.jobs.asking import saved_recipes
    from synthstudio.jobs.curating import accepted

    with Studio(home, project) as studio:
        studio.tick()
        chosen = accepted.pipeline(studio, of) if of else saved_recipes.newest(studio, home)
    path = saved_recipes.save(chosen, name, home, title)
    typer.echo(f"{path}\nRun it with: python -m synthstudio run {name} --data … --preset {chosen.request['preset']}")
