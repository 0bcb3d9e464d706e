"""Did my review help? A finished recipe, continued with a reviewed selection and with chance.

On the folds, shots and steps of the recipe are compared: real only, real + everything the filter kept (both have the
recipe's own Steps, so nothing is trained again), real + the selection, and real + as many images drawn at random.
"""

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

from synthstudio.artifacts import ImageSet
from synthstudio.catalog.pipelines import Node, Pipeline
from synthstudio.errors import BadInput
from synthstudio.jobs.asking import leaks
from synthstudio.jobs.asking.recipes import references
from synthstudio.jobs.curating import accepted
from synthstudio.jobs.curating.accepted import REVIEW, Offered
from synthstudio.jobs.knowing import summary as summaries
from synthstudio.jobs.studio import Studio
from synthstudio.seeds import derived_seed

UNCHANGED = (
    "Nothing was rejected, moved or added, so there is no review to judge: the selection is what the filter kept. "
    "Reject or move some images in Review first."
)
_COMPARE = "evaluate.compare"
_Part = tuple[Offered, ImageSet]


def start(studio: Studio, name: str, pipeline: str | None = None, *, seed: int = 0, changed: bool = False) -> str:
    """Ask what a frozen selection was worth; returns the id of the pipeline, which `tick()` carries out.

    `name` is the selection's name or id, `pipeline` the recipe run it continues (default: the newest one that made
    these images), `seed` draws the random selection. Asked again while it runs, it is joined.

    Raises Leak if an image of the selection was made by looking at a test photo of that recipe, BadInput if images
    were made elsewhere or a fold has none; with `changed` also if the selection is just what the filter kept.
    """
    chosen = studio.catalog.names.find(name, ("set",))
    base = accepted.pipeline(studio, pipeline) if pipeline else _maker(studio, chosen)
    nodes = studio.catalog.pipelines.nodes(base.id)
    compare = _compare(base, nodes)
    title = studio.catalog.names.of(chosen)
    tests = studio.catalog.runs.fields(str(compare.run_id))["tests"]
    leaks.refuse_taught(studio.catalog.images, f"A review of {title!r}", [chosen], tests)
    parts = _parts(studio, base, chosen, title)
    if changed and all(_shown(own) == _shown(studio.workspace.image_set(part.kept)) for part, own in parts):
        raise BadInput(UNCHANGED)
    request = {**base.request, "continues": base.id, "selection": title, "set": chosen, "draw": seed}
    stored = json.loads(json.dumps(request))
    for one in studio.catalog.pipelines.running():
        if one.recipe == REVIEW and one.request == stored:
            return one.id
    return studio.start(REVIEW, request, _nodes(studio, nodes, compare, parts, chosen, seed))


def summary(studio: Studio, pipeline_id: str) -> dict[str, Any]:
    """How far it is; once it is done also `mean` (real_only, everything, selection, random), `differences` of the
    selection with their intervals, `review` (what was left out, moved, added) and the `sentence`.
    """
    one = studio.catalog.pipelines.get(pipeline_id)
    if one.recipe != REVIEW:
        raise BadInput(
            f"{pipeline_id} is a run of the recipe {one.recipe}. Ask about a review with: review-helped NAME"
        )
    wall = (one.finished or time.time()) - one.created
    asked = {name: one.request[name] for name in ("selection", "set", "continues", "draw")}
    return {**summaries.of(studio, pipeline_id, wall), **asked, "state": one.state, "error": one.error}


def _maker(studio: Studio, chosen: str) -> Pipeline:
    """The newest finished recipe that made all images of the selection which are no photos."""
    wanted = set(_made(studio, studio.workspace.image_set(chosen)))
    if not wanted:
        raise BadInput("The selection holds photos only. Freeze what is accepted of a recipe: freeze NAME")
    for one in studio.catalog.pipelines.all():
        if one.state == "done" and one.recipe != REVIEW:
            made = {m.image for part in accepted.offered(studio, one.id) for m in studio.workspace.image_set(part.made)}
            if wanted <= made:
                return one
    return accepted.pipeline(studio)  # which then says what of the selection it did not make


def _made(studio: Studio, images: ImageSet) -> list[str]:
    """The images of a set that are no photos."""
    photos = studio.catalog.images.photos_in(images.id)
    return [member.image for member in images if member.image not in photos]


def _shown(images: ImageSet) -> set[tuple[str, str]]:
    """The images with their classes."""
    return {(member.label, member.image) for member in images}


