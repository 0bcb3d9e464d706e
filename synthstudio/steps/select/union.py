"""select.union: several sets as one."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from synthstudio.artifacts import ImageSet
from synthstudio.events import Event, Note, Output
from synthstudio.quantities import many
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.terms import ImageSetId


class SelectUnion(Step):
    """Put the images of several sets together, each once."""

    kind: ClassVar[str] = "select.union"
    title: ClassVar[str] = "Put sets together"
    computes: ClassVar[bool] = False

    sets: Annotated[tuple[ImageSetId, ...], Field(min_length=1, max_length=50, description="The sets, in any order.")]

    def run(self, work: Work) -> Iterator[Event]:
        """An image that two sets show as the same class is there once."""
        parts = [work.workspace.image_set(one) for one in self.sets]
        together = ImageSet.of("set", (member for part in parts for member in part))
        yield Note(text=f"{many(len(together), 'image')} of {many(len(parts), 'set')}.")
        yield Output(name="images", value=work.workspace.put_set(together))
