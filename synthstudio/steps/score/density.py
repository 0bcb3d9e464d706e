"""score.density: does this image lie where real photos lie?"""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from synthstudio.errors import BadInput
from synthstudio.events import Event
from synthstudio.score_terms import Scale
from synthstudio.step import Step
from synthstudio.steps import Work, encoding
from synthstudio.steps.score import say
from synthstudio.terms import ImageSetId, ModelRef


class Density(Step):
    """How many balls of real images an image lies in, over k (Naeem et al. 2020): 0 lies outside of all of them.

    The ball of a real image reaches to its k-th nearest other real image, of any label. About 1 is as crowded as real
    images are; their mean over a set is its density in `measure.images`. Few real images have wide balls: of a few
    shots even an odd image lies in one, so give as many real images as there are.
    """

    kind: ClassVar[str] = "score.density"
    title: ClassVar[str] = "Score: does it lie where photos lie?"
    passing: ClassVar[Mapping[str, str]] = {"at_least": "lie where photos lie"}
    helping: ClassVar[Mapping[str, str]] = {"at_least": "start closer to the photos (t0), adapt longer"}
    scale: ClassVar[Scale] = Scale("how crowded real photos are around it; 0 is outside of them", "higher", 0)

    images: ImageSetId
    references: ImageSetId
    encoder: ModelRef
    neighbours: Annotated[int, Field(ge=1, le=100, description="k: how far the ball of a real image reaches.")] = 5

    def run(self, work: Work) -> Iterator[Event]:
        from synthstudio.measures import densities

        images, real = work.workspace.image_set(self.images), work.workspace.image_set(self.references)
        if len(real) < 2:
            raise BadInput("A ball needs two real images. Choose a set of more real photos as references.")
        photos = yield from encoding.embeddings(work, self.encoder, [member.image for member in real])
        vectors = yield from encoding.embeddings(work, self.encoder, [member.image for member in images])
        found = densities(photos, vectors, self.neighbours).tolist()
        yield from say(
            work, "density", self.encoder, [(m.image, value) for m, value in zip(images, found, strict=True)]
        )