def _compare(base: Pipeline, nodes: Iterable[Node]) -> Node:
    for node in nodes:
        if node.kind == _COMPARE and node.template.get("real_and_synthetic"):
            return node
    raise BadInput(
        f"The recipe {base.recipe} trains no classifier on real and synthetic images, so there is nothing to compare a "
        "review with. Review the images of datadream, real-guidance or prompts-only."
    )


def _parts(studio: Studio, base: Pipeline, chosen: str, title: str) -> list[_Part]:
    """What of the selection each fold made. Photos in it are passed over: every arm has the shots of its fold."""
    selected = studio.workspace.image_set(chosen)
    parts, unknown = [], set(_made(studio, selected))
    for one in accepted.offered(studio, base.id):
        made = {member.image for member in studio.workspace.image_set(one.made)}
        parts.append((one, ImageSet.of("set", [member for member in selected if member.image in made])))
        unknown -= made
    run = studio.catalog.names.of(base.id)
    if unknown:
        raise BadInput(
            f"{len(unknown)} of the {len(selected)} images of {title!r} were not made by {run} (the first: "
            f"{min(unknown)[:12]}). Freeze what is accepted of it: freeze NAME --pipeline {run}"
        )
    for one, images in parts:
        if not len(images):
            raise BadInput(f"{title!r} has no image of fold {(one.fold or 0) + 1} of {run}. Accept some of each fold.")
    return parts


def _nodes(
    studio: Studio, nodes: Sequence[Node], compare: Node, parts: Sequence[_Part], chosen: str, seed: int
) -> list[Node]:
    """The recipe's nodes that the arms need, unchanged, so that their Steps are the recipe's; then what is new."""
    both = _named(compare.template["real_and_synthetic"])
    everything = next(node for node in nodes if node.name == both)
    kept = everything.template["synthetic"]
    keep = next(node for node in nodes if node.name == _named(kept))
    # Chance draws from what the review chose from: what the filter kept, or all images if some were added again.
    inside = all(
        {m.image for m in own} <= {m.image for m in studio.workspace.image_set(part.kept)} for part, own in parts
    )
    every = f"${keep.name}.made" if keep.kind == "sample.until" else keep.template.get("images", kept)
    pool = kept if inside else every
    real = compare.template.get("real_only", ())
    found = [node for node in nodes if node.name in _behind(nodes, [both, *(name for name, _ in references(real))])]
    for part, own in parts:
        draw = {"images": pool, "like": "$selection.images", "seed": derived_seed(seed, "fold", part.fold or 0)}
        found += [
            Node(0, "selection", part.fold, "collect.freeze", {"selection": _document(studio, part, own, chosen)}),
            Node(0, "random", part.fold, "select.random", draw),
            _trained(everything, part.fold, "selection"),
            _trained(everything, part.fold, "random"),
        ]
    shared: dict[str, Any] = {
        name: compare.template[name] for name in ("encoder", "tests", "prompt") if name in compare.template
    }
    arms = {"everything": f"${both}", "selection": "$with_selection", "random": "$with_random", "real_only": real}
    sets = {"kept": kept, "chosen": "$selection.images"}
    found.append(Node(0, "report", None, "evaluate.review", {**shared, **arms, **sets}))
    return [Node(n, node.name, node.fold, node.kind, node.template) for n, node in enumerate(found)]


def _trained(everything: Node, fold: int | None, arm: str) -> Node:
    """The training on everything, with another set in the place of everything."""
    template = {**everything.template, "synthetic": f"${arm}.images"}
    return Node(0, f"with_{arm}", fold, everything.kind, template)


def _behind(nodes: Sequence[Node], names: Iterable[str]) -> set[str]:
    """These nodes and all whose outputs they need, by name."""
    needs = {node.name: {name for name, _ in references(node.template)} for node in nodes}
    found: set[str] = set()
    todo = set(names)
    while todo:
        found |= todo
        todo = {name for one in todo for name in needs.get(one, ())} - found
    return found


def _named(hole: str) -> str:
    return next(name for name, _ in references(hole))


def _document(studio: Studio, part: Offered, images: ImageSet, chosen: str) -> str:
    """The fold's share of the selection, as `collect.freeze` reads it."""
    stands = studio.catalog.review.decided_in(part.made)
    members = [[m.label, m.image, stands.get(m.image, ("", ""))[0]] for m in images]
    sentence = f"Fold {(part.fold or 0) + 1} of the selection {chosen[:16]}…."
    body = {"of": chosen, "fold": part.fold, "sentence": sentence, "members": members}
    return studio.workspace.put_document("selection", body)
