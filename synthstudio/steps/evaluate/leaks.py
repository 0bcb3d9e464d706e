"""No classifier may have seen a test image of its fold, nor a copy of one."""

from collections.abc import Iterable, Iterator
from typing import Any

from synthstudio.artifacts import ImageSet
from synthstudio.errors import Leak
from synthstudio.events import Event, Note
from synthstudio.steps.copies import copies_of
from synthstudio.workspace import Workspace


def refuse(workspace: Workspace, fold: int, test: ImageSet, classifiers: Iterable[dict[str, Any]]) -> Iterator[Event]:
    """Compare the test images of a fold with every set its classifiers were trained on; Leak if one shows a test image.

    A synthetic set does not name the photos it was made from. They are the shots, which the arms with real images name;
    and a copy of a test photo that came in another way shows in the synthetic images themselves.
    """
    sets = sorted({one for body in classifiers for one in body["trained_on"]})
    trained = {member.image for one in sets for member in workspace.image_set(one)}
    tested = {member.image for member in test}
    if count := len(copies_of(workspace, tested, trained)):
        raise Leak(_sentence(fold, count))
    text = f"Fold {fold}: no copy of the {len(tested)} test images is among the {len(trained)} training images."
    yield Note(text=text)


def _sentence(fold: int, count: int) -> str:
    images, are = ("image", "is") if count == 1 else ("images", "are")
    return (
        f"Fold {fold}: {count} test {images} {are} also among the training images, or nearly the same, so the accuracy "
        "would be too high. Split the images again with collect.split, which keeps copies on one side, and train anew."
    )
