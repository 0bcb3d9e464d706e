"""distil.prototypes: the middle of every cluster of a class, drawn again by the backbone."""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import model_validator

from synthstudio.effort import Amounts, Effort
from synthstudio.events import Event, Made, Progress
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.distil import Pool
from synthstudio.steps.distil.latents import decoded, encoded
from synthstudio.steps.sample.making import adapter_weights, make_images, names_of
from synthstudio.steps.sample.plan import plan
from synthstudio.steps.sample.wording import check_domains
from synthstudio.terms import (
    AdapterId,
    AdapterScale,
    Domains,
    GuidanceScale,
    ImageSetId,
    InferenceSteps,
    ModelRef,
    NegativePrompt,
    PerClass,
    Prompt,
    Resolution,
    Sampler,
    Seed,
    Strength,
)


class Prototypes(Step):
    """k-means in the latents of the backbone, then a variation of each centre with its class's prompt.

    D4M (Su et al. 2024) with hard labels. A centre is a mean of latents and blurred; it is decoded and then noised by
    `strength` and denoised like any source of `sample.variation`, which gives it detail again. Any set will do: real,
    synthetic, mixed.
    """

    kind: ClassVar[str] = "distil.prototypes"
    title: ClassVar[str] = "Draw prototypes from the clusters"
    seconds_per_unit: ClassVar[float] = 0.2
    words: ClassVar[str | None] = None
    guidance_begin: ClassVar[float] = 0.0
    guidance_end: ClassVar[float] = 1.0
    lack: ClassVar[None] = None
    lack_strength: ClassVar[float] = 0.0

    backbone: ModelRef
    adapter: AdapterId | None = None
    images: ImageSetId
    images_per_class: PerClass = 10
    prompt: Prompt = "a photo of a {label}"
    domains: Domains = ()
    negative_prompt: NegativePrompt = ""
    strength: Strength = 0.7
    guidance_scale: GuidanceScale = 4.0
    inference_steps: InferenceSteps = 30
    sampler: Sampler = "dpm++"
    adapter_scale: AdapterScale = 1.0
    resolution: Resolution = None
    seed: Seed = 0

    @model_validator(mode="after")
    def _fits(self) -> "Prototypes":
        check_domains((self.prompt,), self.domains)
        return self

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        return Effort.once(int(fields["images_per_class"]) * there.classes)

    def run(self, work: Work) -> Iterator[Event]:
        """Find the centres, then make one image of each."""
        pool = Pool.of(work.workspace.image_set(self.images), self.images_per_class)
        centres = yield from self._centres(work, pool)
        asked = _Plan(self, pool.labels)
        rows = plan(asked, adapter_weights(work, self), centres, self.strength, names_of(work, self, pool.labels))
        for event in make_images(work, self, rows):
            if isinstance(event, Made):
                # The centre is a picture of nobody: it is stored, but it is not an image of the catalog.
                made = {**event.image.made, "parent": None, "prototype": event.image.made["parent"]}
                made |= {"method": "prototypes", "networks": []}
                yield _distilled(event, made)
            else:
                yield event

    def _centres(self, work: Work, pool: Pool) -> Generator[Progress, None, dict[str, list[str]]]:
        """The stored picture of every centre, by label."""
        from synthstudio.engine.distil import few

        latents = yield from encoded(work, self.backbone, pool.images)
        means = few.mean_latents(latents, pool.places, self.images_per_class, self.seed)
        files = decoded(work, self.backbone, means)
        digests = [work.workspace.put(file) for file in files]
        each = self.images_per_class
        return {label: digests[n * each : (n + 1) * each] for n, label in enumerate(pool.labels)}


class _Plan:
    """The step as `plan` reads it: the labels come from the pool, and nothing is drawn."""

    templates = vocabulary = captions = hypernyms = definitions = domain_shares = guidance_per_label = ()
    prefix, guidance_to = "", None

    def __init__(self, step: Prototypes, labels: tuple[str, ...]) -> None:
        self.labels = labels
        self.prompt, self.domains, self.negative_prompt = step.prompt, step.domains, step.negative_prompt
        self.guidance_scale, self.images_per_class, self.seed = step.guidance_scale, step.images_per_class, step.seed


def _distilled(event: Made, made: dict[str, object]) -> Made:
    """The same event about a distilled image."""
    return Made(index=event.index, image=replace(event.image, origin="distilled", made=made))
