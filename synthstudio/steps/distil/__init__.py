"""Small sets that teach: chosen, averaged, tiled, drawn from prototypes, or matched.

What an image says of its making (`made`) is what the judge reads: `method` is its name in the table, `networks` the
architectures the method has looked at, `encoder` the encoder it has looked through, if any.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from synthstudio.artifacts import Image, ImageSet, Member
from synthstudio.errors import BadInput
from synthstudio.events import Made, Output
from synthstudio.steps import Work


@dataclass(frozen=True)
class Pool:
    """The images a small set is made from: one row each, classes in order."""

    labels: tuple[str, ...]
    images: tuple[str, ...]
    places: tuple[int, ...]

    @classmethod
    def of(cls, images: ImageSet, per_class: int = 1) -> "Pool":
        """From a set. BadInput with fewer than two classes, or if a class has fewer images than asked for."""
        groups = images.by_label()
        if len(groups) < 2:
            raise BadInput("A small set that teaches needs at least two classes. Choose a set with more of them.")
        for label, members in groups.items():
            if len(members) < per_class:
                raise BadInput(
                    f"{per_class} images per class were asked for, but {label!r} has {len(members)}. "
                    "Ask for fewer, or add images."
                )
        labels = images.labels
        return cls(labels, tuple(m.image for m in images), tuple(labels.index(m.label) for m in images))

    def members(self, rows: Sequence[int]) -> list[Member]:
        """Some rows as members of a set."""
        return [Member(self.labels[self.places[row]], self.images[row]) for row in rows]


@dataclass(frozen=True)
class New:
    """A picture with pixels of its own: its file, its class and side, and what its maker knows of it."""

    file: bytes
    label: str
    side: int
    made: dict[str, Any]


def keep_all(work: Work, chosen: Sequence[Member], new: Sequence[New]) -> Iterator[Made | Output]:
    """Say every new picture, then the set of all; a chosen image stays the image it was."""
    members = list(chosen)
    for index, one in enumerate(new):
        digest = work.workspace.put(one.file)
        if index not in work.done:
            yield Made(index=index, image=Image(digest, one.label, "distilled", one.side, one.side, one.made))
        members.append(Member(one.label, digest))
    yield Output(name="images", value=work.workspace.put_set(ImageSet.of("set", members)))
