"""Recipes: TOML files that name Steps with holes. A paper is a recipe, not a folder of code.

A value that begins with `$` is a hole. `$source $shots $fold $seed $backbone $encoder` come from the request;
`$name` is the first output of the step called `name`, `$name.output` a certain one. A step with `each = "fold"`
is repeated per fold; a step without it sees the outputs of such a step as a list over the folds. `=name.field` is what
a field of another step is set to, known before anything runs. `shots = "all"` at the
top means that, unless somebody says how many, a method may see every image that is not held out.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

import synthstudio.steps  # noqa: F401  fills the table of kinds
from synthstudio.catalog.pipelines import Node
from synthstudio.errors import BadInput, UnknownName
from synthstudio.models import ASSETS
from synthstudio.step import Step, readable, step_class

RECIPES = ASSETS / "recipes"
REQUEST_HOLES = ("source", "shots", "fold", "seed", "backbone", "encoder")


@dataclass(frozen=True)
class RecipeStep:
    """One step of a recipe: its name in the recipe, its kind, its fields with holes."""

    name: str
    kind: str
    per_fold: bool
    fields: dict[str, Any]


@dataclass(frozen=True)
class Recipe:
    """A recipe as written."""

    name: str
    title: str
    summary: str
    paper: str
    steps: tuple[RecipeStep, ...]
    presets: dict[str, dict[str, dict[str, Any]]]
    shots: int | None = 16  # per class, where nobody says; none: every image that is not held out

    def step(self, name: str) -> RecipeStep:
        """The step of this name."""
        for step in self.steps:
            if step.name == name:
                return step
        raise UnknownName.among(f"step of the recipe {self.name}", name, [s.name for s in self.steps])

    def nodes(self, request: Mapping[str, Any]) -> list[Node]:
        """The nodes for a request as `requests.prepare` makes it."""
        settings = [parse_setting(text) for text in request["settings"]]
        return expand(self, request["preset"], settings, request, request["folds"])


def recipe_names() -> list[str]:
    """The recipes that ship."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def load_recipe(name: str) -> Recipe:
    """Read a recipe by name; UnknownName offers the nearest."""
    if name not in recipe_names():
        raise UnknownName.among("recipe", name, recipe_names())
    return read_recipe(RECIPES / f"{name}.toml")


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe file."""
    body = tomllib.loads(path.read_text(encoding="utf-8"))
    steps = tuple(
        RecipeStep(row.pop("as"), row.pop("kind"), row.pop("each", "") == "fold", row) for row in body.pop("step")
    )
    shots = body.get("shots", 16)
    recipe = Recipe(
        path.stem, body["title"], body["summary"], body.get("paper", ""), steps, body.get("presets", {}),
        None if shots == "all" else int(shots),
    )  # fmt: skip
    for step in steps:
        _check_fields(recipe, step, step.fields)
    for preset in recipe.presets.values():
        for name, fields in preset.items():
            _check_fields(recipe, recipe.step(name), fields)
    return recipe


def parse_setting(text: str) -> tuple[str, str, Any]:
    """'adapter.training_steps=300' as (step, field, value); the value is JSON where it can be."""
    target, equals, value = text.partition("=")
    step, dot, field = target.strip().rpartition(".")
    if not (equals and dot and step and field):
        raise BadInput(f"{text!r} is not a setting. Write step.field=value, for example adapter.training_steps=300.")
    try:
        return step, field, json.loads(value)
    except json.JSONDecodeError:
        return step, field, value


def expand(
    recipe: Recipe, preset: str, settings: list[tuple[str, str, Any]], request: Mapping[str, Any], folds: int
) -> list[Node]:
    """The nodes of a pipeline: presets and settings applied, holes of the request filled, per-fold steps repeated."""
    if preset not in recipe.presets:
        raise UnknownName.among(f"preset of the recipe {recipe.name}", preset, recipe.presets)
    changes = {name: dict(fields) for name, fields in recipe.presets[preset].items()}
    for name, field, value in settings:
        step = _named(recipe, name)
        _check_fields(recipe, step, {field: value})
        changes.setdefault(step.name, {})[field] = value
    nodes: list[Node] = []
    for fold in range(folds):
        nodes += _nodes_of(recipe, changes, {**request, "fold": fold}, fold, per_fold=True, first=fold == 0)
    shared_first = _nodes_of(recipe, changes, request, None, per_fold=False, first=True)
    ordered = [*_before(shared_first, recipe), *nodes, *_after(shared_first, recipe)]
    return [Node(n, node.name, node.fold, node.kind, node.template) for n, node in enumerate(ordered)]


def _named(recipe: Recipe, name: str) -> RecipeStep:
    """A step by its name in the recipe, or by its kind if only one has it."""
    of_kind = [step for step in recipe.steps if step.kind == name]
    return of_kind[0] if len(of_kind) == 1 else recipe.step(name)


def _nodes_of(
    recipe: Recipe, changes: dict[str, dict[str, Any]], request: Mapping[str, Any], fold: int | None,
    *, per_fold: bool, first: bool,
) -> list[Node]:  # fmt: skip
    nodes = []
    for step in recipe.steps:
        if step.per_fold != per_fold:
            continue
        same = {field: _same(recipe, changes, value) for field, value in step.fields.items()}
        fields = {**same, **changes.get(step.name, {})}
        template = {name: _fill_request(value, request) for name, value in fields.items()}
        if first:
            _check_values(recipe, step, template)
        nodes.append(Node(0, step.name, fold, step.kind, template))
    return nodes


def _same(recipe: Recipe, changes: dict[str, dict[str, Any]], value: Any) -> Any:
    """The value itself, or what `=name.field` points at; only recipe files point, a setting that begins so is text."""
    if not (isinstance(value, str) and value.startswith("=")):
        return value
    name, _, field = value[1:].partition(".")
    step = recipe.step(name)
    fields = {**step.fields, **changes.get(name, {})}
    return fields[field] if field in fields else step_class(step.kind).model_fields[field].default


def _before(shared: list[Node], recipe: Recipe) -> list[Node]:
    """Shared steps that stand before the first per-fold step."""
    names = [step.name for step in recipe.steps]
    first = next((n for n, step in enumerate(recipe.steps) if step.per_fold), len(names))
    return [node for node in shared if names.index(node.name) < first]


def _after(shared: list[Node], recipe: Recipe) -> list[Node]:
    before = _before(shared, recipe)
    return [node for node in shared if node not in before]


def _fill_request(value: Any, request: Mapping[str, Any]) -> Any:
    if isinstance(value, str) and value.startswith("$") and value[1:] in REQUEST_HOLES:
        return request[value[1:]]
    if isinstance(value, list):
        return [_fill_request(one, request) for one in value]
    return value


def references(value: Any) -> Iterator[tuple[str, str]]:
    """(step name, output name or '') of every hole in a template."""
    if isinstance(value, str) and value.startswith("$"):
        name, _, output = value[1:].partition(".")
        yield name, output
    elif isinstance(value, list):
        for one in value:
            yield from references(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from references(one)


def _check_fields(recipe: Recipe, step: RecipeStep, fields: Mapping[str, Any]) -> None:
    known = step_class(step.kind).model_fields
    for field, value in fields.items():
        if field not in known:
            raise UnknownName.among(f"field of {step.kind} ({step.name} in {recipe.name})", field, known)
        for name, _ in references(value):
            if name not in REQUEST_HOLES:
                recipe.step(name)


def _check_values(recipe: Recipe, step: RecipeStep, template: Mapping[str, Any]) -> None:
    """Refuse a bad value before anything runs; values still to be filled are checked when they are known."""
    cls = step_class(step.kind)
    for field, value in template.items():
        if not any(True for _ in references(value)):
            check_value(cls, field, value)


def check_value(cls: type[Step], field: str, value: Any) -> None:
    """BadInput if a field of a Step cannot take this value."""
    info = cls.model_fields[field]
    try:
        annotation: Any = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
        TypeAdapter(annotation).validate_python(value)
    except ValidationError as error:
        raise BadInput(f"{cls.kind}.{field}: {readable(error).removeprefix('the request: ')}") from error
