"""What of a finished recipe is worth taking home."""

from collections.abc import Mapping
from typing import Any

from synthstudio.catalog import Catalog
from synthstudio.errors import BadInput
from synthstudio.step import Step, build

CLASSIFIERS = ("real_and_synthetic", "real_only", "synthetic_only")


def steps(
    catalog: Catalog, pipeline_id: str, fold: int, name: str, classifier: str = CLASSIFIERS[0]
) -> dict[str, Step]:
    """The exports of a finished recipe: "dataset"; "adapter" and "classifier" if it made one."""
    pipeline = catalog.pipelines.get(pipeline_id)
    if pipeline.state != "done":
        raise BadInput("Only a finished recipe can be exported. Wait for its end, or resume it.")
    if classifier not in CLASSIFIERS:
        raise BadInput(f"There is no classifier “{classifier}”. Choose one of {', '.join(CLASSIFIERS)}.")
    nodes = [node for node in catalog.pipelines.nodes(pipeline_id) if node.fold in (None, fold) and node.run_id]
    if not any(node.fold == fold for node in nodes):
        raise BadInput(f"{pipeline_id} has no fold {fold}.")
    outputs = {node.name: (node.kind, catalog.runs.outputs(node.run_id)) for node in nodes if node.run_id}
    made = dict(outputs.values())
    found = {"dataset": build("export.image_folder", dataset(made, name))}
    if "adapt.lora" in made:
        found["adapter"] = build("export.adapter", {"adapter": made["adapt.lora"]["adapter"], "name": name})
    if classifier in outputs:
        about = {"classifier": outputs[classifier][1]["classifier"], "name": name}
        report = made.get("evaluate.compare", {}).get("report")
        found["classifier"] = build("export.classifier", {**about, "report": report})
    return found


def dataset(made: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any]:
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
