"""Textual inversion: for every class a word that the frozen model learns from the shots."""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, model_validator

from synthstudio.artifacts import Member
from synthstudio.effort import Amounts, Effort
from synthstudio.events import Event, Output
from synthstudio.modelfolder import STABLE_DIFFUSION
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.adapt import previews, updates
from synthstudio.steps.adapt.fitting import Fit, Result, counted, family_of, fit_all, groups_of
from synthstudio.terms import (
    TEXTUAL_INVERSION,
    Crop,
    Epochs,
    ImageSetId,
    InitialWord,
    LearningRate,
    ModelRef,
    Prompt,
    Resolution,
    Seed,
    Templates,
    TrainingBatch,
    TrainingSteps,
    Vectors,
    WarmupSteps,
    WeightDecay,
    fill,
)
from synthstudio.workspace import slug

if TYPE_CHECKING:
    from synthstudio.engine.backbones import Backbone


class TextualInversion(Step):
    """A word for every class, learned from its shots by a frozen model (Gal et al. 2022, arXiv:2208.01618).

    As DA-Fusion uses it (Trabucco et al. 2023, arXiv:2302.07944), whose rate of 2e-3 stays; here it falls along a
    cosine and gradients are clipped, as for every adapter.
    """

    kind: ClassVar[str] = "adapt.textual_inversion"
    title: ClassVar[str] = "Learn a word for every class"
    seconds_per_unit: ClassVar[float] = 0.02  # a photo shown to the optimiser

    backbone: ModelRef
    images: ImageSetId
    vectors: Vectors = 1
    initial_word: InitialWord = "the"
    name_free: Annotated[
        bool,
        Field(
            description="Prompts say the learned word in the place of the class name, so that nothing the model knows "
            "of the name can help; off: before the name."
        ),
    ] = True
    prompt: Prompt = "a photo of a {label}"
    templates: Templates = ()
    training_steps: TrainingSteps = None
    epochs: Epochs = 250
    learning_rate: LearningRate = 2e-3
    batch_size: TrainingBatch = 4
    warmup_steps: WarmupSteps = 0
    weight_decay: WeightDecay = 1e-2
    crop: Crop = "random"
    resolution: Resolution = None
    seed: Seed = 0

    @model_validator(mode="after")
    def _no_domain(self) -> "TextualInversion":
        if any("{domain}" in one for one in (self.prompt, *self.templates)):
            raise ValueError("the shots have no domain; take {domain} out of the prompts")
        return self

    def updates(self, images: int) -> int:
        """Optimiser updates for a word learned from this many images."""
        return self.training_steps or ceil(self.epochs * ceil(images / self.batch_size))

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        return updates(fields, there.shots)

    def run(self, work: Work) -> Iterator[Event]:
        """Yield progress with the losses; the words when every class has one. A stop keeps what is trained."""
        groups = groups_of(work, self, "cls")
        names = {label: self.said(label) for label in groups}
        fits = [self._fit(label, members, names[label]) for label, members in groups.items()]
        shown = previews.Previews(work.scratch / previews.FOLDER, self.prompt, self.resolution, names)
        finished = yield from fit_all(work, fits, shown)
        document = _document(self, groups, names, finished, family_of(finished))
        yield Output(name="adapter", value=work.workspace.put_document("adapter", document))

    def said(self, label: str) -> str:
        """What prompts say of a class."""
        return word_of(label) if self.name_free else f"{word_of(label)} {label}"

    def _fit(self, label: str, members: Sequence[Member], name: str) -> Fit:
        recipe = {
            "method": TEXTUAL_INVERSION, "steps": self.updates(len(members)), "word": word_of(label),
            "vectors": self.vectors, "initial_word": self.initial_word, "learning_rate": self.learning_rate,
            "batch_size": self.batch_size, "warmup_steps": self.warmup_steps, "weight_decay": self.weight_decay,
            "seed": self.seed,
        }  # fmt: skip
        return Fit(self, label, members, recipe, {label: tuple(fill(one, name) for one in self._prompts)})

    @property
    def _prompts(self) -> tuple[str, ...]:
        return (self.prompt, *self.templates)


def word_of(label: str) -> str:
    """The learned word of a class as it stands in prompts: no word that a tokenizer knows, and plain text."""
    return f"<{slug(label)}>"


def _document(
    step: TextualInversion,
    groups: Mapping[str, Sequence[Member]],
    names: Mapping[str, str],
    finished: dict[str, Result],
    family: "type[Backbone]",
) -> dict[str, Any]:
    """What the words are, for sampling, export and provenance."""
    return {
        "backbone": step.backbone,
        "scope": "cls",
        "method": TEXTUAL_INVERSION,
        **({} if family.pipeline == STABLE_DIFFUSION else {"pipeline": family.pipeline}),
        "names": dict(names),
        "vectors": step.vectors,
        "initial_word": step.initial_word,
        "name_free": step.name_free,
        "prompt": step.prompt,
        "templates": list(step.templates),
        "resolution": step.resolution,
        "images": step.images,
        "images_per_label": counted(groups),
        "weights": {label: one.weights for label, one in finished.items()},
        "training": {
            "steps": {label: step.updates(len(members)) for label, members in groups.items()},
            "learning_rate": step.learning_rate,
            "batch_size": step.batch_size,
            "train_text_encoder": False,
            "seed": step.seed,
            "probe_loss_before": {label: one.before for label, one in finished.items()},
            "probe_loss_after": {label: one.after for label, one in finished.items()},
        },
    }
