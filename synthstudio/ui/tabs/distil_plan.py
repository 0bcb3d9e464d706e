"""What a distillation will do and cost, said before it starts."""

from collections.abc import Sequence

from synthstudio.catalog.pipelines import Node
from synthstudio.jobs.asking import distil_recipes
from synthstudio.jobs.asking.asked import Asked, planned
from synthstudio.jobs.asking.recipes import load_recipe
from synthstudio.jobs.knowing import distil_estimates, shots
from synthstudio.quantities import duration
from synthstudio.step import stated
from synthstudio.steps.evaluate.small_set import SmallSet
from synthstudio.ui import words
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.tabs import asking


def preview(session: StudioSession, name: str, asked: Asked) -> str:
    """What will happen, in words, with what it will cost."""
    recipe = load_recipe(name)
    nodes = planned(recipe, asked)
    made = next(node for node in nodes if node.name == distil_recipes.maker(name))
    lines = "".join(f"<li>{words.safe(text)}</li>" for text in _lines(nodes, asked.folds))
    return (
        f"<div class='ss-plan'><h2>What it will do</h2><p>{words.safe(recipe.summary)}</p>"
        f"{_facts(session, nodes, asked, made)}<ol>{lines}</ol>"
        f"<p class='ss-muted'>After: {words.safe(recipe.paper)}</p>{words.unlike_paper(recipe, asked.preset)}</div>"
    )


def _lines(nodes: Sequence[Node], folds: int) -> list[str]:
    again = f" ×{folds}" if folds > 1 else ""
    return [_line(node) + (again if node.fold is not None else "") for node in nodes if node.fold in (None, 0)]


def _line(node: Node) -> str:
    known, said = stated(node.kind, node.template), words.node_words(node.name, node.kind, node.template)
    if node.kind == distil_recipes.MATCH:
        return f"{said}: {known['iterations']} updates of {known['images_per_class']} images per class"
    if node.kind == distil_recipes.JUDGE:
        nets = ", ".join(known["architectures"])
        return (
            f"{said}: {SmallSet.trainings(known)} trainings of {known['training_steps']} steps "
            f"({nets}; with and without augmentation)"
        )
    if node.kind.startswith("distil.") and "images_per_class" in known:
        return f"{said}: {known['images_per_class']} images per class"
    return said


def _facts(session: StudioSession, nodes: Sequence[Node], asked: Asked, made: Node) -> str:
    photos = shots.photos_of(session.studio, asked.data)
    seconds, basis = distil_estimates.estimate(session.studio, nodes, asked.backbone, len(photos), photos.classes)
    size = stated(made.kind, made.template)["images_per_class"]
    facts = [
        ("Time", f"about {duration(seconds)}" if seconds is not None else "unknown"),
        ("Images per class", str(size)),
        ("To learn from", "every photo not held out" if asked.shots is None else f"{asked.shots} photos per class"),
        ("Photos", photos.words() if photos else "counted at import"),
    ]
    few = asking.too_few(photos, nodes, asked)
    cells = "".join(f"<div><dt>{name}</dt><dd>{words.safe(value)}</dd></div>" for name, value in facts)
    return f"<dl class='ss-facts'>{cells}</dl><p class='ss-muted'>Time: {words.safe(basis)}.</p>{few}"
