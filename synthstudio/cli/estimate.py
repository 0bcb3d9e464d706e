"""`run --estimate`: what a recipe would do and cost, as the page says it before the button is pressed."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthstudio.jobs.asking.asked import Asked
    from synthstudio.jobs.asking.recipes import Recipe
    from synthstudio.jobs.readable import Readable


def estimated(studio: "Readable", recipe: "Recipe", asked: "Asked") -> dict[str, Any]:
    """Seconds (null where nobody can know), MB, images and steps; `basis` says why to believe the time; `photos` is 0
    where nobody has counted them yet.

    BadInput where the recipe cannot be asked so, or nothing lies where the photos should.
    """
    from synthstudio.intake.sources import refuse_missing
    from synthstudio.jobs.asking import distil_recipes
    from synthstudio.jobs.asking.asked import placeholders, planned
    from synthstudio.jobs.knowing import distil_estimates, shots
    from synthstudio.jobs.knowing.estimates import estimate

    refuse_missing(asked.data)
    nodes, photos = planned(recipe, asked), shots.photos_of(studio, asked.data)
    cost = estimate(studio.catalog, nodes, placeholders(asked), len(photos), photos.classes)
    given = shots.will_be(photos, nodes, asked.shots)
    found = {
        "recipe": recipe.name, "preset": asked.preset, "folds": asked.folds, "seconds": cost.seconds,
        "disk_mb": round(cost.disk_mb, 1), "memory_mb": cost.memory_mb, "images": cost.images, "basis": cost.basis,
        "photos": len(photos), "classes": photos.classes,
        "warning": shots.sentence(given, asked.shots) if given is not None and asked.shots is not None else "",
        "steps": [{"name": one.name, "kind": one.kind, "fold": one.fold} for one in nodes],
    }  # fmt: skip
    if distil_recipes.is_distillation(recipe.name):
        found["seconds"], found["basis"] = distil_estimates.estimate(
            studio, nodes, asked.backbone, len(photos), photos.classes
        )
    return found


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The estimate for a reader."""
    from synthstudio.quantities import duration, many, megabytes

    time = f"about {duration(found['seconds'])}" if found["seconds"] is not None else "unknown"
    memory = megabytes(found["memory_mb"]) if found["memory_mb"] else "unknown"
    counted = f"{many(found['photos'], 'photo')} in {many(found['classes'], 'class', 'classes')}"
    yield f"{found['recipe']}, {found['preset']}: {many(len(found['steps']), 'step')}, nothing was started."
    yield f"Time: {time} ({found['basis']})"
    yield f"Disk: {megabytes(found['disk_mb'])} · Memory: {memory} · New images: {found['images']:,}"
    yield f"Photos: {counted if found['photos'] else 'not counted yet; `import DATA --dry-run` counts them'}"
    if found["warning"]:
        yield found["warning"]
    for one in found["steps"]:
        if one["fold"] in (None, 0):
            again = f" ×{found['folds']}" if one["fold"] is not None and found["folds"] > 1 else ""
            yield f"  {one['name']:<20} {one['kind']}{again}"
