"""Neighbours of real images: noise a source, then denoise it with its label's prompt (SDEdit; Meng et al. 2021)."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from synthstudio.effort import Amounts, Effort
from synthstudio.events import Event
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.sample import denoising
from synthstudio.steps.sample.fields import FromPhotos, Prompted
from synthstudio.steps.sample.making import adapter_weights, make_images, names_of
from synthstudio.steps.sample.plan import LATER, Plan, plan
from synthstudio.terms import ImageSetId


class Variation(FromPhotos, Prompted, Step):
    """Synthetic neighbours of each source image; the sources of a label take turns."""

    kind: ClassVar[str] = "sample.variation"
    title: ClassVar[str] = "Make variations of the shots"
    seconds_per_unit: ClassVar[float] = 0.03  # a denoising step of one image
    later: ClassVar[frozenset[str]] = LATER | {"strength_to", "strengths", "strength_by_shots", "mix"}

    sources: ImageSetId

    @property
    def rows(self) -> int:
        return self.images if self.only is None else 0

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        return denoising(fields, there.classes)

    def run(self, work: Work) -> Iterator[Event]:
        """Yield one image at a time; the set of all when they are complete."""
        yield from make_images(work, self, self.plan(work), self.only)

    def plan(self, work: Work) -> Plan:
        """One row per image."""
        groups = work.workspace.image_set(self.sources).by_label()
        sources = {label: [member.image for member in members] for label, members in groups.items()}
        return plan(self, adapter_weights(work, self), sources, self.start, names_of(work, self, self.labels))
