"""Train classifiers on real, synthetic or both."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from synthstudio.artifacts import ImageSet
from synthstudio.effort import Effort
from synthstudio.errors import BadInput
from synthstudio.events import Measured, Note, Output
from synthstudio.steps import Work, encoding

if TYPE_CHECKING:
    from synthstudio.engine.batches import Part
    from synthstudio.engine.encoders import Encoder


def named_sets(
    work: Work, real: str | None, synthetic: str | None
) -> tuple[dict[str, ImageSet], tuple[str, ...], list[Note]]:
    """The sets by part, the labels of both together, and a warning when they do not show the same classes."""
    ids = {"real": real, "synthetic": synthetic}
    sets = {name: work.workspace.image_set(one) for name, one in ids.items() if one is not None}
    if not sets:
        raise BadInput("A classifier needs images: name a set of real images, of synthetic images, or both.")
    for name, images in sets.items():
        if not len(images):
            raise BadInput(f"The {name} set is empty. Loosen the filter, or make more images.")
    labels = tuple(sorted({label for images in sets.values() for label in images.labels}))
    if len(labels) < 2:
        raise BadInput(f"There is only one class, {labels[0]!r}. A classifier needs at least two.")
    missing = [
        f"The {name} images show no {', '.join(repr(label) for label in sorted(set(labels) - set(images.labels)))}."
        for name, images in sets.items()
        if set(images.labels) != set(labels)
    ]
    return sets, labels, [Note(text=text, level="warning") for text in missing]


def part_of(work: Work, model: "Encoder", images: ImageSet, labels: tuple[str, ...]) -> "Part":
    """The images of a set as an encoder wants them, with the places of their labels."""
    from synthstudio.engine.batches import Part

    digests = tuple(member.image for member in images)
    places = encoding.label_places(labels, [member.label for member in images])
    return Part.of(digests, encoding.pixels(work, model, digests), places)


def training_accuracy(part: str, hits: int, n: int) -> Measured:
    """The accuracy on images the classifier was trained on: a sign of fit, never of quality."""
    from synthstudio.statistics import wilson

    value, low, high = wilson(hits, n)
    return Measured(name="accuracy", value=value, low=low, high=high, n=n, split="train", arm=part)


def updates(fields: Mapping[str, Any]) -> Effort:
    """The updates that a training's fields ask for, each of a batch of images."""
    steps = float(fields["training_steps"])
    return Effort(steps * float(fields["batch_size"]), steps)


class Trained(Protocol):
    """The step that trained a classifier."""

    @property
    def fields(self) -> dict[str, Any]: ...


def keep(work: Work, step: Trained, kind: str, labels: tuple[str, ...], weights: Path, **found: Any) -> Output:
    """Store the weights and the document that names them and what training `found`; says the classifier's id."""
    fields = step.fields
    trained_on = [fields[name] for name in ("real", "synthetic") if fields.get(name)]
    body = {
        **{name: value for name, value in fields.items() if name not in ("real", "synthetic")},
        **found,
        "kind": kind,
        "labels": list(labels),
        "trained_on": trained_on,
        "real": fields.get("real"),
        "synthetic": fields.get("synthetic"),
        "weights": work.workspace.put_weights(weights),
    }
    return Output(name="classifier", value=work.workspace.put_document("classifier", body))
