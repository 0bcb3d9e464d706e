"""What of a finished recipe is worth taking home."""

from collections.abc import Mapping
from typing import Any

from synthstudio.artifacts import ImageSet, Member
from synthstudio.catalog.pipelines import Node, Pipeline
from synthstudio.complaints import concerning
from synthstudio.errors import BadInput
from synthstudio.jobs.curating import accepted, decision_files
from synthstudio.jobs.curating.freeze import decided_by, store
from synthstudio.jobs.knowing import measured
from synthstudio.jobs.studio import Studio
from synthstudio.step import Step, build

CLASSIFIERS = ("real_and_synthetic", "real_only", "synthetic_only", "selection")


def steps(
    studio: Studio, pipeline_id: str, fold: int, name: str, classifier: str | None = None, selection: str | None = None,
    **written: Any,
) -> dict[str, Step]:  # fmt: skip
    """The exports of a finished recipe: "dataset", `written` as its fields say (`format`, `strip`); "adapter" and
    "classifier" if it made one.

    The dataset holds what is accepted now, or the frozen set `selection`, and the numbers and the classifier of that
    selection where somebody asked what the review was worth.
    """
    if classifier is not None and classifier not in CLASSIFIERS:
        raise BadInput(f"There is no classifier “{classifier}”. Choose one of {', '.join(CLASSIFIERS)}.")
    pipeline = studio.catalog.pipelines.get(pipeline_id)
    if pipeline.recipe == accepted.REVIEW:
        selection = selection or pipeline.request["set"]
        pipeline = studio.catalog.pipelines.get(pipeline.request["continues"])
    if pipeline.state != "done":
        raise BadInput("Only a finished recipe can be exported. Wait for its end, or resume it.")
    outputs = _outputs(studio, pipeline.id, fold)
    made = dict(outputs.values())
    fields = {**dataset(made, name), **_curated(studio, pipeline, fold, dataset(made, name), selection)}
    review = _review_of(studio, pipeline.id, fold, fields["synthetic"])
    if review:
        fields["report"] = review["report"][1]["report"]
    fields["measures"] = _measures(studio, fields["synthetic"])
    wanted = classifier or ("selection" if review else CLASSIFIERS[0])
    if wanted == "selection" and not review:
        raise BadInput("No classifier was trained on this selection. Train one with: review-helped NAME")
    found = {"dataset": build("export.image_folder", {**fields, **written})}
    adapted = next((outputs for kind, outputs in made.items() if kind.startswith("adapt.")), None)
    if adapted:
        found["adapter"] = build("export.adapter", {"adapter": adapted["adapter"], "name": name})
    trained = review["with_selection"] if wanted == "selection" else outputs.get(wanted)
    if trained:
        about = {"classifier": trained[1]["classifier"], "name": name}
        report = fields["report"] if wanted == "selection" else made.get("evaluate.compare", {}).get("report")
        found["classifier"] = build("export.classifier", {**about, "report": report})
    return found


def selection_alone(studio: Studio, selection: str, name: str, **written: Any) -> Step:
    """The export of a frozen set by itself, as the training split, in a project without a finished recipe."""
    shown = decided(studio, _moment(studio, selection), [selection])
    about = {"synthetic": selection, "decisions": shown, "measures": _measures(studio, selection)}
    return build("export.image_folder", {**about, "name": name, **written})


def _measures(studio: Studio, images: str) -> str | None:
    """The newest measures of a set; none where it was never measured."""
    found, _ = measured.every(studio, [images])
    return found[0].report if found else None


def _outputs(studio: Studio, pipeline_id: str, fold: int) -> dict[str, tuple[str, dict[str, Any]]]:
    """(kind, outputs) of the nodes of a fold and of the shared ones, by the name of the node."""
    every: list[Node] = studio.catalog.pipelines.nodes(pipeline_id)
    nodes = [node for node in every if node.fold in (None, fold) and node.run_id]
    if not any(node.fold == fold for node in nodes):
        several = len({node.fold for node in every if node.fold is not None})
        raise BadInput(f"There is no fold {fold + 1}: this recipe ran {several}. Folds are counted from 1.")
    made = studio.catalog.runs.outputs_of(str(node.run_id) for node in nodes)
    return {node.name: (node.kind, made[str(node.run_id)]) for node in nodes}


