"""score.influence: what does a decision on this image pay?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from synthstudio.artifacts import ImageSet
from synthstudio.errors import BadInput
from synthstudio.events import Event, Measured, Note
from synthstudio.quantities import many
from synthstudio.score_terms import Scale
from synthstudio.step import Step
from synthstudio.steps import Work, encoding
from synthstudio.steps.score import say
from synthstudio.steps.score.judge import PHOTO
from synthstudio.steps.train.linear_probe import examples
from synthstudio.terms import ImageSetId, ModelRef, Prompt, RealWeight

if TYPE_CHECKING:
    from synthstudio.engine.probe import Examples
    from synthstudio.influence import Labelled

_FEW = 20  # validation photos below which single images can hardly be told apart


class Influence(Step):
    """By how many percent the loss on validation photos is expected to fall when a person decides on an image.

    The chance that the person rejects it times what training without it would change. The chance is 1 − p(label) of a
    probe that has learnt from other images (as `score.label_quality`). The change is exact for ridge regression of the
    labels on the embeddings, whose leave-one-out has a closed form (Cook 1977; influence functions: Koh and Liang
    2017); it is drawn to that of the images whose labels are doubted, as far as two halves of the validation photos
    disagree. With `references` the real shots are learnt from too. Test photos cannot be named; after choosing by
    validation photos, their accuracy is flattered and only that on test photos is honest.
    """

    kind: ClassVar[str] = "score.influence"
    title: ClassVar[str] = "Score: what does a decision on it pay?"
    scale: ClassVar[Scale] = Scale(
        "percent of the loss on validation photos that a decision is expected to take off", "lower",
        order="What pays most first",
    )  # fmt: skip
    among: ClassVar[bool] = True

    images: ImageSetId
    validation: Annotated[ImageSetId, Field(description="Real photos to choose by: the split's validation photos.")]
    encoder: ModelRef
    prompt: Prompt = PHOTO
    references: Annotated[
        ImageSetId | None, Field(description="Real images that are trained on beside the images; none: no others.")
    ] = None
    real_weight: RealWeight = 0.8

    def run(self, work: Work) -> Iterator[Event]:
        from synthstudio import influence
        from synthstudio.engine import probe

        images, validation, real = self._sets(work)
        labels = tuple(sorted({*images.labels, *validation.labels, *(real.labels if real else ())}))
        if len(labels) < 2:
            raise BadInput("There is only one class, so nothing can be mistaken. Score images of several classes.")
        shown = yield from examples(work, self.encoder, images, labels)
        asked = yield from examples(work, self.encoder, validation, labels)
        known = None if real is None else (yield from examples(work, self.encoder, real, labels))
        model = encoding.encoder(work, self.encoder)
        words = model.embed_labels(labels, [self.prompt]) if model.reads_words else None
        chances = probe.out_of_fold(shown, words, len(labels), scale=model.scale, more=known)
        found = influence.harm(
            _labelled(shown), _labelled(asked), len(labels),
            real=None if known is None else _labelled(known), real_weight=self.real_weight,
        )  # fmt: skip
        yield from _told(found.reliability, len(validation))
        values = influence.expected(found, chances, shown.labels).tolist()
        yield from say(work, "influence", self.encoder, [(m.image, v) for m, v in zip(images, values, strict=True)])

    def _sets(self, work: Work) -> tuple[ImageSet, ImageSet, ImageSet | None]:
        """Images, validation photos and shots; BadInput where a validation photo is among what is learnt from."""
        images, validation = work.workspace.image_set(self.images), work.workspace.image_set(self.validation)
        real = None if self.references is None else work.workspace.image_set(self.references)
        if not len(images) or len(validation) < 2:
            raise BadInput("There is nothing to compare. Choose images, and at least two validation photos of a split.")
        learnt = {member.image for one in (images, real) if one is not None for member in one}
        if shared := sum(member.image in learnt for member in validation):
            raise BadInput(
                f"{many(shared, 'validation photo')} would be learnt from too. Choose the validation photos of a split."
            )
        return images, validation, real


def _labelled(one: "Examples") -> "Labelled":
    from synthstudio.influence import Labelled

    return Labelled(one.vectors, one.labels)


def _told(reliability: float, photos: int) -> Iterator[Event]:
    """How far single images can be told apart, and what to do where that is not far."""
    yield Measured(name="influence_reliability", value=reliability, n=photos)
    if photos < _FEW:
        text = (
            f"{photos} validation photos tell little of single images; the order follows doubtful labels. Add photos."
        )
        yield Note(text=text, level="warning")
