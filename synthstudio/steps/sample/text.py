"""Images from words alone, with or without an adapter."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from synthstudio.effort import Amounts, Effort
from synthstudio.events import Event
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.sample import denoising
from synthstudio.steps.sample.fields import Prompted
from synthstudio.steps.sample.making import adapter_weights, make_images, names_of
from synthstudio.steps.sample.plan import LATER, Plan, plan


class Text(Prompted, Step):
    """Synthetic images of each label from its prompt."""

    kind: ClassVar[str] = "sample.text"
    title: ClassVar[str] = "Make images from prompts"
    seconds_per_unit: ClassVar[float] = 0.03  # a denoising step of one image
    later: ClassVar[frozenset[str]] = LATER

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
        return plan(self, adapter_weights(work, self), names=names_of(work, self, self.labels))
