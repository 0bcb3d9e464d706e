"""Neighbours of real images: noise a source, then denoise it with its label's prompt (SDEdit; Meng et al. 2021)."""

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
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.sample import denoising
from synthstudio.steps.sample.making import adapter_weights, make_images, names_of
from synthstudio.steps.sample.plan import (
    LATER,
    Start,
    check_interval,
    check_labels,
    check_only,
    check_prompts,
    check_start,
    plan,
)
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
    Resolution,
    Sampler,
    Seed,
    Strength,
)


class Variation(Step):
    """Synthetic neighbours of each source image; the sources of a label take turns."""

    kind: ClassVar[str] = "sample.variation"
    title: ClassVar[str] = "Make variations of the shots"
    seconds_per_unit: ClassVar[float] = 0.03  # a denoising step of one image
    later: ClassVar[frozenset[str]] = LATER | {"strength_to", "strengths", "strength_by_shots", "mix"}

    backbone: ModelRef
    adapter: AdapterId | None = None
    sources: ImageSetId
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
    strength: Strength = 0.5
    strength_to: StrengthTo = None
    strengths: Strengths = ()
    strength_by_shots: StrengthByShots = False
    mix: MixShare = 0.0
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
    def _fits(self) -> "Variation":
        check_prompts(self)
        check_labels(self.labels)
        check_interval(self.guidance_begin, self.guidance_end)
        check_only(self.only, len(self.labels) * self.images_per_class)
        check_start(self.start)
        return self

    @property
    def rows(self) -> int:
        return len(self.labels) * self.images_per_class if self.only is None else 0

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
