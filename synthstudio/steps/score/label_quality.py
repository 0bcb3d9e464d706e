"""score.label_quality: would the other images of the set give this one its label?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from synthstudio.errors import BadInput
from synthstudio.events import Event, Measured, Note
from synthstudio.score_terms import Scale
from synthstudio.step import Step
from synthstudio.steps import Work, encoding
from synthstudio.steps.score import say
from synthstudio.steps.score.judge import PHOTO
from synthstudio.steps.score.margin import margins
from synthstudio.steps.train.linear_probe import examples
from synthstudio.terms import ImageSetId, ModelRef, Prompt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class LabelQuality(Step):
    """How well an image's label fits by a probe that has learnt from other images of the set (Northcutt et al. 2021).

    Every image is asked about out of fold: a linear probe on the embeddings learns from the other four fifths, so no
    image speaks for its own label. `self_confidence` is the probability of the label; `normalized_margin` is
    (p(label) − max p(other) + 1) / 2, 0.5 where two classes are as likely. Both are label quality scores of
    confident learning (arXiv:1911.00068; Kuan and Mueller 2022). With `references` the probe learns from those real
    images too, in every fold. An image that is alone in its class, and has no reference of it, gets no value.
    """

    kind: ClassVar[str] = "score.label_quality"
    title: ClassVar[str] = "Score: would the other images label it so?"
    scale: ClassVar[Scale] = Scale("how well the label fits, judged by the other images of the set", "higher", 0, 1)
    among: ClassVar[bool] = True

    images: ImageSetId
    encoder: ModelRef
    method: Annotated[
        Literal["self_confidence", "normalized_margin"],
        Field(description="The probability of the label, or how far it is ahead of the most probable other class."),
    ] = "normalized_margin"
    prompt: Prompt = PHOTO
    references: Annotated[
        ImageSetId | None, Field(description="Real images that the probe learns from beside the others; none: no more.")
    ] = None

    def run(self, work: Work) -> Iterator[Event]:
        from synthstudio.engine import probe

        images = work.workspace.image_set(self.images)
        more = None if self.references is None else work.workspace.image_set(self.references)
        labels = tuple(sorted({*images.labels, *(more.labels if more else ())}))
        if len(labels) < 2:
            raise BadInput("Label quality needs a second class. Score images of several classes, or give references.")
        asked = yield from examples(work, self.encoder, images, labels)
        known = None if more is None else (yield from examples(work, self.encoder, more, labels))
        model = encoding.encoder(work, self.encoder)
        words = model.embed_labels(labels, [self.prompt]) if model.reads_words else None
        yield Note(text="Each image is judged by a probe that has learnt from the others, in five turns.")
        found = probe.out_of_fold(asked, words, len(labels), scale=model.scale, more=known)
        quality = self._quality(found, asked.labels)
        yield from _doubtful(found, asked.labels)
        shown = [member.image for member in images]
        yield from say(work, "label_quality", self.encoder, list(zip(shown, quality.tolist(), strict=True)))

    def _quality(self, chances: "NDArray[np.float64]", own: "NDArray[np.int64]") -> "NDArray[np.float64]":
        if self.method == "normalized_margin":
            return (margins(chances, own) + 1) / 2
        return chances[range(len(own)), own]


def _doubtful(chances: "NDArray[np.float64]", own: "NDArray[np.int64]") -> Iterator[Measured]:
    """The share of the images that the others would give another label."""
    import numpy as np

    from synthstudio.statistics import wilson

    judged = ~np.isnan(chances[:, 0])
    if judged.any():
        wrong = int((chances[judged].argmax(1) != own[judged]).sum())
        share, low, high = wilson(wrong, int(judged.sum()))
        yield Measured(name="labels_doubted", value=share, low=low, high=high, n=int(judged.sum()))
