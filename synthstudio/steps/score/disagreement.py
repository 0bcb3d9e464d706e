"""score.disagreement: how much do the classifiers there are doubt an image's label?"""

from collections.abc import Generator, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from synthstudio.effort import Amounts, Effort
from synthstudio.errors import BadInput
from synthstudio.events import Event, Note, Progress
from synthstudio.quantities import many
from synthstudio.score_terms import Scale
from synthstudio.step import Step
from synthstudio.steps import Work, encoding
from synthstudio.steps.score import say
from synthstudio.terms import ClassifierId, ImageSetId

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_AT_ONCE = 1024  # images whose pixels a classifier is shown together


def _each_once(named: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(named))


class Disagreement(Step):
    """The share of an image's label that its classifiers do not grant it: 1 − the mean of p(label) over them.

    0 where all are sure of the label, 1 where all are sure of others; of one classifier it is 1 − its confidence. Asked
    of several (folds, seeds, ways to train) it is high where the committee disagrees with the label or with itself, as
    in query by committee (Seung et al. 1992). A classifier that does not know the label grants it nothing. One that has
    learnt from these very images agrees with what it was taught, labels that are wrong included: a note says which.
    """

    kind: ClassVar[str] = "score.disagreement"
    title: ClassVar[str] = "Score: do the classifiers doubt its label?"
    scale: ClassVar[Scale] = Scale("how much the classifiers doubt its label", "lower", 0, 1)

    images: ImageSetId
    classifiers: Annotated[
        tuple[ClassifierId, ...],
        Field(min_length=1, max_length=50, description="Who is asked: one classifier, or a committee."),
        AfterValidator(_each_once),
    ]

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        asked = len(fields["classifiers"])
        return Effort((there.made or there.shots) * asked, asked)

    def run(self, work: Work) -> Iterator[Event]:
        import numpy as np

        images = work.workspace.image_set(self.images)
        if not len(images):
            raise BadInput("There are no images to ask about. Choose a set that has some.")
        labels = [member.label for member in images]
        shown = [member.image for member in images]
        granted, named = np.zeros(len(images)), np.zeros(len(images))
        for number, one in enumerate(self.classifiers, 1):
            body = work.workspace.document(one)
            if self.images in body["trained_on"]:
                yield _taught(number, len(self.classifiers))
            chances = yield from _chances(work, body, shown)
            known = {label: place for place, label in enumerate(body["labels"])}
            own = np.array([known.get(label, len(known)) for label in labels])
            granted += np.pad(chances, ((0, 0), (0, 1)))[range(len(own)), own]  # a label it does not know comes last
            named += chances.argmax(1) != own
            yield Progress(done=number, total=len(self.classifiers), unit="classifiers")
        against = int((2 * named > len(self.classifiers)).sum())
        yield Note(text=f"Of {many(len(images), 'image')}, most classifiers call {against:,} something else.")
        values = np.clip(1 - granted / len(self.classifiers), 0, 1).tolist()
        yield from say(work, "disagreement", None, list(zip(shown, values, strict=True)))


def _chances(
    work: Work, document: dict[str, Any], images: list[str]
) -> Generator[Progress, None, "NDArray[np.float64]"]:
    """What a classifier, given by its document, says of every image: (N, labels). It sees so many at a time."""
    import numpy as np

    from synthstudio.engine import classifier

    model = encoding.encoder(work, document["encoder"])
    fitted = classifier.Fitted.read(document, work.workspace.get_weights(document["weights"]))
    found = []
    for start in range(0, len(images), _AT_ONCE):
        some = images[start : start + _AT_ONCE]
        vectors = yield from encoding.embeddings(work, document["encoder"], some)
        shown = classifier.Images(model, partial(encoding.pixels, work, model, some))
        found.append(classifier.probabilities(fitted, shown, vectors))
    return np.concatenate(found)


def _taught(number: int, of: int) -> Note:
    one = "The classifier" if of == 1 else f"Classifier {number} of {of}"
    text = f"{one} has learnt from these very images, so it agrees with labels that it was taught."
    return Note(text=text, level="warning")
