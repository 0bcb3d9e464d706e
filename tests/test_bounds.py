"""Whatever can be asked for has an end: every number, list and text of every Step and of every request."""

import pytest

import synthstudio.steps  # noqa: F401
from synthstudio.catalog.review import Query
from synthstudio.errors import BadInput
from synthstudio.jobs.asking.asked import Asked
from synthstudio.jobs.asking.recipes import load_recipe, parse_setting, recipe_names
from synthstudio.resources import Resources
from synthstudio.step import STEPS
from synthstudio.ui.api import (
    distil_routes,
    distil_shrink,
    map_routes,
    models_routes,
    review_routes,
    run_routes,
    things_routes,
    upload_routes,
    views_routes,
)
from synthstudio.ui.tabs import train

_ROUTES = (
    distil_routes, map_routes, models_routes, review_routes, run_routes, things_routes, upload_routes, views_routes,
)  # fmt: skip
REQUESTS = [Asked, Resources, Query, distil_shrink.Asked, train.Asked] + [
    model for module in _ROUTES
    for model in vars(module).values() if isinstance(model, type) and hasattr(model, "model_json_schema")
]  # fmt: skip
MODELS = {kind: cls for kind, cls in STEPS.items() if not kind.startswith("test.")}
MODELS |= {f"{model.__module__}.{model.__name__}": model for model in REQUESTS if model.__name__ != "BaseModel"}
ENDS = {
    "integer": {"maximum", "exclusiveMaximum", "const", "enum"},
    "number": {"maximum", "exclusiveMaximum", "const", "enum"},
    "array": {"maxItems"},
    "string": {"maxLength", "const", "enum", "pattern"},
}


def endless(name, body, known):
    """Names of what has no end, below a piece of JSON schema."""
    if "$ref" in body:
        return endless(name, known[body["$ref"].rpartition("/")[2]], known)
    found = [name] if body.get("type") in ENDS and not ENDS[body["type"]] & set(body) else []
    pattern = body.get("pattern")
    if pattern and "maxLength" not in body and (("*" in pattern) or ("+" in pattern) or not pattern.endswith("$")):
        found.append(name)
    for one in [*body.get("anyOf", ()), *body.get("oneOf", ()), *body.get("allOf", ()), *body.get("prefixItems", ())]:
        found += endless(name, one, known)
    if isinstance(body.get("items"), dict):
        found += endless(f"{name}[]", body["items"], known)
    for field, one in body.get("properties", {}).items():
        found += endless(f"{name}.{field}", one, known)
    return found


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_number_list_and_text_that_can_be_asked_for_has_an_end(name):
    schema = MODELS[name].model_json_schema()
    assert endless(name, schema, schema.get("$defs", {})) == []


@pytest.mark.parametrize("recipe", recipe_names())
def test_every_preset_lies_within_the_bounds(recipe):
    for preset in load_recipe(recipe).presets:
        request = {**Asked(data="digits", preset=preset, folds=10).model_dump(), "source": "source:digits",
                   "backbone": "pico@" + "0" * 64, "encoder": "pico-clip@" + "0" * 64}  # fmt: skip
        assert load_recipe(recipe).nodes(request)


@pytest.mark.parametrize("words", [{"folds": 10**9}, {"folds": 0}, {"shots": 2**70}, {"shots": float("nan")},
                                   {"shots": 1.5}, {"seed": -1}, {"settings": ["a"] * 10_000},
                                   {"backbone": "x" * 10**6}, {"data": "\ud800"},
                                   {"resources": {"device": "cpu" * 100}}])  # fmt: skip
def test_a_request_out_of_bounds_is_refused_with_the_name_of_its_field(words):
    with pytest.raises(BadInput, match=next(iter(words))):
        Asked(**{"data": "digits", **words})


@pytest.mark.parametrize("value", ["[" * 4000, '{"a":' * 2500, "1" * 5000])
def test_a_setting_that_nests_without_end_is_a_sentence(value):
    with pytest.raises(BadInput, match="Give a shorter value"):
        parse_setting(f"adapter.training_steps={value}")
