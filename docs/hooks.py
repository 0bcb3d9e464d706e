"""What the pages say about commands, Steps and recipes is read off the program when the site is built.

A page holds `<!-- commands -->`, `<!-- steps -->`, `<!-- scores -->` or `<!-- recipes -->`; the text of the program
stands there instead, so it cannot be another than the program's own.
"""

import inspect
import json
from collections.abc import Iterator
from typing import Any

import typer.main

import synthstudio.steps  # noqa: F401 - fills the table of kinds
from synthstudio.cli import app
from synthstudio.jobs.asking.recipes import load_recipe, recipe_names
from synthstudio.step import STEPS, FieldInfo, Step, describe


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs for every page."""
    for name, text in _PARTS.items():
        mark = f"<!-- {name} -->"
        if mark in markdown:
            markdown = markdown.replace(mark, text())
    return markdown


def commands() -> str:
    """Every command with its arguments and options."""
    return "\n".join(_command(name, command) for name, command in sorted(known_commands()))


def known_commands() -> Iterator[tuple[str, Any]]:
    """(name, command), those of a group as "recipe save"."""
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        inside = getattr(command, "commands", None)
        yield from ((f"{name} {one}", inside[one]) for one in inside) if inside else [(name, command)]


def steps() -> str:
    """Every Step that ships with what it does and its fields."""
    kinds = sorted(kind for kind, cls in STEPS.items() if cls.__module__.startswith("synthstudio."))
    return "\n".join(_step(kind, STEPS[kind]) for kind in kinds)


def scores() -> str:
    """Every scorer that ships: what a value says, where values end, and which way is better."""
    rows = ["| scorer | says | range | which way is better |", "|---|---|---|---|"]
    for kind, cls in sorted(STEPS.items()):
        if cls.scale is not None and cls.__module__.startswith("synthstudio."):
            name = kind.removeprefix("score.")
            rows.append(f"| `{name}` | {_cell(cls.scale.says)} | {cls.scale.span or 'any'} | {cls.scale.better} |")
    return "\n".join(rows)


def recipes() -> str:
    """The recipes that ship."""
    rows = ["| recipe | what it does | source |", "|---|---|---|"]
    for recipe in map(load_recipe, recipe_names()):
        rows.append(f"| `{recipe.name}` | **{_cell(recipe.title)}.** {_cell(recipe.summary)} | {_cell(recipe.paper)} |")
    return "\n".join(rows)


_PARTS = {"commands": commands, "steps": steps, "scores": scores, "recipes": recipes}


def _command(name: str, command: Any) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    usage = " ".join(one.name.upper() if one.required else f"[{one.name.upper()}]" for one in arguments)
    lines = [f"## {name}\n", f"    python -m synthstudio {name} {usage}".rstrip() + "\n", _plain(command.help), ""]
    lines += ["| option | what it means | default |", "|---|---|---|"]
    lines += [f"| `{one.name.upper()}` | {_cell(one.help)} |  |" for one in arguments]
    for one in command.params:
        if one.param_type_name == "option" and one.name != "help":
            default = "" if one.default is None or callable(one.default) else f"`{_shown(one.default)}`"
            lines.append(f"| `{', '.join((*one.opts, *one.secondary_opts))}` | {_cell(one.help)} | {default} |")
    return "\n".join(lines) + "\n"


def _step(kind: str, cls: type[Step]) -> str:
    lines = [
        f"## {kind}\n",
        f"{_plain(inspect.getdoc(cls))}\n",
        "| field | what it means | values | default |",
        "|---|---|---|---|",
    ]
    lines += [_field(one) for one in describe(cls)]
    return "\n".join(lines) + "\n"


def _field(one: FieldInfo) -> str:
    default = "**required**" if one.required else f"`{_shown(one.default)}`"
    return f"| `{one.name}` | {_cell(one.help)} | {_cell(', '.join(_values(one)))} | {default} |"


def _values(one: FieldInfo) -> Iterator[str]:
    if one.choices:
        yield from one.choices
        return
    if one.minimum is not None:
        yield f"from {one.minimum:g}"
    if one.maximum is not None:
        yield f"to {one.maximum:g}"


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | list | None) else str(value)


def _plain(text: str | None) -> str:
    return (text or "").replace("{", "&#123;").replace("<", "&lt;")


def _cell(text: str | None) -> str:
    return " ".join(_plain(text).replace("|", "\\|").split())
