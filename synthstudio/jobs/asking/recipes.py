"""Recipes: TOML files that name Steps with holes. A paper is a recipe, not a folder of code.

A value that begins with `$` is a hole. `$source $shots $fold $seed $backbone $encoder $eyes $judge_eye $witness` come
from the request (`$eyes`: the encoders to choose from, `$judge_eye`: the one that filters, or none; `$witness`: the one
that looks for copies, or none; `$next_seed` is another seed that follows from `$seed`, for images that are to be
others);
`$name` is the first output of the step called `name`, `$name.output` a certain one. A step with `each = "fold"`
is repeated per fold; a step without it sees the outputs of such a step as a list over the folds. `=name.field` is what
a field of another step is set to, known before anything runs. `shots = "all"` at the
top means that, unless somebody says how many, a method may see every image that is not held out.

`base = "datadream"` takes over another recipe, changed: steps named in `without` are left out; a step of a known name
changes the fields it states, or, where it states its kind, is another step in that place; a step of a new name comes
`after` the one it says. A table of a preset stands in the place of the base's for that step.

A step of the kind `sweep.best` stands for its trials, see `sweeps`: what takes its settings (`$sweep.guidance_scale`)
is made for each of them.
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
from synthstudio.complaints import concerning, label, phrases, sentence
from synthstudio.errors import BadInput, StudioError, UnknownName
from synthstudio.jobs.asking.sweeps import spread
from synthstudio.models import ASSETS
from synthstudio.seeds import derived_seed
from synthstudio.step import Step, step_class

RECIPES = ASSETS / "recipes"
OWN = "recipes"  # the folder of a home where somebody keeps recipes of their own
_EYE = "select.eye"  # left out where a setting names every encoder, and nobody asks for the choice
REQUEST_HOLES = ("source", "shots", "fold", "seed", "next_seed", "backbone", "encoder", "eyes", "judge_eye", "witness")


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
    differs: tuple[str, ...] = ()  # what the preset paper does otherwise than the paper, a sentence each

    def step(self, name: str) -> RecipeStep:
        """The step of this name."""
        for step in self.steps:
            if step.name == name:
                return step
        raise UnknownName.among(f"step of the recipe {self.name}", name, [s.name for s in self.steps])

    def nodes(self, request: Mapping[str, Any]) -> list[Node]:
        """The nodes for a request as `asked.prepare` makes it."""
        with concerning("settings"):
            settings = [parse_setting(text) for text in request["settings"]]
            pooled = self._pooled(request["pool"]) if request.get("pool") else []
            return expand(self, request["preset"], [*pooled, *settings], request, request["folds"])

    def _pooled(self, pool: str) -> list[tuple[str, str, Any]]:
        """The settings that let a small set be made from a set of one's own: what looks at the shots to make it looks
        at the pool. The judge keeps the shots for its baselines, and its test photos.
        """
        makers = [s for s in self.steps if s.kind.startswith("distil.") and s.fields.get("images") == "$split.shots"]
        if not makers:
            raise BadInput(f"The recipe {self.name} makes no small set, so it takes no pool. Choose dm or mosaic.")
        return [(step.name, "images", pool) for step in makers]


def recipe_names(home: Path | None = None) -> list[str]:
    """The recipes that ship, and with `home` those that somebody keeps there."""
    return sorted(_files(home))


def load_recipe(name: str, home: Path | None = None) -> Recipe:
    """Read a recipe by name; UnknownName offers the nearest."""
    found = _files(home)
    if name not in found:
        raise UnknownName.among("recipe", name, sorted(found))
    return read_recipe(found[name], home)


def unusable(home: Path) -> dict[str, str]:
    """Which recipes of a home cannot be used, by file name, and why."""
    found = {}
    for path in sorted((home / OWN).glob("*.toml")):
        try:
            if (RECIPES / path.name).exists():
                raise BadInput("A recipe that ships has this name. Call the file otherwise.")
            read_recipe(path, home)
        except StudioError as error:
            found[path.name] = str(error)
    return found


def _files(home: Path | None) -> dict[str, Path]:
    """Recipe files by name. What ships cannot be replaced: reports name recipes, and mean these."""
    own = () if home is None else (home / OWN).glob("*.toml")
    return {path.stem: path for path in (*own, *RECIPES.glob("*.toml"))}


def read_recipe(path: Path, home: Path | None = None) -> Recipe:
    """Read and check a recipe file; BadInput where it is none."""
    try:
        return _recipe(path, _body(path, home))
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        missing = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise BadInput(f"{path.name} is not a recipe: {missing}. Compare it with one that ships.") from error


def _recipe(path: Path, body: dict[str, Any]) -> Recipe:
    steps = tuple(
        RecipeStep(row.pop("as"), row.pop("kind"), row.pop("each", "") == "fold", row) for row in body.pop("step")
    )
    shots = body.get("shots", 16)
    recipe = Recipe(
        path.stem, body["title"], body["summary"], body.get("paper", ""), steps, body.get("presets", {}),
        None if shots == "all" else int(shots), tuple(body.get("differs", ())),
    )  # fmt: skip
    for step in steps:
        _check_fields(recipe, step, step.fields)
    for preset in recipe.presets.values():
        for name, fields in preset.items():
            _check_fields(recipe, recipe.step(name), fields)
    return recipe


def _body(path: Path, home: Path | None, above: tuple[str, ...] = ()) -> dict[str, Any]:
    """A recipe file as written, upon the one it is based on; `above` are those that are based on it."""
    body = tomllib.loads(path.read_text(encoding="utf-8"))
    if "base" not in body:
        return body
    name, above = str(body.pop("base")), (*above, path.stem)
    known = {one: file for one, file in _files(home).items() if one not in above}
    if name not in known:
        raise UnknownName.among("recipe to be based on", name, sorted(known))
    return _changed(_body(known[name], home, above), body)


def _changed(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    names, steps = _steps(base["step"], own.pop("step", []), own.pop("without", []))
    tables = [base.get("presets", {}), own.pop("presets", {})]
    presets = {
        preset: {step: fields for part in tables for step, fields in part.get(preset, {}).items() if step in names}
        for preset in dict.fromkeys(preset for part in tables for preset in part)
    }
    return {**base, **own, "step": [dict(steps[name]) for name in names], "presets": presets}


def _steps(
    base: list[dict[str, Any]], own: list[dict[str, Any]], without: list[str]
) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """(names in order, steps by name)."""
    steps = {row["as"]: row for row in base}
    for name in without:
        if steps.pop(name, None) is None:
            raise UnknownName.among("step to be left out", name, list(steps))
    names = list(steps)
    for row in own:
        name, after = row["as"], row.pop("after", None)
        if name not in steps:
            if after not in names:
                raise UnknownName.among(f"step that {name} comes after", str(after), names)
            names.insert(names.index(after) + 1, name)
        steps[name] = row if "kind" in row else {**steps[name], **row}
    return names, steps


def parse_setting(text: str) -> tuple[str, str, Any]:
    """'adapter.training_steps=300' as (step, field, value); the value is JSON where it can be."""
    target, equals, value = text.partition("=")
    step, dot, field = target.strip().rpartition(".")
    if not (equals and dot and step and field):
        raise BadInput(f"{text!r} is not a setting. Write step.field=value, for example adapter.training_steps=300.")
    return step, field, json_or_text(value)


def json_or_text(text: str) -> Any:
    """The value of a JSON text, or the text itself if it is none; BadInput if it is one that nothing can mean."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
    except (ValueError, RecursionError):  # a number of thousands of digits, or brackets in brackets without end
        raise BadInput(f"{text[:40]!r}… is too long a number, or nested too deeply. Give a shorter value.") from None


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
    ordered = spread(_needed_first([node for node in ordered if node.kind != _EYE or _is_named(node, ordered)]))
    return [Node(n, node.name, node.fold, node.kind, node.template) for n, node in enumerate(ordered)]


