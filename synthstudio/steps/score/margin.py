"""score.margin: how far ahead of every other class does an image's own class lie?"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from synthstudio.errors import BadInput
from synthstudio.events import Event
from synthstudio.score_terms import Scale
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.score import say
from synthstudio.steps.score.judge import Judging

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Margin(Judging, Step):
    """The probability of an image's own label less that of the most probable other: p(own) − max p(other).

    Below 0 another class wins; near 0 two classes compete, which is where margin sampling asks a person (Scheffer et
    al. 2001). The eye is that of `score.label_agreement`, which says how sure it is and not who comes second.
    """

    kind: ClassVar[str] = "score.margin"
    title: ClassVar[str] = "Score: is another class as likely?"
    passing: ClassVar[Mapping[str, str]] = {"at_least": "look like no other class"}
    helping: ClassVar[Mapping[str, str]] = {"at_least": "raise guidance, adapt longer"}
    scale: ClassVar[Scale] = Scale("how far the image's class is ahead of the most probable other", "higher", -1, 1)

    def run(self, work: Work) -> Iterator[Event]:
        images, chances, own = yield from self.judged(work)
        if chances.shape[1] < 2:
            raise BadInput("A margin needs a second class. Name more labels, or score images of several classes.")
        values = zip(images, margins(chances, own).tolist(), strict=True)
        yield from say(work, "margin", self.encoder, list(values))


def margins(chances: "NDArray[np.float64]", own: "NDArray[np.int64]") -> "NDArray[np.float64]":
    """p(own) − max p(other) of every row (N,), of probabilities (N, labels) and places (N,)."""
    import numpy as np

    rows = np.arange(len(own))
    others = chances.copy()
    others[rows, own] = -np.inf
    return chances[rows, own] - others.max(1)
