"""How much work a Step is, told before it is done: an estimate multiplies it by seconds."""

from collections.abc import Mapping
from typing import Any, NamedTuple

# A network takes as long for few pixels as for so many millions of pixels times channels.
_LEAST_SHOWN = 0.5


class Amounts(NamedTuple):
    """What there will be for a Step, as far as anybody can know."""

    photos: int  # of the data
    classes: int
    shots: int  # photos a method learns from, all classes together
    made: int = 0  # images that were made before, by the Step that makes most
    taught: int = 0  # images that a training is given, where somebody counted them; else 0
    folds: int = 1


class Effort(NamedTuple):
    """`units`: what time is proportional to; `progress`: what a run of the Step counts until its end."""

    units: float
    progress: float

    @classmethod
    def once(cls, things: float) -> "Effort":
        """Each of so many things is taken once, and that is what the run counts."""
        return cls(things, things)


def shown(fields: Mapping[str, Any], images: float) -> float:
    """Millions of pixels times channels that a small network of these fields is shown with so many images."""
    return images * int(fields["image_size"]) ** 2 * int(fields["width"]) / 1e6 + _LEAST_SHOWN
