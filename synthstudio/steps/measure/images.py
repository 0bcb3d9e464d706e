"""measure.images: how does a set of images differ from real photos, and what would it teach?"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from synthstudio.artifacts import ImageSet
from synthstudio.errors import BadInput
from synthstudio.events import Event, Measured, Note, Output, Progress
from synthstudio.step import Step
from synthstudio.steps import Work, encoding
from synthstudio.terms import ImageSetId, ModelRef, Seed

if TYPE_CHECKING:
    from synthstudio.embeddings import Vector
    from synthstudio.statistics import Interval

_LEAST = 3  # images a class needs on each side


class MeasureImages(Step):
    """Distance, coverage, diversity, copying and what a linear probe learns, in the eyes of one encoder.

    Give real photos that nothing was made from: the validation set of a split. Measured against the shots themselves,
    copies look best.
    """

    kind: ClassVar[str] = "measure.images"
    title: ClassVar[str] = "Measure the images against real photos"
    later: ClassVar[frozenset[str]] = frozenset({"own_classes"})

    images: ImageSetId
    references: Annotated[ImageSetId, Field(description="Real photos that nothing was made from: the validation set.")]
    encoder: ModelRef
    neighbours: Annotated[int, Field(ge=1, le=100, description="How many neighbours make the ball of an image.")] = 5
    seed: Seed = 0
    own_classes: Annotated[
        bool, Field(description="Only photos of classes that the images show: where no more were to be made.")
    ] = False

    def run(self, work: Work) -> Iterator[Event]:
        """Embed both sides, measure all classes together, then each class."""
        images, real = work.workspace.image_set(self.images), work.workspace.image_set(self.references)
        shared = [label for label in images.labels if label in set(real.labels)]
        if not shared:
            raise BadInput("The real photos show none of the classes of the images. Choose the set of the same split.")
        if self.own_classes:
            real = of_classes(real, shared)
        made_vectors = yield from encoding.embeddings(work, self.encoder, [m.image for m in images])
        real_vectors = yield from encoding.embeddings(work, self.encoder, [m.image for m in real])
        sides = (_Side(images, made_vectors), _Side(real, real_vectors))
        body: dict[str, Any] = {
            "images": self.images, "references": self.references, "encoder": self.encoder,
            "n": [len(images), len(real)], "all": self._all(*sides), "classes": {},
        }  # fmt: skip
        for place, label in enumerate(shared):
            body["classes"][label] = self._one(*(side.of(label) for side in sides))
            yield Progress(done=place + 1, total=len(shared), unit="classes measured")
        yield from _warnings(body)
        for name, found in body["all"].items():
            value, low, high = found if isinstance(found, list) else (found, None, None)
            yield Measured(name=name, value=value, low=low, high=high, n=len(images), split="validation")
        yield Output(name="measures", value=work.workspace.put_document("report", body))

    def _all(self, made: "_Side", real: "_Side") -> dict[str, Any]:
        """What is measured over all classes together."""
        from synthstudio import measures

        if min(len(made), len(real)) < _LEAST:
            raise BadInput(f"Measuring needs at least {_LEAST} images and {_LEAST} real photos. Add some.")
        return {
            **self._distances(made.vectors, real.vectors),
            "frechet_distance": measures.frechet_distance(real.vectors, made.vectors),
            "told_apart": _ends(measures.told_apart(real.vectors, made.vectors, seed=self.seed)),
            "teaches": _ends(measures.teaches(made.vectors, made.labels, real.vectors, real.labels)),
        }

    def _one(self, made: "_Side", real: "_Side") -> dict[str, Any] | None:
        """What is measured of a class; nothing where it has too few images to say anything."""
        if min(len(made), len(real)) < _LEAST:
            return None
        return self._distances(made.vectors, real.vectors)

    def _distances(self, made: "Vector", real: "Vector") -> dict[str, Any]:
        from synthstudio import measures

        near, new = measures.manifold(real, made, self.neighbours), measures.copying(real, made)
        return {
            "kernel_distance": _ends(measures.kernel_distance(real, made, seed=self.seed)),
            "precision": _ends(near.precision), "recall": _ends(near.recall), "density": near.density,
            "coverage": _ends(near.coverage), "vendi": measures.vendi(made), "vendi_real": measures.vendi(real),
            "new": _ends(new.share), "new_expected": _ends(new.expected),
        }  # fmt: skip


def of_classes(images: ImageSet, labels: Collection[str]) -> ImageSet:
    """The images of these classes alone."""
    return ImageSet.of(images.role, (member for member in images if member.label in labels))


class _Side:
    """One of the two sets: its labels and vectors, row by row."""

    def __init__(self, images: ImageSet, vectors: "Vector", labels: Sequence[str] | None = None) -> None:
        import numpy as np

        self.vectors = vectors
        self.labels = np.asarray([m.label for m in images] if labels is None else labels)
        self._images = images

    def __len__(self) -> int:
        return len(self.vectors)

    def of(self, label: str) -> "_Side":
        rows = self.labels == label
        return _Side(self._images, self.vectors[rows], self.labels[rows].tolist())


def _ends(found: "Interval") -> list[float]:
    return [found.value, found.low, found.high]


def _warnings(body: Mapping[str, Any]) -> Iterator[Note]:
    """What a reader has to know before believing the numbers."""
    from synthstudio.measures import ENOUGH_FOR_FRECHET

    if min(body["n"]) < ENOUGH_FOR_FRECHET:
        yield Note(
            text=f"The Fréchet distance looks larger than it is below {ENOUGH_FOR_FRECHET:,} images on each side. "
            "Compare the kernel distance, which does not.",
            level="warning",
        )
    few = [label for label, found in body["classes"].items() if found is None]
    if few:
        yield Note(
            text=f"{len(few)} of {len(body['classes'])} classes have fewer than {_LEAST} images on one side and are "
            f"not measured alone: {', '.join(few[:12])}.",
            level="warning",
        )
    (new, _, high), (expected, *_) = body["all"]["new"], body["all"]["new_expected"]
    if high < expected:
        yield Note(
            text=f"{new:.0%} of the images are farther from the photos than photos are from each other; of new photos "
            f"{expected:.0%} would be. Some may be copies: look at nearest_real in Review.",
            level="warning",
        )
