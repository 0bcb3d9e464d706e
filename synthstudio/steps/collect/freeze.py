"""collect.freeze: what a person chose while reviewing, as a set that other steps can use."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput
from synthstudio.events import Event, Note, Output
from synthstudio.step import Step
from synthstudio.steps import Work

SelectionId = Annotated[
    str,
    Field(pattern="^selection:[0-9a-f]{64}$", description="A filter, and the decisions and classes it found."),
]


class Freeze(Step):
    """Freeze a reviewed selection.

    The selection is a document: the filter, the number of the last decision it saw, and every chosen image with its
    class and verdict. It is named by digest, so the step says exactly which filter over which decisions gave the set.
    """

    kind: ClassVar[str] = "collect.freeze"
    title: ClassVar[str] = "Freeze the selection"
    computes: ClassVar[bool] = False

    selection: SelectionId

    def run(self, work: Work) -> Iterator[Event]:
        """Name the set."""
        document = work.workspace.document(self.selection)
        if not document["members"]:
            raise BadInput("The selection is empty. Accept some images first, or choose another filter.")
        frozen = ImageSet.of("set", (Member(label, image) for label, image, _ in document["members"]))
        yield Note(text=f"{len(frozen)} images in {len(frozen.labels)} classes: {document['sentence']}")
        yield Output(name="images", value=work.workspace.put_set(frozen))
        yield Output(name="labels", value=list(frozen.labels))
        yield Output(name="counts", value={label: len(rows) for label, rows in frozen.by_label().items()})
