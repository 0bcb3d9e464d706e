"""Test images stay untouched: what is asked for is refused where something could learn from one, directly or not."""

import re
from collections.abc import Iterable, Sequence

from synthstudio.catalog.images import Images
from synthstudio.errors import Leak
from synthstudio.jobs.keeping.wholeness import strings
from synthstudio.step import Step

_ARTIFACT = re.compile("[a-z]+:[0-9a-f]{64}")
_MAY_NAME_TEST = ("evaluate.", "export.", "collect.")


def refuse(images: Images, step: Step) -> None:
    """No step may learn from a test image; one that names its test set may not name what learned from it."""
    named = [value for value in strings(step.fields) if _ARTIFACT.fullmatch(value)]
    test = step.fields.get("test")
    if not step.kind.startswith(_MAY_NAME_TEST):
        refuse_test_images(images, step.kind, named)
    elif test is not None:
        refuse_taught(images, step.kind, named, (test,))


def refuse_test_images(images: Images, what: str, named: Sequence[str]) -> None:
    """Leak if a set among `named` holds a test image of the project, or the maker of what is in it met one."""
    found = images.test_images_in([one for one in named if one.startswith("set:")])
    if found:
        raise Leak(
            f"{what} was given {len(found)} images that are in a test set of this project "
            f"(the first: {found[0][1][:12]}). Test images stay untouched: keep one split per project, "
            "or start a new project with --project."
        )
    refuse_taught(images, what, named)


def refuse_taught(images: Images, what: str, named: Iterable[str], tests: Sequence[str] = ()) -> None:
    """Leak if the maker of an image or of weights among `named` looked at a photo of one of these test sets, or of
    any: it may come from another fold, or from a split of before.
    """
    behind = sorted(images.sets_behind(named))
    taught = {image for _, image in images.test_images_in(behind, tests)}
    if taught:
        raise Leak(
            f"{what} was given images or weights whose maker looked at {len(taught)} test photos that they would "
            f"meet (the first: {min(taught)[:12]}). Use what was made from the shots of that very split."
        )
