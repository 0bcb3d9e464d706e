"""Images from the vectors of inverted photos: near them, between them, with noise (Zhou et al. 2023)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import model_validator

from synthstudio.effort import Amounts, Effort
from synthstudio.errors import BadInput
from synthstudio.events import Event
from synthstudio.sampling_terms import GuidanceBegin, GuidanceEnd, GuidanceTo, Interpolation, VectorNoise
from synthstudio.seeds import derived_seed, luck
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.sample import denoising
from synthstudio.steps.sample.making import inverted_photos, make_images
from synthstudio.steps.sample.plan import (
    Between,
    Counted,
    Row,
    Rows,
    check_guidance,
    check_interval,
    check_labels,
    drawn_guidance,
)
from synthstudio.terms import (
    AdapterId,
    GuidanceScale,
    ImagesPerClass,
    InferenceSteps,
    Labels,
    ModelRef,
    Resolution,
    Sampler,
    Seed,
)


class Vectors(Step):
    """Synthetic images of each label from the vectors of its photos, which take turns (Diffusion Inversion).

    Guidance leads away from the mean of all vectors. A partner is another photo of the same label; a label of one photo
    has none, so that only noise sets its images apart.
    """

    kind: ClassVar[str] = "sample.vectors"
    title: ClassVar[str] = "Make images from the vectors of the shots"
    seconds_per_unit: ClassVar[float] = 0.03  # a denoising step of one image
    adapter_scale: ClassVar[float] = 1.0
    words: ClassVar[None] = None
    lack: ClassVar[None] = None
    lack_strength: ClassVar[float] = 0.0

    backbone: ModelRef
    adapter: AdapterId
    labels: Labels
    interpolation: Interpolation = 0.1
    vector_noise: VectorNoise = 0.1
    guidance_scale: GuidanceScale = 2.0
    guidance_to: GuidanceTo = None
    guidance_begin: GuidanceBegin = 0.0
    guidance_end: GuidanceEnd = 1.0
    inference_steps: InferenceSteps = 100
    sampler: Sampler = "dpm++"
    images_per_class: ImagesPerClass = 100
    resolution: Resolution = None
    seed: Seed = 0

    @model_validator(mode="after")
    def _fits(self) -> "Vectors":
        check_labels(self.labels)
        check_interval(self.guidance_begin, self.guidance_end)
        check_guidance(self.guidance_scale, self.guidance_to)
        return self

    @property
    def rows(self) -> int:
        return len(self.labels) * self.images_per_class

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        return denoising(fields, there.classes)

    def run(self, work: Work) -> Iterator[Event]:
        """Yield one image at a time; the set of all when they are complete."""
        yield from make_images(work, self, _Plan.of(self, inverted_photos(work.workspace, self)))


@dataclass(frozen=True)
class _Plan(Rows):
    """The rows of a step."""

    step: Vectors
    photos: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, step: Vectors, photos: Mapping[str, Sequence[str]]) -> "_Plan":
        """BadInput if a label has no inverted photo."""
        for label in step.labels:
            if not photos.get(label):
                raise BadInput(
                    f"No photo of {label!r} was inverted; there are vectors for {', '.join(sorted(photos))}."
                )
        return cls(step, photos)

    @property
    def counts(self) -> Counted:
        """See `Rows.counts`."""
        return self.step

    def row(self, index: int) -> Row:
        """See `Rows.row`."""
        place, number = divmod(index, self.step.images_per_class)
        step, label = self.step, self.step.labels[place]
        seed = derived_seed(step.seed, label, number)
        return Row(
            index=index,
            label=label,
            prompt="",
            negative_prompt="",
            seed=seed,
            guidance_scale=drawn_guidance(seed, step.guidance_scale, step.guidance_to),
            between=self._between(self.photos[label], number, luck(seed, "partner")),
        )

    def _between(self, photos: Sequence[str], number: int, chance: float) -> Between:
        """A photo in its turn, and a partner that is another one."""
        photo, others = number % len(photos), len(photos) - 1
        partner = photos[(photo + 1 + int(chance * others)) % len(photos)]
        share = self.step.interpolation if others else 0.0
        return Between(photos[photo], partner if share else None, share, self.step.vector_noise)
