"""Neighbours of real images: noise a source, then denoise it with its label's prompt (SDEdit; Meng et al. 2021)."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import model_validator

from synthstudio.events import Event
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.sample.making import adapter_weights, make_images
from synthstudio.steps.sample.plan import check_domains, check_labels, plan
from synthstudio.terms import (
    AdapterId,
    AdapterScale,
    Domains,
    GuidanceScale,
    ImageSetId,
    ImagesPerClass,
    InferenceSteps,
    Labels,
    ModelRef,
    NegativePrompt,
    Prompt,
    Resolution,
    Sampler,
    Seed,
    Strength,
)


class Variation(Step):
    """Synthetic neighbours of each source image; the sources of a label take turns."""

    kind: ClassVar[str] = "sample.variation"

    backbone: ModelRef
    adapter: AdapterId | None = None
    sources: ImageSetId
    labels: Labels
    prompt: Prompt = "a photo of a {label}"
    domains: Domains = ()
    negative_prompt: NegativePrompt = ""
    strength: Strength = 0.5
    guidance_scale: GuidanceScale = 2.0
    inference_steps: InferenceSteps = 50
    sampler: Sampler = "dpm++"
    images_per_class: ImagesPerClass = 100
    adapter_scale: AdapterScale = 1.0
    resolution: Resolution = None
    seed: Seed = 0

    @model_validator(mode="after")
    def _fits(self) -> "Variation":
        check_domains(self.prompt, self.domains)
        check_labels(self.labels)
        return self

    @property
    def rows(self) -> int:
        return len(self.labels) * self.images_per_class

    def run(self, work: Work) -> Iterator[Event]:
        """Yield one image at a time; the set of all when they are complete."""
        groups = work.workspace.image_set(self.sources).by_label()
        sources = {label: [member.image for member in members] for label, members in groups.items()}
        yield from make_images(work, self, plan(self, adapter_weights(work, self), sources, self.strength))
