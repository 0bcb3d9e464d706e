"""No classifier may have seen a test image of its fold, nor a copy of one."""

from collections.abc import Generator, Iterable
from typing import Any

from synthstudio.artifacts import ImageSet
from synthstudio.errors import Leak
from synthstudio.events import Event, Note
from synthstudio.steps import Work
from synthstudio.steps.copies import copies_of

CHANCE = 0.01  # share of test images that a synthetic image may resemble by chance: plain pictures do


def refuse(
    work: Work, fold: int, test: ImageSet, classifiers: Iterable[dict[str, Any]], eye: str | None
) -> Generator[Event, None, set[str]]:
    """Compare the test images of a fold with every set its classifiers were trained on; Leak if one shows a test image.

    By content, by fingerprint, and by an eye whose proposals pixels confirm; any encoder can be the eye.

    Returns the test images to leave out for every arm: those a synthetic image resembles, if they are so few that it
    can be chance. A synthetic set does not name the photos it was made from; they are the shots, which the arms with
    real images name, and a test photo that came in another way shows in many of its synthetic images.
    """
    documents = list(classifiers)
    made = {body["synthetic"] for body in documents if body.get("synthetic")}
    taken = {one for body in documents for one in body["trained_on"]} - made
    tested = {member.image for member in test}
    real, synthetic = (_images(work, sets) for sets in (taken, made))
    copied = yield from copies_of(work, eye, tested, real)
    if count := len(copied.images) or len(tested & synthetic):
        raise Leak(_sentence(fold, count))
    alike, _ = yield from copies_of(work, eye, tested, synthetic)
    if len(alike) > CHANCE * len(tested):
        raise Leak(_sentence(fold, len(alike)))
    seen = f"{len(real)} real and {len(synthetic)} synthetic training images"
    yield Note(text=f"Fold {fold + 1}: {len(tested)} test images compared with {seen} {copied.how}")
    if alike:
        few = f"{len(alike)} of {len(tested)} test images look like a synthetic image"
        yield Note(text=f"Fold {fold + 1}: {few}; they are left out for every arm.", level="warning")
    return alike


def _images(work: Work, sets: Iterable[str]) -> set[str]:
    return {member.image for one in sets for member in work.workspace.image_set(one)}


def _sentence(fold: int, count: int) -> str:
    images, are = ("image", "is") if count == 1 else ("images", "are")
    return (
        f"Fold {fold + 1}: {count} test {images} {are} also among the training images, or nearly the same, so the "
        "accuracy would be too high. Split the images again with collect.split, which keeps copies on one side, and "
        "train anew."
    )
