"""The words the page uses for kinds, states and numbers: one place, so that every tab says the same."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from pydantic import TypeAdapter

from synthstudio.filters import AboveChance, Filter, TopPerLabel
from synthstudio.jobs.asking.recipes import Recipe
from synthstudio.quantities import many
from synthstudio.step import STEPS, stated, step_title
from synthstudio.terms import ADAPTERS, INVERTED_VECTORS, METHODS, TEXTUAL_INVERSION

ARMS = {
    "zero_shot": "Zero-shot",
    "real_only": "Real only",
    "synthetic_only": "Synthetic only",
    "real_and_synthetic": "Real + synthetic",
    "everything": "Real + everything kept",
    "selection": "Real + your selection",
    "random": "Real + as many at random",
}
ARM_HELP = {
    "zero_shot": "The eye knows only the class names; nothing was trained.",
    "real_only": "A classifier trained on your shots.",
    "synthetic_only": "A classifier trained on the kept synthetic images.",
    "real_and_synthetic": "A classifier trained on both. Compare it with “Real only”.",
    "everything": "A classifier trained on your shots and everything the filter kept.",
    "selection": "A classifier trained on your shots and what you accepted.",
    "random": "The control: your shots and as many images as you accepted, drawn blindly. Your review has to beat it.",
}
_FILTERS: TypeAdapter[tuple[Filter, ...]] = TypeAdapter(tuple[Filter, ...])
_EXACT = 2**53 - 1
STATES = {
    "waiting": "waiting",
    "queued": "queued",
    "running": "running",
    "stopping": "stopping",
    "stopped": "stopped",
    "done": "done",
    "failed": "failed",
    "lost": "lost contact",
}


def unlike_paper(recipe: Recipe, preset: str) -> str:
    """What the preset paper does otherwise than what was published, as a list; nothing for the other presets."""
    if preset != "paper" or not recipe.differs:
        return ""
    lines = "".join(f"<li>{safe(line)}</li>" for line in recipe.differs)
    return f"<p class='ss-muted'>Unlike the paper:</p><ul class='ss-muted'>{lines}</ul>"


def preset_words(preset: str) -> str:
    """A preset by its name; a training by hand has its method there."""
    return step_title(preset) if preset in STEPS else preset


def adapter_words(fields: Mapping[str, Any]) -> str:
    """What kind of adapter, unless it is LoRA, and how large."""
    if "method" not in fields:
        kind = TEXTUAL_INVERSION if "initial_word" in fields else INVERTED_VECTORS
        return f"{ADAPTERS[kind]}, {many(int(fields['vectors']), 'vector')}"
    method = str(fields["method"])
    size = "" if method == "ia3" else f"rank {fields['rank']}"
    return ", ".join(word for word in ("" if method == "lora" else METHODS[method], size) if word)


def node_words(name: str, kind: str, template: Mapping[str, Any]) -> str:
    """One line of a plan: what this step of a recipe will do."""
    arm = name.removeprefix("with_")  # of a review: with_selection, with_random
    if kind.startswith("train.") and arm in ARMS:
        return f"{step_title(kind)}: {ARMS[arm].lower()}"
    if kind == "adapt.lora":
        known = stated(kind, template)
        steps = known["training_steps"]
        how = many(steps, "training step") if steps else f"{known['epochs']:g} epochs"
        method = METHODS[known["method"]]
        other = "" if method == "LoRA" else f"{method}, "
        return f"{step_title(kind)}: {other}{how} of {known['batch_size']} images"
    if kind.startswith("sample."):
        known = stated(kind, template)
        many_made = f"{known['images_per_class']} per class"
        if "accepted" in known:
            many_made = f"{known['accepted']} per class, {known['images_per_class']} made at most"
        unsure = ", where the classifier is unsure" if known.get("lack_strength") else ""
        guidance = known["guidance_scale"]
        chosen = "guidance as chosen" if isinstance(guidance, str) else f"guidance {guidance:g}"
        return f"{step_title(kind)}: {many_made}, {chosen}{unsure}"
    if kind == "select.filter":
        return filter_words(_FILTERS.validate_python(template.get("filters", ())))
    return step_title(kind)


def filter_words(filters: Sequence[Filter]) -> str:
    """'Keep images that look like their class (≥ 0.2) and are no copies (≤ 0.995)'."""
    if not filters:
        return "Keep every image"
    said = [_plain(one) for one in filters]
    return f"Keep images that {' and '.join([', '.join(said[:-1]), said[-1]] if said[1:] else said)}"


def _plain(one: Filter) -> str:
    """A condition in everyday words where there are some; else as it says itself."""
    scorer = STEPS.get(f"score.{one.scorer}")
    plain = scorer.passing.get(one.rule) if scorer else None
    if plain is None or isinstance(one, TopPerLabel):
        return f"are {one.says()}" if isinstance(one, TopPerLabel) else f"have {one.says()}"
    if isinstance(one, AboveChance):
        return plain if one.factor == 1 else f"{plain} (× {one.factor:g})"
    return f"{plain} ({'≥' if one.rule == 'at_least' else '≤'} {one.value:g})"


def exact(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Whole numbers that a browser would round, as text: the seed of an image has 63 bits, JavaScript keeps 53."""
    return {
        name: str(value) if isinstance(value, int) and abs(value) > _EXACT else value for name, value in fields.items()
    }


def safe(text: object) -> str:
    """Any text as text: class names, file names and messages come from strangers."""
    return escape(str(text), quote=True)
