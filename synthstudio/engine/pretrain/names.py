"""Other names of what a picture shows: ImageNet's own lists, as timm ships them, and a few for CIFAR-10."""

from __future__ import annotations

from functools import cache

from timm.data import ImageNetInfo

MORE = {
    "airplane": ("plane", "aeroplane", "aircraft"),
    "automobile": ("car",),
    "truck": ("lorry",),
    "ship": ("vessel",),
    "pay phone": ("pay-phone", "telephone booth"),
    "construction crane": ("crane",),
    "house fly": ("fly",),
    "go kart": ("go-kart",),
    "black widow spider": ("black widow",),
}


@cache
def imagenet_names() -> tuple[tuple[str, ...], ...]:
    """All names of each of ImageNet's 1,000 classes, in its order and in lower case."""
    info = ImageNetInfo()
    return tuple(
        tuple(name.strip().lower() for name in info.index_to_description(index).split(","))
        for index in range(info.num_classes())
    )


@cache
def _classes() -> dict[str, int]:
    """Each name that belongs to one class only."""
    found: dict[str, int] = {}
    shared = set()
    for index, names in enumerate(imagenet_names()):
        for name in names:
            shared |= {name} & set(found)
            found[name] = index
    return {name: index for name, index in found.items() if name not in shared}


def other_names(name: str) -> tuple[str, ...]:
    """Names that mean the same; none for a name that is unknown or means two things."""
    index = _classes().get(name)
    same = imagenet_names()[index] if index is not None else ()
    return (*MORE.get(name, ()), *(other for other in same if other != name and other in _classes()))
