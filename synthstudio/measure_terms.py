"""What the measures of a set are called, which way is better, and how they are written.

The page, the command line and whatever else shows a measure reads it here; the numbers come from `measures.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

Number = tuple[float, float | None, float | None]  # value, low and high of its 95 % interval where there is one
_DIRECTIONS = {"higher": "Higher is better.", "lower": "Lower is better.", "near": ""}
_ARROWS = {"higher": "↑", "lower": "↓", "near": ""}


@dataclass(frozen=True)
class Measure:
    """One measure: its name in a report, its title, and in a sentence what it asks.

    better: `near` where the best value is that of real photos, which `about` says. share: a fraction, written in
    percent. beside: the measure of real photos it is read beside, if there is one, and what that one is called.
    brief: said wherever a set stands, not in the table alone.
    """

    name: str
    title: str
    about: str
    better: Literal["higher", "lower", "near"]
    share: bool = True
    beside: str = ""
    beside_words: str = ""
    brief: bool = False

    @property
    def help(self) -> str:
        """What it asks, and which way is better."""
        return f"{self.about} {_DIRECTIONS[self.better]}".strip()

    @property
    def heading(self) -> str:
        """The title with an arrow that says which way is better."""
        return f"{self.title} {_ARROWS[self.better]}".strip()

    def written(self, value: float) -> str:
        """A value for a reader: percent, or three figures."""
        return f"{100 * value:.0f} %" if self.share else f"{Decimal(f'{value:.3g}'):f}"

    def said(self, found: Mapping[str, Number]) -> dict[str, str]:
        """This measure of a set in words: `value`, `interval` and `beside`, each empty where there is none."""
        value, low, high = found[self.name]
        other = found.get(self.beside)
        return {
            "value": self.written(value),
            "interval": "" if low is None or high is None else f"{self.written(low)} to {self.written(high)}",
            "beside": f"{self.beside_words} {self.written(other[0])}" if other else "",
        }

    def described(self) -> dict[str, Any]:
        """This measure as JSON values."""
        return {"name": self.name, "title": self.title, "heading": self.heading, "help": self.help,
                "better": self.better, "brief": self.brief}  # fmt: skip


MEASURES = (
    Measure(
        "teaches", "Teaches",
        "How many of the real photos a linear probe names that has learnt from these images alone.", "higher",
    ),
    Measure(
        "coverage", "Coverage", "Real photos with an image near them.", "higher", brief=True,
    ),
    Measure(
        "precision", "Precision", "Images that look like real photos.", "higher", brief=True,
    ),
    Measure(
        "recall", "Recall", "Real photos that the images reach.", "higher",
    ),
    Measure(
        "density", "Density", "How crowded the images are where real photos are. About 1 is like real photos.", "near",
        share=False,
    ),
    Measure(
        "vendi", "Diversity", "Vendi score: as many different images as this. Compare it with that of the real photos.",
        "near", share=False, beside="vendi_real", beside_words="real photos", brief=True,
    ),
    Measure(
        "new", "New",
        "Images farther from every photo than photos are from each other. Compare it with what new photos would reach; "
        "far below, there are copies.", "near", beside="new_expected", beside_words="new photos", brief=True,
    ),
    Measure(
        "kernel_distance", "Distance",
        "Kernel distance between the two sets as the eye sees them. 0: drawn from the same.", "lower", share=False,
        brief=True,
    ),
    Measure(
        "told_apart", "Told apart", "How often a probe tells images from photos. 50 % is chance.", "lower",
    ),
)  # fmt: skip
SIZE_MATTERS = (
    "A larger set covers, reaches and varies more by its size alone: compare sets of about the same number of images."
)


def as_numbers(found: Mapping[str, Any]) -> dict[str, Number]:
    """Every measure of a report as value, low and high; where there is no interval both ends are missing."""
    return {
        name: (float(said[0]), float(said[1]), float(said[2])) if isinstance(said, list) else (float(said), None, None)
        for name, said in found.items()
    }
