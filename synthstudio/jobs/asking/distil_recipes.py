"""The recipes that make a small set and have it judged: which there are, what of them makes the set, how large."""

from functools import lru_cache

from synthstudio.jobs.asking.recipes import Recipe, load_recipe, recipe_names, references

JUDGE, MATCH = "evaluate.small_set", "distil.match"
FIRST = "dm"
_ORDER = ("dm", "dc", "mtt", "glad-dm", "glad-dc", "mosaic", "prototypes")


def names() -> list[str]:
    """Recipes that end with the judge; a new one is a file and needs no line here."""
    found = [name for name in recipe_names() if maker(name) is not None]
    return sorted(found, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))


@lru_cache(maxsize=64)
def _loaded(name: str) -> Recipe:
    return load_recipe(name)


def maker(name: str) -> str | None:
    """The step of a recipe that makes the set the judge looks at; none if the recipe has no judge."""
    judge = next((step for step in _loaded(name).steps if step.kind == JUDGE), None)
    return None if judge is None else next((to for to, _ in references(judge.fields["images"])), None)


def is_distillation(name: str) -> bool:
    """Whether pipelines of this recipe belong to the tab; a recipe that is gone does not."""
    return name in recipe_names() and maker(name) is not None


def preset_size(name: str, preset: str) -> int | None:
    """Images per class that a preset makes, where it says so."""
    size = _loaded(name).presets.get(preset, {}).get(maker(name) or "", {}).get("images_per_class")
    return None if size is None else int(size)


def title(name: str) -> str:
    """What to call a method in a list: its title, and the name that the command line uses."""
    return f"{_loaded(name).title} ({name})"
