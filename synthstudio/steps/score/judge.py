"""The eye that tells labels apart, which several scorers ask: how probable it finds each label of an image.

Its answers rest on the embeddings that are kept, so whoever asks second decodes no image again.
"""

from collections.abc import Generator
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

from pydantic import BaseModel, Field

from synthstudio.artifacts import ImageSet
from synthstudio.errors import BadInput
from synthstudio.events import Event, Note, Progress
from synthstudio.steps import Work, encoding
from synthstudio.terms import ImageSetId, Labels, ModelRef, Prompt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthstudio.embeddings import Vector

PHOTO: Prompt = "a photo of a {label}"


class Judged(NamedTuple):
    """Images in order, the probability (N, labels) of each label, and the place (N,) of the image's own."""

    images: tuple[str, ...]
    chances: "NDArray[np.float64]"
    own: "NDArray[np.int64]"


class Judging(BaseModel):
    """The fields of a scorer that asks this eye, and its answers."""

    images: ImageSetId
    encoder: ModelRef
    prompts: Annotated[
        tuple[Prompt, ...], Field(min_length=1, max_length=100, description="Templates a label is described by.")
    ] = (PHOTO,)
    labels: Annotated[Labels | None, Field(description="The labels to choose among; none: those of the images.")] = None
    references: Annotated[
        ImageSetId | None, Field(description="Real images that help to describe each label; none: words only.")
    ] = None

    def judged(self, work: Work) -> Generator[Event, None, Judged]:
        """What the eye says of every image; BadInput if an image's label is not among the labels."""
        import numpy as np

        from synthstudio.engine.encoders import softmax

        images = work.workspace.image_set(self.images)
        labels = self.labels or images.labels
        if unknown := sorted(set(images.labels) - set(labels)):
            raise BadInput(f"Some images show {unknown[0]!r}, which is not among the labels. Add it, or give none.")
        shown = tuple(member.image for member in images)
        vectors = yield from encoding.embeddings(work, self.encoder, shown)
        weight, bias = yield from self._judge(work, labels)
        own = np.array(encoding.label_places(labels, [member.label for member in images]), np.int64)
        return Judged(shown, softmax(vectors @ weight.T + bias), own)

    def _judge(self, work: Work, labels: tuple[str, ...]) -> Generator[Event, None, tuple["Vector", "Vector"]]:
        """Weight and bias of the judge, made once per process: who draws until enough pass asks again and again."""
        kept = cast("dict[str, Any]", work.load(("judge", self.encoder, self.prompts, self.references, labels), dict))
        if not kept:
            kept["weight"], kept["bias"] = yield from self._head(work, labels)
        return kept["weight"], kept["bias"]

    def _head(self, work: Work, labels: tuple[str, ...]) -> Generator[Event, None, tuple["Vector", "Vector"]]:
        """Weight and bias of the judge, and a sentence about what it goes by."""
        import numpy as np

        model, name = encoding.encoder(work, self.encoder), self.encoder.partition("@")[0]
        words = model.embed_labels(labels, self.prompts) if model.reads_words else None
        if self.references is None:
            if words is None:
                raise BadInput(
                    f"{name} knows no words, so it judges by real images: name the set of shots as references."
                )
            return model.scale * words, np.zeros(len(labels), dtype=np.float32)
        shots = work.workspace.image_set(self.references)
        yield from encoding.resized(work, model, self.encoder, [member.image for member in shots])
        if words is None:
            yield Note(text=f"{name} judges by the mean of each class's shots; it knows no words.")
        else:
            yield Note(text=f"{name} judges by the class names, fitted to the shots.")
        return (yield from _fitted(work, self.encoder, shots, labels, words))


def _fitted(
    work: Work, encoder: str, shots: ImageSet, labels: tuple[str, ...], words: "Vector | None"
) -> Generator[Progress, None, tuple["Vector", "Vector"]]:
    """Weight and bias of the zero-shot head after a fit to the shots of these labels; of their means without words."""
    import numpy as np

    from synthstudio.engine import probe

    known = [member for member in shots if member.label in labels]
    if not known:
        raise BadInput("The references show none of the labels. Choose the shots of this project, or leave them out.")
    vectors = yield from encoding.embeddings(work, encoder, [member.image for member in known])
    places = np.array(encoding.label_places(labels, [member.label for member in known]))
    part = probe.Examples(vectors, places)
    if words is None:
        if unseen := sorted(set(labels) - {member.label for member in known}):
            raise BadInput(
                f"The references show no {unseen[0]!r}, and {encoder.partition('@')[0]} knows no words. "
                "Add a real image of it, or choose an encoder with words, such as pico-clip."
            )
        head = probe.prototypes(part, len(labels))
    else:
        scale = encoding.encoder(work, encoder).scale
        head = probe.fit({"real": part}, words, len(labels), scale=scale, penalty=probe.PENALTY, real_weight=1.0)
    return head["weight"].numpy(), head["bias"].numpy()
