"""score.nearest_synthetic: is there another image like this one among those that were made?"""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from synthstudio.events import Event, Progress
from synthstudio.score_terms import Scale
from synthstudio.step import Step
from synthstudio.steps import Work, encoding
from synthstudio.steps.score import say
from synthstudio.terms import ImageSetId, ModelRef


class NearestSynthetic(Step):
    """Cosine of an image's embedding to that of the closest other image of the set, of any label; near 1 is redundant.

    Of images that are alike one is worth keeping, so each is compared with those before it only (in the order of the
    set: by class, then by digest): a bound then takes out all but the first. Images near one that a bound takes out go
    with it, as in the semantic deduplication of Abbas et al. (2023). Without `keep_first` every image is compared with
    every other one: twins then stand side by side in Review, and a bound takes out both.
    """

    kind: ClassVar[str] = "score.nearest_synthetic"
    title: ClassVar[str] = "Score: is it one too many?"
    scale: ClassVar[Scale] = Scale("cosine to the closest other image of the set", "lower", -1, 1)
    among: ClassVar[bool] = True

    images: ImageSetId
    encoder: ModelRef
    keep_first: Annotated[
        bool, Field(description="Compare an image with those before it only, so that the first of alike ones stays.")
    ] = True

    def run(self, work: Work) -> Iterator[Event]:
        from synthstudio.measures import closest

        shown = list(dict.fromkeys(member.image for member in work.workspace.image_set(self.images)))
        vectors = yield from encoding.embeddings(work, self.encoder, shown)
        values: list[tuple[str, float]] = []
        for rows, found in closest(vectors, before=self.keep_first):
            values += zip(shown[rows], found.tolist(), strict=True)
            yield Progress(done=len(values), total=len(shown), unit="images")
        yield from say(work, "nearest_synthetic", self.encoder, values)