def _is_named(node: Node, nodes: list[Node]) -> bool:
    return any(name == node.name for one in nodes for name, _ in references(one.template))


def _needed_first(nodes: list[Node]) -> list[Node]:
    """Shared nodes that a fold waits for stand before the first that does, as they will be made."""
    for node in [one for one in nodes if one.fold is None]:
        waiting = [one for one in nodes if one.fold is not None and _is_named(node, [one])]
        if waiting and nodes.index(waiting[0]) < nodes.index(node):
            nodes.remove(node)
            nodes.insert(nodes.index(waiting[0]), node)
    return nodes


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
            _check_values(step, fields, template)
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
        return _of_request(value[1:], request)
    if isinstance(value, list):
        return [_fill_request(one, request) for one in value]
    if isinstance(value, dict) and set(value) == {"by_shots"}:
        return _by_shots(value["by_shots"], request["shots"])
    return value


def _by_shots(values: Mapping[str, Any], shots: int | None) -> Any:
    """`{ by_shots = { 16 = 0.15, 1 = 0.5 } }`: the value of the most shots that are not more than those asked for."""
    known = sorted(map(int, values))
    reached = [count for count in known if shots is None or count <= shots]
    return values[str(reached[-1] if reached else known[0])]


def _of_request(hole: str, request: Mapping[str, Any]) -> Any:
    """What of a request fills a hole. One that names an encoder leaves nothing to choose; earlier ones all do."""
    if hole == "eyes":
        return request.get("eyes") or [request["encoder"]]
    if hole == "next_seed":
        return derived_seed(request["seed"], "next")
    return request.get(hole) if hole in ("judge_eye", "witness") else request[hole]


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


def _check_values(step: RecipeStep, fields: Mapping[str, Any], template: Mapping[str, Any]) -> None:
    """Refuse a bad value before anything runs; values still to be filled are checked when they are known.

    What came through a hole of the request is refused by the hole's name, which the person knows it by.
    """
    cls = step_class(step.kind)
    for field, value in template.items():
        if not any(True for _ in references(value)):
            hole = next((name for name, _ in references(fields[field])), "")
            check_value(cls, field, value, hole)


def check_value(cls: type[Step], field: str, value: Any, hole: str = "") -> None:
    """BadInput if a field of a Step cannot take this value; `hole` is what of the request filled it."""
    info = cls.model_fields[field]
    try:
        annotation: Any = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
        TypeAdapter(annotation).validate_python(value)
    except ValidationError as error:
        _, phrase, given = next(phrases(error))
        name = hole or f"{cls.kind}.{field}"
        refused = BadInput(f"{sentence(name, phrase)} (given: {given!r}).")
        refused.fields = {hole or "settings": f"{sentence(label(hole) if hole else name, phrase)}."}
        raise refused from error
