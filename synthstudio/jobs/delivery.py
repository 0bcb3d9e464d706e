"""What of a finished recipe is worth taking home."""

from collections.abc import Mapping
from typing import Any

from synthstudio.errors import BadInput


def of(made: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any]:
    """The fields of `export.image_folder` for the outputs of a recipe by kind of step.

    After a recipe that keeps synthetic images: shots and kept images. After one that makes a small set: that set alone,
    because it is meant to stand for the rest.
    """
    if "collect.split" not in made:
        raise BadInput("This recipe has no split to export.")
    split = made["collect.split"]
    fields = {"validation": split.get("validation"), "test": split["test"], "name": name}
    small = [outputs["images"] for kind, outputs in made.items() if kind.startswith("distil.") and "images" in outputs]
    if small:
        return {**fields, "synthetic": small[-1], "report": made.get("evaluate.small_set", {}).get("report")}
    if "select.filter" not in made:
        raise BadInput("This recipe has no selection to export.")
    kept, report = made["select.filter"]["images"], made.get("evaluate.compare", {}).get("report")
    return {**fields, "real": split["shots"], "synthetic": kept, "report": report}
