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
    as the mean of its prompts. With `references` (the shots) the judge is that zero-shot head fitted to the shots, as
    train.linear_probe does: a small CLIP may not know a class by name and still recognise more of the same.
    """

    kind: ClassVar[str] = "score.label_agreement"

    images: ImageSetId
    encoder: ModelRef
    prompts: Annotated[
        tuple[Prompt, ...], Field(min_length=1, max_length=100, description="Templates a label is described by.")
    ] = (PHOTO,)
    labels: Annotated[Labels | None, Field(description="The labels to choose among; none: those of the images.")] = None
    references: Annotated[
        ImageSetId | None, Field(description="Real images that help to describe each label; none: words only.")
    ] = None

    def run(self, work: Work) -> Iterator[Event]:
        from synthstudio.engine.encoders import softmax

        images = work.workspace.image_set(self.images)
        labels = self.labels or images.labels
        if unknown := sorted(set(images.labels) - set(labels)):
            raise BadInput(f"Some images show {unknown[0]!r}, which is not among the labels. Add it, or give none.")
        model = encoding.encoder(work, self.encoder)
        words = model.embed_labels(labels, self.prompts)
        vectors = yield from encoding.embeddings(work, self.encoder, [member.image for member in images])
        if self.references is None:
            chances = softmax(vectors @ (model.scale * words).T)
        else:
            shots = work.workspace.image_set(self.references)
            weight, bias = yield from _fitted(work, self.encoder, shots, labels, words)
            chances = softmax(vectors @ weight.T + bias)
        own = encoding.label_places(labels, [member.label for member in images])
        values = [(m.image, float(chances[i, place])) for i, (m, place) in enumerate(zip(images, own, strict=True))]
        yield from say(work, "label_agreement", self.encoder, values)


def _fitted(
    work: Work, encoder: str, shots: ImageSet, labels: tuple[str, ...], words: "Vector"
) -> Generator[Progress, None, tuple["Vector", "Vector"]]:
    """Weight and bias of the zero-shot head after a fit to the shots of these labels."""
    import numpy as np

    from synthstudio.engine import probe

    known = [member for member in shots if member.label in labels]
    if not known:
        raise BadInput("The references show none of the labels. Choose the shots of this project, or leave them out.")
    vectors = yield from encoding.embeddings(work, encoder, [member.image for member in known])
    places = np.array(encoding.label_places(labels, [member.label for member in known]))
    head = probe.fit(
        {"real": probe.Examples(vectors, places)},
        words,
        len(labels),
        scale=encoding.encoder(work, encoder).scale,
        penalty=probe.PENALTY,
        real_weight=1.0,
    )
    return head["weight"].numpy(), head["bias"].numpy()
