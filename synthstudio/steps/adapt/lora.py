"""DataDream: fit an adapter of a text-to-image model to the shots, one for all classes or one per class."""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, model_validator

from synthstudio.artifacts import Member
from synthstudio.effort import Amounts, Effort
from synthstudio.events import Event, Note, Output
from synthstudio.modelfolder import STABLE_DIFFUSION
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.adapt import previews, updates
from synthstudio.steps.adapt.fitting import Fit, Result, counted, family_of, fit_all, groups_of
from synthstudio.terms import (
    Alpha,
    Crop,
    Diversity,
    Epochs,
    ImageSetId,
    LearningRate,
    Method,
    MinSnrGamma,
    ModelRef,
    Prompt,
    PromptDropout,
    Rank,
    Representativeness,
    Resolution,
    Scope,
    Seed,
    Targets,
    TrainingBatch,
    TrainingSteps,
    WarmupSteps,
    WeightDecay,
    fill,
)

if TYPE_CHECKING:
    from synthstudio.engine.backbones import Backbone


class Lora(Step):
    """An adapter of UNet and text encoder, LoRA unless said otherwise, trained on the shots (Kim et al. 2024).

    arXiv:2407.10910. Version 1 knew no `method`; what it stored was LoRA, and is trained to the same bytes.
    """

    kind: ClassVar[str] = "adapt.lora"
    title: ClassVar[str] = "Adapt the model to the shots"
    seconds_per_unit: ClassVar[float] = 0.02  # a photo shown to the optimiser
    version: ClassVar[int] = 2

    backbone: ModelRef
    images: ImageSetId
    method: Method = "lora"
    scope: Scope = "dset"
    prompt: Prompt = "a photo of a {label}"
    rank: Rank = 16
    alpha: Alpha = 16
    train_text_encoder: Annotated[bool, Field(description="Adapt the text encoder too, as the paper does.")] = True
    targets: Targets = "attention"
    training_steps: TrainingSteps = None
    epochs: Epochs = 200
    learning_rate: LearningRate = 1e-4
    batch_size: TrainingBatch = 8
    warmup_steps: WarmupSteps = 100
    weight_decay: WeightDecay = 1e-2
    crop: Crop = "random"
    resolution: Resolution = None
    prompt_dropout: PromptDropout = 0.0
    min_snr_gamma: MinSnrGamma = None
    representativeness: Representativeness = 0.0
    diversity: Diversity = 0.0
    seed: Seed = 0

    @classmethod
    def upgrade(cls, fields: dict[str, Any], version: int) -> dict[str, Any]:
        """Before version 2 every adapter was a LoRA."""
        return fields if version >= 2 else {**fields, "method": "lora"}

    @model_validator(mode="after")
    def _blocks(self) -> "Lora":
        if self.method == "oft" and self.rank == 1:
            raise ValueError("a block of one cannot be rotated; give OFT a rank of at least 2")
        return self

    @model_validator(mode="after")
    def _no_domain(self) -> "Lora":
        if "{domain}" in self.prompt:
            raise ValueError("the shots have no domain; take {domain} out of the prompt")
        return self

    def updates(self, images: int) -> int:
        """Optimiser updates for an adapter fitted to this many images."""
        return self.training_steps or ceil(self.epochs * ceil(images / self.batch_size))

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        return updates(fields, there.shots)

    def run(self, work: Work) -> Iterator[Event]:
        """Yield progress with the losses; the adapter when every class is done. A stop keeps what is trained."""
        groups = groups_of(work, self, self.scope)
        fits = [Fit(self, label, members, self._recipe(len(members)), _prompts(self, members))
                for label, members in groups.items()]  # fmt: skip
        shown = previews.Previews(work.scratch / previews.FOLDER, self.prompt, self.resolution)
        finished = yield from fit_all(work, fits, shown)
        family = family_of(finished)
        if self.train_text_encoder and not family.adapts_words():
            yield Note(text=f"Adapters of {family.name} change its denoiser alone; its text encoder stays as it was.")
        document = _document(self, groups, finished, family)
        yield Output(name="adapter", value=work.workspace.put_document("adapter", document))

    def _recipe(self, images: int) -> dict[str, Any]:
        same = ("rank", "alpha", "targets", "method", "learning_rate", "batch_size", "warmup_steps", "weight_decay",
                "prompt_dropout", "min_snr_gamma", "representativeness", "diversity", "seed")  # fmt: skip
        fields = {name: getattr(self, name) for name in same}
        return {**fields, "steps": self.updates(images), "text_encoder": self.train_text_encoder}


def _prompts(step: Lora, members: Sequence[Member]) -> dict[str, tuple[str, ...]]:
    return {member.label: (fill(step.prompt, member.label),) for member in members}


def _document(
    step: Lora, groups: dict[str, list[Member]], finished: dict[str, Result], family: "type[Backbone]"
) -> dict[str, object]:
    """What the adapter is, for sampling, export and provenance."""
    return {
        "backbone": step.backbone,
        "scope": step.scope,
        **({} if step.method == "lora" else {"method": step.method}),  # a LoRA keeps the digest it had in version 1
        **({} if family.pipeline == STABLE_DIFFUSION else {"pipeline": family.pipeline}),  # likewise
        "rank": step.rank,
        "alpha": step.alpha,
        "targets": step.targets,
        "prompt": step.prompt,
        "resolution": step.resolution,
        "images": step.images,
        "images_per_label": counted(groups),
        "weights": {label: one.weights for label, one in finished.items()},
        "training": {
            "steps": {label: step.updates(len(members)) for label, members in groups.items()},
            "learning_rate": step.learning_rate,
            "batch_size": step.batch_size,
            "train_text_encoder": step.train_text_encoder and family.adapts_words(),
            "representativeness": step.representativeness,
            "diversity": step.diversity,
            "seed": step.seed,
            "probe_loss_before": {label: one.before for label, one in finished.items()},
            "probe_loss_after": {label: one.after for label, one in finished.items()},
        },
    }
