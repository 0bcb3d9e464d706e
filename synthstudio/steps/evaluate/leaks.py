"""No classifier may have seen a test image of its fold, nor a copy of one."""

from collections.abc import Iterable, Iterator
from typing import Any

from synthstudio.artifacts import ImageSet
from synthstudio.errors import Leak
from synthstudio.events import Event, Note
from synthstudio.workspace import Workspace


def refuse(workspace: Workspace, fold: int, test: ImageSet, classifiers: Iterable[dict[str, Any]]) -> Iterator[Event]:
    """Compare the test images with everything the classifiers were trained on; Leak if one is among it."""
    sets = sorted({one for body in classifiers for one in body["trained_on"]})
    trained = {member.image for one in sets for member in workspace.image_set(one)}
    tested = {member.image for member in test}
    if same := trained & tested:
        raise Leak(_sentence(fold, len(same), "among the training images"))
    yield Note(text=f"Fold {fold}: none of {len(tested)} test images is among {len(trained)} training images.")


def _sentence(fold: int, count: int, where: str) -> str:
    images, are = ("image", "is") if count == 1 else ("images", "are")
    return (
        f"Fold {fold}: {count} test {images} {are} {where}, so the accuracy would be too high. "
        "Remove the copies from the imported images and run collect.split again."
    )