def _curated(
    studio: Studio, pipeline: Pipeline, fold: int, fields: Mapping[str, Any], selection: str | None
) -> dict[str, Any]:
    """The fields of an export that people's decisions change: rejected images out, moved ones in their class."""
    as_of = studio.catalog.decisions.last() if selection is None else _moment(studio, selection)
    (part,) = accepted.of(studio, pipeline.id, fold)
    chosen = selection or _accepted(studio, pipeline, part, as_of)
    photos = {split: fields.get(split) for split in ("real", "validation")}
    concerned = [chosen, part.offered.made, part.offered.kept, *filter(None, photos.values())]
    return {
        "synthetic": chosen,
        "chosen_from": part.offered.kept,
        "decisions": decided(studio, as_of, concerned),
        **{split: reviewed(studio, one, as_of) for split, one in photos.items() if one},
    }


def _accepted(studio: Studio, pipeline: Pipeline, part: accepted.Part, as_of: int) -> str:
    """What is accepted now as a set: the filter's own if nobody changed it, else frozen."""
    if not part.members:
        raise BadInput("Nothing is accepted: every image of this fold is rejected. Accept some images first.")
    if not part.decided:
        return part.offered.kept
    return freeze_part(studio, pipeline, part, as_of)


def freeze_part(studio: Studio, pipeline: Pipeline, part: accepted.Part, as_of: int) -> str:
    """Freeze what is accepted of one fold; returns the id of the set."""
    sentence = f"What is accepted of {studio.catalog.names.of(pipeline.id)}, {decided_by(as_of)}."
    about = {"pipeline": pipeline.id, "fold": part.offered.fold, "as_of": as_of}
    return store(studio, part.members, sentence, about).image_set


def _moment(studio: Studio, selection: str) -> int:
    """The last decision that a frozen set has seen; of another set, the last there is."""
    for run in studio.catalog.runs.making(selection):
        if run.kind == "collect.freeze":
            document = studio.workspace.document(studio.catalog.runs.fields(run.id)["selection"])
            if "as_of" in document:
                return int(document["as_of"])
    return studio.catalog.decisions.last()


def decided(studio: Studio, as_of: int, sets: list[str]) -> str | None:
    """The decisions about the images of some sets and their tags as a document; none if there are none."""
    concerned = {member.image for one in sets for member in studio.workspace.image_set(one)}
    rows = [row for row in decision_files.rows(studio, as_of) if row["image"] in concerned]
    tags = studio.catalog.tags.of(sorted(concerned), as_of)
    said = {"as_of": as_of, "rows": rows, **({"tags": tags} if tags else {})}
    return studio.workspace.put_document("decisions", said) if rows or tags else None


def reviewed(studio: Studio, set_id: str, as_of: int | None = None) -> str | None:
    """Photos without the rejected ones, moved ones in their class, as decided by now or up to a decision; None if
    nothing is left.
    """
    if as_of is None:
        stands = studio.catalog.review.decided_in(set_id)
    else:
        stands = {row["image"]: (row["decision"], row["label"]) for row in decision_files.rows(studio, as_of)}
    kept = []
    for member in studio.workspace.image_set(set_id):
        verdict, given = stands.get(member.image, ("", ""))
        if verdict != "reject":
            kept.append(Member(given or member.label, member.image, member.given))
    return studio.workspace.put_set(ImageSet.of("set", kept)) if kept else None


def _review_of(studio: Studio, pipeline_id: str, fold: int, chosen: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """The outputs of the newest finished answer to "did my review help?" about this very selection, if there is one."""
    for one in studio.catalog.pipelines.all():
        asked = one.recipe == accepted.REVIEW and one.state == "done" and one.request["continues"] == pipeline_id
        if asked:
            outputs = _outputs(studio, one.id, fold)
            if chosen in (one.request["set"], outputs["selection"][1]["images"]):
                return outputs
    return {}


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
    kept = next((made[kind]["images"] for kind in ("select.filter", "sample.until") if kind in made), None)
    if kept is None:
        raise BadInput("This recipe has no selection to export.")
    report = made.get("evaluate.compare", {}).get("report")
    return {**fields, "real": split["shots"], "synthetic": kept, "report": report}


def check_name(name: str) -> None:
    """BadInput for a name with nothing in it: the folder is called so."""
    with concerning("name"):
        if not name.strip():
            raise BadInput("Name: give the dataset one; its folder is called so.")
