"""Which images are copies of others: the same bytes, or the same picture stored another way."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from synthstudio.steps import Work

if TYPE_CHECKING:
    from synthstudio.fingerprint import Vector


def copies_of(work: Work, images: Iterable[str], originals: Iterable[str]) -> set[str]:
    """Those of `images` that show one of the `originals`, by content or by fingerprint."""
    from synthstudio.fingerprint import near_duplicates

    asked, known = sorted(set(images)), sorted(set(originals))
    near = near_duplicates(_fingerprints(work, asked), _fingerprints(work, known))
    return (set(asked) & set(known)) | {asked[i] for i, _ in near}


def _fingerprints(work: Work, images: list[str]) -> "list[Vector]":
    from synthstudio.fingerprint import fingerprint

    kept = cast("dict[str, Vector]", work.load("fingerprints", dict))
    for image in images:
        if image not in kept:
            kept[image] = fingerprint(work.workspace.get(image))
    return [kept[image] for image in images]
