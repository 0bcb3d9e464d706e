"""score.label_agreement: does an independent eye see the label that was asked for?"""

from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

from pydantic import Field

from synthstudio.artifacts import ImageSet
from synthstudio.errors import BadInput
from synthstudio.events import Event, Note, Progress
from synthstudio.step import Step
from synthstudio.steps import Work, encoding
from synthstudio.steps.score import say
from synthstudio.terms import ImageSetId, Labels, ModelRef, Prompt

if TYPE_CHECKING:
    from synthstudio.embeddings import Vector

PHOTO: Prompt = "a photo of a {label}"


class LabelAgreement(Step):
    """The probability of an image's own label among all labels: softmax of a scale times cos(image, label).

    He et al. (2023) keep images above 1 / number of labels; DISEF those whose own label wins. Of an encoder with words
    a label is the mean of its prompts, the scale exp(logit_scale). With `references` (the shots) the judge is that
    zero-shot head fitted to the shots, as train.linear_probe does: a small CLIP may not know a class by name and still
    recognise more of the same. Of an encoder without words a label is the mean of its references (its prototype).
    """

    kind: ClassVar[str] = "score.label_agreement"
    title: ClassVar[str] = "Score: does each look like its class?"
    passing: ClassVar[Mapping[str, str]] = {
        "at_least": "look like their class",
        "above_chance": "look more like their class than chance",
    }
    helping: ClassVar[Mapping[str, str]] = dict.fromkeys(passing, "raise guidance, adapt longer")

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
        vectors = yield from encoding.embeddings(work, self.encoder, [member.image for member in images])
        weight, bias = yield from self._judge(work, labels)
        chances = softmax(vectors @ weight.T + bias)
        own = encoding.label_places(labels, [member.label for member in images])
        values = [(m.image, float(chances[i, place])) for i, (m, place) in enumerate(zip(images, own, strict=True))]
        yield from say(work, "label_agreement", self.encoder, values)

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
