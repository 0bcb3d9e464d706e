"""select.share: so many images of a set, drawn at random and spread evenly over its classes."""

import random
from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput
from synthstudio.events import Event, Note, Output
from synthstudio.seeds import derived_seed
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.terms import ImageSetId, Seed


class SelectShare(Step):
    """Draw so many images of a set at random, as evenly over its classes as they allow.

    The draw of a smaller number is part of the draw of a larger one with the same seed.
    """

    kind: ClassVar[str] = "select.share"
    title: ClassVar[str] = "Draw some at random"
    computes: ClassVar[bool] = False

    images: ImageSetId
    count: Annotated[int, Field(ge=1, le=1_000_000, description="How many images to draw, all classes together.")]
    seed: Seed = 0

    def run(self, work: Work) -> Iterator[Event]:
        """Deal the classes round and round until there are enough."""
        everything = work.workspace.image_set(self.images)
        if not len(everything):
            raise BadInput("The set to draw from is empty. Loosen the filter, or make more images.")
        drawn = _dealt(everything, self.count, self.seed)
        classes = len({member.label for member in drawn})
        yield Note(text=f"{len(drawn)} of {len(everything)} images drawn, in {classes} classes.")
        yield Output(name="images", value=work.workspace.put_set(ImageSet.of("set", drawn)))


def _dealt(images: ImageSet, count: int, seed: int) -> list[Member]:
    queues = []
    for label, members in images.by_label().items():
        # Each class has a generator of its own, so that another class moves no draw.
        order = random.Random(derived_seed(seed, "share", label))  # noqa: S311 - no secret
        queues.append(order.sample(members, len(members)))
    rounds = (queue[place] for place in range(max(map(len, queues))) for queue in queues if place < len(queue))
    return [member for member, _ in zip(rounds, range(count), strict=False)]
