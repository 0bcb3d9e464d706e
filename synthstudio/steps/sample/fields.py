"""What is said of images in every way of drawing them from prompts."""

from typing import Self

from pydantic import BaseModel, model_validator

from synthstudio.sampling_terms import (
    Captions,
    Definitions,
    DomainShares,
    GuidanceBegin,
    GuidanceEnd,
    GuidancePerLabel,
    GuidanceTo,
    Hypernyms,
    LackId,
    LackStrength,
    MixShare,
    Only,
    Prefix,
    SamplingPrompt,
    SamplingTemplates,
    StrengthByShots,
    Strengths,
    StrengthTo,
    Vocabulary,
    WordsId,
)
from synthstudio.steps.sample.plan import (
    Start,
    check_interval,
    check_labels,
    check_lack,
    check_only,
    check_prompts,
    check_start,
)
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
    Strength,
)


class Prompted(BaseModel):
    """The fields that Steps share which draw from prompts."""

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
    lack: LackId | None = None
    lack_strength: LackStrength = 0.0
    inference_steps: InferenceSteps = 50
    sampler: Sampler = "dpm++"
    images_per_class: ImagesPerClass = 100
    adapter_scale: AdapterScale = 1.0
    words: WordsId | None = None
    resolution: Resolution = None
    seed: Seed = 0
    only: Only = None

    @model_validator(mode="after")
    def _prompts_fit(self) -> Self:
        check_prompts(self)
        check_labels(self.labels)
        check_interval(self.guidance_begin, self.guidance_end)
        check_lack(self.lack, self.lack_strength)
        check_only(self.only, self.images)
        return self

    @property
    def images(self) -> int:
        """How many images the whole plan has."""
        return len(self.labels) * self.images_per_class


class FromPhotos(BaseModel):
    """The fields that Steps share whose images start from photos."""

    strength: Strength = 0.5
    strength_to: StrengthTo = None
    strengths: Strengths = ()
    strength_by_shots: StrengthByShots = False
    mix: MixShare = 0.0

    @model_validator(mode="after")
    def _start_fits(self) -> Self:
        check_start(self.start)
        return self

    @property
    def start(self) -> Start:
        """How much of its source each image keeps."""
        return Start(self.strength, self.strength_to, self.strengths, self.strength_by_shots, self.mix)
