"""Trials that were made: their settings, what their images teach, and whether these are still like the photos."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from synthstudio.errors import BadInput
from synthstudio.statistics import Interval
from synthstudio.steps.sweep.ranges import Settings
from synthstudio.terms import DIGEST, ImageSetId, ReportId
from synthstudio.workspace import Workspace

MOST_TRIALS = 100

SettingsId = Annotated[str, Field(pattern=f"^settings:{DIGEST}$", description="The settings of a trial.")]
Asked = Annotated[
    tuple[SettingsId, ...], Field(max_length=MOST_TRIALS, description="The settings of the trials so far, in order.")
]
Scored = Annotated[
    tuple[ReportId, ...], Field(max_length=MOST_TRIALS, description="What `measure.images` says of each trial.")
]
Validation = Annotated[
    ImageSetId | None, Field(description="Real photos to choose by: the validation set. Never test photos.")
]
Guard = Annotated[
    float | None,
    Field(
        ge=0, le=1000,
        description="The largest kernel distance to the photos that a trial may have; none: it must not be surely "
        "larger than that of the first trial.",
    ),
]  # fmt: skip


class Trial(NamedTuple):
    """One trial; it `passes` where its images are no farther from the photos than the guard allows."""

    settings: Settings
    teaches: Interval
    distance: Interval
    passes: bool

    def body(self) -> dict[str, Any]:
        """As JSON values."""
        return {"settings": self.settings, "teaches": list(self.teaches), "kernel_distance": list(self.distance),
                "passes": self.passes}  # fmt: skip


def read(workspace: Workspace, asked: Sequence[str], scored: Sequence[str], guard: float | None) -> list[Trial]:
    """The trials of these documents, in order; BadInput where the two lists do not belong together."""
    if len(asked) != len(scored):
        raise BadInput(f"{len(asked)} trials have {len(scored)} measurements. Name one measurement for each trial.")
    found: list[Trial] = []
    for settings, report in zip(asked, scored, strict=True):
        every = workspace.document(report)["all"]
        distance = Interval(*every["kernel_distance"])
        passes = _passes(distance, found[0].distance if found else distance, guard)
        own = workspace.document(settings)["settings"]
        found.append(Trial(own, Interval(*every["teaches"]), distance, passes))
    return found


def _passes(distance: Interval, first: Interval, guard: float | None) -> bool:
    return distance.value <= guard if guard is not None else distance.low <= first.high


def photos(validation: str | None) -> str:
    """The photos to choose by; BadInput where there are none."""
    if validation is None:
        raise BadInput(
            "There are no validation photos, and settings are not chosen on any others. Import more photos of each "
            "class, or ask for fewer shots."
        )
    return validation
