"""Images from words alone, with or without an adapter."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import model_validator

from synthstudio.effort import Amounts, Effort
from synthstudio.events import Event
from synthstudio.sampling_terms import (
    Captions,
    Definitions,
    DomainShares,
    GuidanceBegin,
    GuidanceEnd,
    GuidancePerLabel,
    GuidanceTo,
    Hypernyms,
    Only,
    Prefix,
    SamplingPrompt,
    SamplingTemplates,
    Vocabulary,
    WordsId,
)
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.sample import denoising
from synthstudio.steps.sample.making import adapter_weights, make_images, names_of
from synthstudio.steps.sample.plan import LATER, check_interval, check_labels, check_only, check_prompts, plan
from synthstudio.terms import (
    AdapterId,
    AdapterScale,
    Domains,
    GuidanceScale,
    ImagesPerClass,
    InferenceSteps,
    Labels,
    ModelRef,
    NegativePrompt,
    Resolution,
    Sampler,
    Seed,
)


class Text(Step):
    """Synthetic images of each label from its prompt."""

    kind: ClassVar[str] = "sample.text"
    title: ClassVar[str] = "Make images from prompts"
    seconds_per_unit: ClassVar[float] = 0.03  # a denoising step of one image
    later: ClassVar[frozenset[str]] = LATER

    backbone: ModelRef
    adapter: AdapterId | None = None
    labels: Labels
    prompt: SamplingPrompt = "a photo of a {label}"
    templates: SamplingTemplates = ()
    prefix: Prefix = ""
    vocabulary: Vocabulary = ()
    captions: Captions = ()
    hypernyms: Hypernyms = ()
    definitions: Definitions = ()
    domains: Domains = ()
    domain_shares: DomainShares = ()
    negative_prompt: NegativePrompt = ""
    guidance_scale: GuidanceScale = 2.0
    guidance_to: GuidanceTo = None
    guidance_begin: GuidanceBegin = 0.0
    guidance_end: GuidanceEnd = 1.0
    guidance_per_label: GuidancePerLabel = ()
    inference_steps: InferenceSteps = 50
    sampler: Sampler = "dpm++"
    images_per_class: ImagesPerClass = 100
    adapter_scale: AdapterScale = 1.0
    words: WordsId | None = None
    resolution: Resolution = None
    seed: Seed = 0
    only: Only = None

    @model_validator(mode="after")
    def _fits(self) -> "Text":
        check_prompts(self)
        check_labels(self.labels)
        check_interval(self.guidance_begin, self.guidance_end)
        check_only(self.only, len(self.labels) * self.images_per_class)
        return self

    @property
    def rows(self) -> int:
        return len(self.labels) * self.images_per_class if self.only is None else 0

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        return denoising(fields, there.classes)

    def run(self, work: Work) -> Iterator[Event]:
        """Yield one image at a time; the set of all when they are complete."""
        rows = plan(self, adapter_weights(work, self), names=names_of(work, self, self.labels))
        yield from make_images(work, self, rows, self.only)
