"""score.label_agreement: does an independent model see the label that was asked for?"""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from synthstudio.artifacts import ImageSet
from synthstudio.errors import BadInput
from synthstudio.events import Event, Progress
from synthstudio.step import Step
from synthstudio.steps import Work, encoding
from synthstudio.steps.score import say
from synthstudio.terms import ImageSetId, Labels, ModelRef, Prompt

if TYPE_CHECKING:
    from synthstudio.embeddings import Vector

PHOTO: Prompt = "a photo of a {label}"


class LabelAgreement(Step):
    """CLIP's probability of an image's own label among all labels: softmax of exp(logit_scale) · cos(image, label).

    He et al. (2023) keep images above 1 / number of labels; DISEF those whose own label wins. A label stands for itself
    as the mean of its prompts. With `references` (the shots) it stands as the mean of its text vector and the mean
    image vector of its shots, as in Proto-CLIP (Padalunkal et al. 2023): a small CLIP may not know a class by name and
    still recognise more of the same.
    """

    kind: ClassVar[str] = "score.label_agreement"

    images: ImageSetId
    encoder: ModelRef
    prompts: Annotated[tuple[Prompt, ...], Field(min_length=1, max_length=100)] = (PHOTO,)
    labels: Annotated[Labels | None, Field(description="The labels to choose among; none: those of the images.")] = None
    references: Annotated[
        ImageSetId | None, Field(description="Real images that help to describe each label; none: words only.")
    ] = None

    def run(self, work: Work) -> Iterator[Event]:
        from synthstudio.engine.encoders import softmax, unit

        images = work.workspace.image_set(self.images)
        labels = self.labels or images.labels
        if unknown := sorted(set(images.labels) - set(labels)):
            raise BadInput(f"Some images show {unknown[0]!r}, which is not among the labels. Add it, or give none.")
        model = encoding.encoder(work, self.encoder)
        prototypes = model.embed_labels(labels, self.prompts)
        if self.references is not None:
            shots = work.workspace.image_set(self.references)
            prototypes = unit(prototypes + (yield from _class_means(work, self.encoder, shots, labels)))
        vectors = yield from encoding.embeddings(work, self.encoder, [member.image for member in images])
        chances = softmax(model.scale * vectors @ prototypes.T)
        own = encoding.label_places(labels, [member.label for member in images])
        values = [(m.image, float(chances[i, place])) for i, (m, place) in enumerate(zip(images, own, strict=True))]
        yield from say(work, "label_agreement", self.encoder, values)


def _class_means(
    work: Work, encoder: str, shots: ImageSet, labels: tuple[str, ...]
) -> Generator[Progress, None, "Vector"]:
    """The mean image vector of each label's shots, of length one; a label without shots has a zero vector."""
    import numpy as np

    from synthstudio.engine.encoders import unit

    known = [member for member in shots if member.label in labels]
    vectors = yield from encoding.embeddings(work, encoder, [member.image for member in known])
    sums = np.zeros((len(labels), vectors.shape[1]), dtype=np.float32)
    np.add.at(sums, encoding.label_places(labels, [member.label for member in known]), vectors)
    return unit(sums)
