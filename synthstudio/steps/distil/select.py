"""distil.select: the few images of each class that stand for the rest, or their means; no optimisation."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from synthstudio.effort import Amounts, Effort
from synthstudio.events import Event
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.distil import Pool, keep_all, rules
from synthstudio.terms import ImageSetId, ModelRef, PerClass, Rule, Seed


class Select(Step):
    """Choose `images_per_class` images of each class, or average them.

    random, herding, k_center and k_means keep images as they are. class_mean and mean_latent make new ones: with one
    image per class the mean of the class, with more the means of as many clusters. Any set will do: real, synthetic,
    mixed.
    """

    kind: ClassVar[str] = "distil.select"
    title: ClassVar[str] = "Choose the small set"
    seconds_per_unit: ClassVar[float] = 0.2

    images: ImageSetId
    rule: Rule = "k_means"
    images_per_class: PerClass = 10
    backbone: ModelRef
    seed: Seed = 0

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        return Effort(int(fields["images_per_class"]) * there.classes, there.shots)

    def run(self, work: Work) -> Iterator[Event]:
        """Name the set of what is kept."""
        pool = Pool.of(work.workspace.image_set(self.images), self.images_per_class)
        chosen, new = yield from rules.carry_out(work, self.rule, pool, self.images_per_class, self.backbone, self.seed)
        yield from keep_all(work, chosen, new)
