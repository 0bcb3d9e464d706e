"""score.nearest_real: is this image new, or a real photo again?"""

from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from synthstudio.artifacts import ImageSet
from synthstudio.errors import BadInput
from synthstudio.events import Event, Measured, Progress
from synthstudio.score_terms import Scale
from synthstudio.step import Step
from synthstudio.steps import Work, encoding
from synthstudio.steps.copies import copies_of
from synthstudio.steps.score import say
from synthstudio.terms import ImageSetId, ModelRef

if TYPE_CHECKING:
    from synthstudio.embeddings import Vector


class NearestReal(Step):
    """Cosine of an image's embedding to that of the closest real image, of any label; near 1 means copied.

    Two guards make copies stand out. An image that shows a real one again (re-encoded, resized, cropped or slightly
    changed: its fingerprint matches, or the encoder proposes the pair and pixels confirm it) has the value 1. And
    because small or plain images are close to each other without being copies, the closeness of the real images among
    themselves is measured beside the scores: the mean and the 95 % quantile of each real image's closest other real
    image of its label. Memorised images lie above those.
    """

    kind: ClassVar[str] = "score.nearest_real"
    title: ClassVar[str] = "Score: is any a copy of a photo?"
    passing: ClassVar[Mapping[str, str]] = {"at_most": "are no copies"}
    helping: ClassVar[Mapping[str, str]] = {"at_most": "start further from the photos (t0), adapt for fewer steps"}
    scale: ClassVar[Scale] = Scale(
        "cosine to the closest real photo of any class; 1 for a copy that was found", "lower", -1, 1
    )
    version: ClassVar[int] = 2  # 1 knew copies by fingerprint alone

    images: ImageSetId
    references: ImageSetId
    encoder: ModelRef

    def run(self, work: Work) -> Iterator[Event]:
        from synthstudio.statistics import wilson

        images, real = work.workspace.image_set(self.images), work.workspace.image_set(self.references)
        if not len(real):
            raise BadInput("There are no real images to compare with. Choose the set of shots as references.")
        shots = yield from _vectors(work, self.encoder, real)
        vectors = yield from _vectors(work, self.encoder, images)
        closest = (vectors @ shots.T).max(1) if len(images) else []
        shown = [one.image for one in images]
        copies, _ = yield from copies_of(work, self.encoder, shown, [one.image for one in real])
        values = [
            (member.image, 1.0 if member.image in copies else float(value))
            for member, value in zip(images, closest, strict=True)
        ]
        yield from _among_real(real, shots)
        if values:
            share, low, high = wilson(len(copies), len(images))
            yield Measured(name="copies", value=share, low=low, high=high, n=len(images))
        yield from say(work, "nearest_real", self.encoder, values)


def _vectors(work: Work, encoder: str, images: ImageSet) -> Generator[Progress, None, "Vector"]:
    return (yield from encoding.embeddings(work, encoder, [member.image for member in images]))


def _among_real(real: ImageSet, vectors: "Vector") -> Iterator[Measured]:
    """How close real images of one label are to each other: what a new image of that label may look like."""
    import numpy as np

    labels = np.array([member.label for member in real])
    cosines = np.where(labels[:, None] == labels[None], vectors @ vectors.T, -np.inf)
    np.fill_diagonal(cosines, -np.inf)
    closest = cosines.max(1)
    closest = closest[np.isfinite(closest)]
    if len(closest):
        for name, value in (("mean", closest.mean()), ("quantile95", np.quantile(closest, 0.95))):
            yield Measured(name=f"nearest_real_{name}", value=float(value), n=len(closest), arm="real to real")
