"""score.label_agreement: does an independent eye see the label that was asked for?"""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from synthstudio.events import Event
from synthstudio.score_terms import Scale
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.score import say
from synthstudio.steps.score.judge import Judging


class LabelAgreement(Judging, Step):
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
    scale: ClassVar[Scale] = Scale(
        "how sure the eye is that the image shows its class, among all classes", "higher", 0, 1
    )

    def run(self, work: Work) -> Iterator[Event]:
        images, chances, own = yield from self.judged(work)
        values = [(image, float(row[place])) for image, row, place in zip(images, chances, own, strict=True)]
        yield from say(work, "label_agreement", self.encoder, values)
