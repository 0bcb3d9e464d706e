"""A recipe run as a recipe of one's own: what was changed by hand is written down, and has a name from then on."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthstudio.catalog.pipelines import Pipeline
from synthstudio.errors import BadInput
from synthstudio.jobs.asking.recipes import OWN, RECIPES, load_recipe, parse_setting, read_recipe, recipe_names
from synthstudio.jobs.readable import Readable
from synthstudio.workspace import write_atomically

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")


def newest(project: Readable, home: Path) -> Pipeline:
    """The newest recipe run that is done; BadInput if there is none."""
    known = recipe_names(home)
    for one in project.catalog.pipelines.all():
        if one.state == "done" and one.recipe in known:
            return one
    raise BadInput("There is no finished recipe yet. Run one first: python -m synthstudio run datadream --data digits")


def save(pipeline: Pipeline, name: str, home: Path, title: str = "") -> Path:
    """Write `recipes/NAME.toml` of a home: the recipe of a run, with its shots and settings, under the run's preset.

    Data, backbone, eye and seed belong to a request and stay out of it. BadInput for a name that cannot be or is
    taken, and for a run that was of no recipe.
    """
    if not _NAME.fullmatch(name):
        raise BadInput(f"{name!r} cannot name a recipe. Use small letters, digits and hyphens, for example my-digits.")
    path = home / OWN / f"{name}.toml"
    if path.exists() or (RECIPES / path.name).exists():
        raise BadInput(f"There is a recipe called {name} already. Choose another name.")
    data = _written(pipeline, name, home, title).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{name}.part")
    write_atomically(draft, data)
    try:
        read_recipe(draft, home)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def _written(pipeline: Pipeline, name: str, home: Path, title: str) -> str:
    base, preset = load_recipe(pipeline.recipe, home), str(pipeline.request["preset"])
    tables: dict[str, dict[str, Any]] = {}
    for step, field, value in map(parse_setting, pipeline.request["settings"]):
        known = next((one for one in base.steps if one.kind == step), None) or base.step(step)
        table = tables.setdefault(known.name, dict(base.presets[preset].get(known.name, {})))
        table[field] = value
    lines = [f"# python -m synthstudio run {name} --data … --preset {preset}", f"base = {_toml(base.name)}"]
    lines += [f"title = {_toml(title or f'{base.title}, as {name}')}", f"summary = {_toml(base.summary)}"]
    if pipeline.request.get("shots") != base.shots:
        lines.append(f"shots = {_toml(pipeline.request.get('shots') or 'all')}")
    for step, fields in tables.items():
        lines += ["", f"[presets.{preset}.{step}]", *(f"{field} = {_toml(value)}" for field, value in fields.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """A JSON value as TOML; BadInput for none, which TOML does not have."""
    if value is None:
        raise BadInput("A recipe cannot say “none” for a setting. Leave that setting out, and save the run again.")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_toml(one)}' for key, one in value.items())} }}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
