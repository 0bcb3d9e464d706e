"""select.random: as many images as a chosen set has, drawn blindly: what a choice is compared with."""

import random
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from synthstudio.artifacts import ImageSet
from synthstudio.errors import BadInput
from synthstudio.events import Event, Note, Output
from synthstudio.seeds import derived_seed
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.terms import ImageSetId, Seed


class SelectRandom(Step):
    """Draw a control for a selection: as large, from the same images, class by class.

    Of each class are drawn as many images as the selection has of that class in `images`, whatever class it moved them
    to: the control knows nothing of what a person saw, neither which images are good nor which are mislabelled.
    """

    kind: ClassVar[str] = "select.random"
    title: ClassVar[str] = "Draw as many at random"

    images: Annotated[ImageSetId, Field(description="What to draw from: everything the selection was chosen from.")]
    like: Annotated[ImageSetId, Field(description="The selection whose size and classes the draw has.")]
    seed: Seed = 0

    def run(self, work: Work) -> Iterator[Event]:
        """Count, draw, name the set."""
        everything, chosen = work.workspace.image_set(self.images), work.workspace.image_set(self.like)
        labels = {member.image: member.label for member in everything}
        picked = {member.image for member in chosen}
        if strangers := picked - set(labels):
            raise BadInput(
                f"{len(strangers)} images of the selection are not among those to draw from (the first: "
                f"{min(strangers)[:12]}). Draw from the set that the selection was chosen from."
            )
        wanted = Counter(labels[image] for image in picked)
        drawn = []
        for label, members in everything.by_label().items():
            # Each class has a generator of its own, so that another class moves no draw.
            order = random.Random(derived_seed(self.seed, "random selection", label))  # noqa: S311 - no secret
            drawn += order.sample(members, wanted[label])
        same = len(picked & {member.image for member in drawn})
        yield Note(text=f"{len(drawn)} of {len(everything)} images drawn; {same} of them are in the selection too.")
        yield Output(name="images", value=work.workspace.put_set(ImageSet.of("set", drawn)))
