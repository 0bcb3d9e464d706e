"""Neighbours of real images: noise a source, then denoise it with its label's prompt (SDEdit; Meng et al. 2021)."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import model_validator

from synthstudio.effort import Amounts, Effort
from synthstudio.events import Event
from synthstudio.sampling_terms import MixShare, StrengthByShots, Strengths, StrengthTo
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.sample import denoising
from synthstudio.steps.sample.fields import Prompted
from synthstudio.steps.sample.making import adapter_weights, make_images, names_of
from synthstudio.steps.sample.plan import LATER, Start, check_start, plan
from synthstudio.terms import ImageSetId, Strength


class Variation(Prompted, Step):
    """Synthetic neighbours of each source image; the sources of a label take turns."""

    kind: ClassVar[str] = "sample.variation"
    title: ClassVar[str] = "Make variations of the shots"
    seconds_per_unit: ClassVar[float] = 0.03  # a denoising step of one image
    later: ClassVar[frozenset[str]] = LATER | {"strength_to", "strengths", "strength_by_shots", "mix"}

    sources: ImageSetId
    strength: Strength = 0.5
    strength_to: StrengthTo = None
    strengths: Strengths = ()
    strength_by_shots: StrengthByShots = False
    mix: MixShare = 0.0

    @model_validator(mode="after")
    def _start_fits(self) -> "Variation":
        check_start(self.start)
        return self

    @property
    def rows(self) -> int:
        return self.images if self.only is None else 0

    @property
    def start(self) -> Start:
        """How much of its source each image keeps."""
        return Start(self.strength, self.strength_to, self.strengths, self.strength_by_shots, self.mix)

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        return denoising(fields, there.classes)

    def run(self, work: Work) -> Iterator[Event]:
        """Yield one image at a time; the set of all when they are complete."""
        groups = work.workspace.image_set(self.sources).by_label()
        sources = {label: [member.image for member in members] for label, members in groups.items()}
        rows = plan(self, adapter_weights(work, self), sources, self.start, names_of(work, self, self.labels))
        yield from make_images(work, self, rows, self.only)
