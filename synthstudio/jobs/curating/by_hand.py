"""Train a classifier by hand: chosen photos, chosen synthetic images, a method, and an answer on held-out photos.

What is asked for is a small pipeline: freeze what is accepted, draw a share of it, train on real photos alone (what the
synthetic images have to beat), train on both, and ask all classifiers that these photos can test.
"""

import json
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from synthstudio.catalog.pipelines import Node
from synthstudio.complaints import concerning, label
from synthstudio.errors import BadInput, Missing
from synthstudio.jobs.asking import leaks
from synthstudio.jobs.asking.asked import AUTO
from synthstudio.jobs.curating import accepted
from synthstudio.jobs.curating.freeze import freeze_accepted
from synthstudio.jobs.studio import Studio
from synthstudio.resources import Resources
from synthstudio.step import STEPS, build
from synthstudio.steps.select.eye import ChooseEye
from synthstudio.steps.select.share import SelectShare

RECIPE = "by hand"  # what pipelines of this file are called
NOW = "now"  # in the place of a synthetic set: what is accepted now
COMPARE = "evaluate.classifiers"
_MOST_RIVALS = 12
_NO_SET = f"set:{'0' * 64}"


@dataclass(frozen=True)
class Wish:
    """What a person asks for. `fields` are the method's own, its encoder among them; sets are named by id.

    With `eyes` the real photos choose the encoder among these, and the one in `fields` stands for it until then.
    """

    method: str
    fields: dict[str, Any]
    real: str | None = None
    synthetic: str | None = None  # or NOW
    per_real: float | None = None  # synthetic images for each real one; none: all there are
    seed: int = 0  # of the draw
    test: str | None = None  # none: the one of the split that the real photos come from
    baseline: bool = True  # train on the real photos alone, too
    rivals: bool = True  # ask the earlier classifiers as well
    about: dict[str, Any] = field(default_factory=dict)  # what the page calls the photos
    eyes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What will be done, before anything is: counts of images, and nodes whose selection may not be frozen yet."""

    nodes: tuple[Node, ...]
    real: int
    synthetic: int  # used
    offered: int  # there are
    test: int
    rivals: tuple[str, ...]


def methods() -> list[str]:
    """Every Step that trains a classifier on real and synthetic images; one that is added is offered by itself."""
    return sorted(
        kind
        for kind, cls in STEPS.items()
        if kind.startswith("train.") and {"real", "synthetic"} <= set(cls.model_fields)
    )


def held_out_with(studio: Studio, real: str) -> str | None:
    """The test set that was split off with these photos, if a split made them."""
    for run in studio.catalog.runs.making(real):
        if run.kind == "collect.split":
            return str(studio.catalog.runs.outputs(run.id)["test"])
    return None


def plan(studio: Studio, wish: Wish) -> Plan:
    """The counts and steps of a wish. BadInput, with the field it is about, for what cannot be. Writes nothing."""
    if wish.method not in methods():
        raise refused("method", f"{wish.method} trains no classifier. Choose one of {', '.join(methods())}.")
    if not (wish.real or wish.synthetic):
        raise refused("real", "Choose real photos, synthetic images, or both: a classifier needs some to learn from.")
    if wish.eyes and not wish.real:
        raise refused("encoder", "Encoder: without real photos nothing can choose it. Choose photos, or name one.")
    test = _test(studio, wish)
    real = len(studio.workspace.image_set(wish.real)) if wish.real else 0
    offered = _offered(studio, wish.synthetic)
    count = _share(wish, real, offered)
    rivals = tuple(_rivals(studio, test)) if wish.rivals else ()
    nodes = _nodes(wish, test, count if count < offered else None, rivals, wish.synthetic)
    return Plan(tuple(nodes), real, count, offered, len(studio.workspace.image_set(test)), rivals)


def start(studio: Studio, wish: Wish) -> str:
    """Start what `plan` says; returns the pipeline's id. The same wish, asked again while it runs, is joined.

    Leak, with the field it is about, where a set holds a test photo or was made by looking at one.
    """
    found = plan(studio, wish)
    test = _test(studio, wish)
    for name, sets in (("real", [wish.real]), ("synthetic", _behind(studio, wish.synthetic))):
        with concerning(name):
            leaks.refuse_test_images(studio.catalog.images, "This training", [one for one in sets if one])
    rivals = [one for one in found.rivals if not _has_met(studio, one, test)]
    frozen = _frozen(studio) if wish.synthetic == NOW else None
    count = found.synthetic if found.synthetic < found.offered else None
    nodes = _nodes(wish, test, count, rivals, frozen.selection if frozen else wish.synthetic)
    request = _request(studio, wish, found, frozen.image_set if frozen else wish.synthetic)
    stored = json.loads(json.dumps(request))
    for one in studio.catalog.pipelines.running():
        if one.recipe == RECIPE and one.request == stored:
            return one.id
    return studio.start(RECIPE, request, nodes)


def refused(name: str, text: str) -> BadInput:
    """The error that says what is wrong with one field of the wish."""
    error = BadInput(text)
    error.fields = {name: text}
    return error


@dataclass(frozen=True)
class _Frozen:
    image_set: str
    selection: str  # the document that `collect.freeze` reads


def _frozen(studio: Studio) -> _Frozen:
    with concerning("synthetic"):
        made = freeze_accepted(studio, None)
    return _Frozen(made.image_set, str(studio.catalog.runs.fields(made.run_id)["selection"]))


def _test(studio: Studio, wish: Wish) -> str:
    found = wish.test or (held_out_with(studio, wish.real) if wish.real else None)
    if found is None:
        raise refused(
            "test",
            "Held-out photos: no split is known for these photos. Choose the photos to test with, or split an import "
            "under Data.",
        )
    return found


def _offered(studio: Studio, synthetic: str | None) -> int:
    """How many synthetic images there are to choose from."""
    if not synthetic:
        return 0
    if synthetic != NOW:
        return len(studio.workspace.image_set(synthetic))
    with concerning("synthetic"):
        parts = accepted.of(studio, accepted.pipeline(studio).id)
        count = len({row for part in parts for row in part.members})
        if not count:
            raise BadInput("Nothing is accepted: every image is rejected, or none was kept. Accept some images first.")
    return count


def _behind(studio: Studio, synthetic: str | None) -> list[str | None]:
    """The sets whose makers have to be looked at; what is accepted now is part of what a recipe made."""
    if synthetic != NOW:
        return [synthetic]
    return [one.made for one in accepted.offered(studio, accepted.pipeline(studio).id)]


def _share(wish: Wish, real: int, offered: int) -> int:
    """How many synthetic images are used."""
    if wish.per_real is None or not offered:
        return offered
    if not real:
        raise refused("ratio", "A ratio needs real photos. Choose some, or use all synthetic images.")
    return min(offered, max(1, math.floor(wish.per_real * real + 0.5)))


def _rivals(studio: Studio, test: str) -> list[str]:
    """Earlier classifiers of the same classes that were not given a photo of this test set, the newest first."""
    labels = set(studio.workspace.image_set(test).labels)
    found: dict[str, list[str]] = {}
    for one in studio.catalog.names.all(("classifier",)):
        with suppress(Missing):  # its files are gone: it cannot be asked
            document = studio.workspace.document(one.id)
            if labels <= set(document["labels"]):
                found[one.id] = document["trained_on"]
        if len(found) == _MOST_RIVALS:
            break
    sets = sorted({one for own in found.values() for one in own})
    leaking = {set_id for set_id, _ in studio.catalog.images.test_images_in(sets, [test])}
    return [one for one, own in found.items() if not leaking & set(own)]


def _has_met(studio: Studio, classifier: str, test: str) -> bool:
    """Whether anything behind a classifier looked at a photo of this test set."""
    behind = sorted(studio.catalog.images.sets_behind([classifier]))
    return bool(studio.catalog.images.test_images_in(behind, [test]))


def _nodes(wish: Wish, test: str, count: int | None, rivals: Sequence[str], synthetic: str | None) -> list[Node]:
    """`synthetic` is a set, NOW in a plan, or the document of what was frozen."""
    found: list[tuple[str, str, dict[str, Any]]] = []
    images = synthetic
    if synthetic is not None and not synthetic.startswith("set:"):
        found.append(("selection", "collect.freeze", {"selection": synthetic}))
        images = "$selection.images"
    if count is not None:
        found.append(("share", SelectShare.kind, {"images": images, "count": count, "seed": wish.seed}))
        images = "$share.images"
    both = wish.real is not None and synthetic is not None
    name = "real_and_synthetic" if both else "real_only" if wish.real else "synthetic_only"
    asked = [f"${name}.classifier"]
    fields = {**wish.fields, "real": wish.real}
    _check(wish.method, {**fields, "synthetic": _NO_SET if images else None})
    if wish.eyes:
        found.append(("eye", ChooseEye.kind, {"images": [wish.real], "eyes": list(wish.eyes)}))
        fields["encoder"] = "$eye.eye"
    baseline = both and wish.baseline
    if baseline:
        found.append(("real_only", wish.method, fields))
        asked.append("$real_only.classifier")
    found.append((name, wish.method, {**fields, "synthetic": images}))
    # A rival may be what is trained here once more: the comparison names each once.
    judged: dict[str, Any] = {"test": test, "classifiers": [*asked, *rivals]}
    if baseline:
        judged["baseline"] = asked[1]
    found.append(("report", COMPARE, judged))
    return [Node(n, node, None, kind, template) for n, (node, kind, template) in enumerate(found)]


def _check(method: str, fields: dict[str, Any]) -> None:
    """BadInput by field, as the Step itself says it, before anything is written."""
    for name, value in fields.items():
        if isinstance(value, str) and value.startswith("$"):  # in a pipeline that names an output
            raise refused(name, f"{label(name)} must not begin with a dollar sign.")
    build(method, fields)


def _request(studio: Studio, wish: Wish, found: Plan, synthetic: str | None) -> dict[str, Any]:
    """What the lists of the page show of it; the sets and fields among it, so that equal wishes are equal."""
    sizes = studio.workspace.image_set(wish.real).by_label().values() if wish.real else ()
    fields = type(build(wish.method, {**wish.fields, "real": wish.real or _NO_SET})).model_fields
    chosen = {name: value for name, value in wish.fields.items() if name != "encoder" and value != fields[name].default}
    encoder = AUTO if wish.eyes else wish.fields["encoder"]
    return {
        "data": "photos", **wish.about, "shots": max(map(len, sizes), default=None), "folds": 1, "preset": wish.method,
        "backbone": encoder, "encoder": encoder, "seed": wish.seed,
        "settings": [f"{name}={value}" for name, value in chosen.items()], "resources": Resources().model_dump(),
        "real": wish.real, "synthetic": synthetic, "test": wish.test, "counts": [found.real, found.synthetic],
        "ratio": wish.per_real, "baseline": wish.baseline, "rivals": wish.rivals,
    }  # fmt: skip
