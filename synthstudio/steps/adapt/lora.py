"""DataDream: fit an adapter of a text-to-image model to the shots, one for all classes or one per class."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, model_validator

from synthstudio.artifacts import Member
from synthstudio.errors import BadInput
from synthstudio.events import Event, Measured, Note, Output, Progress
from synthstudio.modelfolder import STABLE_DIFFUSION
from synthstudio.step import Step
from synthstudio.steps import Work, fitting
from synthstudio.steps.adapt import previews
from synthstudio.steps.backbone import loaded
from synthstudio.steps.sample.plan import EVERY
from synthstudio.steps.saying import facts, warnings
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
from synthstudio.workspace import slug, write_atomically

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from synthstudio.engine.backbones import Backbone
    from synthstudio.engine.lora import Photos, Recipe, Training


class Lora(Step):
    """An adapter of UNet and text encoder, LoRA unless said otherwise, trained on the shots (Kim et al. 2024).

    arXiv:2407.10910. Version 1 knew no `method`; what it stored was LoRA, and is trained to the same bytes.
    """

    kind: ClassVar[str] = "adapt.lora"
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

    def run(self, work: Work) -> Iterator[Event]:
        """Yield progress with the losses; the adapter when every class is done. A stop keeps what is trained."""
        groups = _groups(work, self)
        total = sum(self.updates(len(members)) for members in groups.values())
        if any(self.warmup_steps > self.updates(len(members)) / 3 for members in groups.values()):
            text = (
                f"The warm-up of {self.warmup_steps} steps takes over a third of the training. Consider a shorter one."
            )
            yield Note(text=text, level="warning")
        finished, before = {}, 0
        notes: list[str] = []
        shown = previews.Previews(work.scratch / previews.FOLDER, self.prompt, self.resolution)
        for label, members in groups.items():
            steps = self.updates(len(members))
            fit = _Fit(self, label, members, work.scratch / (slug(label) if label != EVERY else "all"), steps)
            for done, values in fit.run(work, shown, before, notes):
                yield from facts(fit.facts)
                yield from warnings(notes)
                yield Progress(done=before + done, total=total, unit="steps", values=values)
                if shown.problem:
                    yield Note(text=shown.problem, level="warning")
                    shown.problem = ""
            before += steps
            finished[label] = fit.result()
            yield Progress(done=before, total=total, unit="steps", values={"probe_loss": finished[label].after})
        for label, one in finished.items():
            name = "" if label == EVERY else label
            yield Measured(name="probe_loss", value=one.before, arm="before", split="shots", label=name)
            yield Measured(name="probe_loss", value=one.after, arm="after", split="shots", label=name)
        family = _family(finished)
        if self.train_text_encoder and not family.adapts_words():
            yield Note(text=f"Adapters of {family.name} change its denoiser alone; its text encoder stays as it was.")
        document = _document(self, groups, finished, family)
        yield Output(name="adapter", value=work.workspace.put_document("adapter", document))


@dataclass(frozen=True)
class _Result:
    weights: str
    before: float
    after: float
    pipeline: str = STABLE_DIFFUSION  # the class of diffusers that draws with its backbone


@dataclass(frozen=True)
class _Fit:
    """One adapter: for all classes, or for one of them. `folder` survives stop and resume."""

    step: Lora
    label: str
    members: Sequence[Member]
    folder: Path
    steps: int
    facts: list[str] = field(default_factory=list)  # what is worth saying and no warning

    @property
    def note(self) -> Path:
        """Where the finished result is kept."""
        return self.folder / "result.json"

    def result(self) -> _Result:
        """The finished result."""
        return _Result(**json.loads(self.note.read_bytes()))

    def finished(self, work: Work) -> bool:
        """Whether an earlier attempt finished this one."""
        return self.note.exists() and work.workspace.weight_path(self.result().weights).exists()

    def run(
        self, work: Work, shown: previews.Previews, before: int, notes: list[str]
    ) -> Iterator[tuple[int, dict[str, float]]]:
        """Train; yields steps done and losses, and puts what should be said in `notes`.

        `before` steps belong to other classes.
        """
        if self.finished(work):
            return
        from synthstudio.engine import lora
        from synthstudio.engine.adapters import files

        backbone = loaded(work, self.step.backbone, training=True)
        backbone.notes = notes
        self.folder.mkdir(parents=True, exist_ok=True)
        photos = _photos(work, self.step, backbone, self.members)
        how = work.resources
        with closing(
            lora.Training(backbone, photos, self._recipe(), self.folder, how.batch, how.checkpointing)
        ) as training:
            training.updates.notes = notes
            self.facts.extend([*backbone.facts, *_room(self.step, training)])
            backbone.facts.clear()
            values = {"probe_loss": training.probe()}
            first = values["probe_loss"]
            with closing(training.run(work.resources.checkpoint_every)) as ticks:
                for tick in ticks:
                    values |= {"loss": tick.loss} | ({} if tick.probe is None else {"probe_loss": tick.probe})
                    if shown.due(tick.step, self.steps):
                        shown.draw(backbone, self._labels, before + tick.step)
                    yield tick.step, dict(values)
            after = training.probe()
            file = self.folder / files.FILE
            training.write(file)
        digest = work.workspace.put_weights(file)
        found = _Result(digest, first, after, backbone.pipeline)
        write_atomically(self.note, json.dumps(asdict(found)).encode())
        training.checkpoint.unlink(missing_ok=True)

    @property
    def _labels(self) -> list[str]:
        return list(dict.fromkeys(member.label for member in self.members))

    def _recipe(self) -> "Recipe":
        from synthstudio.engine import lora

        step = self.step
        return lora.Recipe(
            steps=self.steps,
            rank=step.rank,
            alpha=step.alpha,
            targets=step.targets,
            method=step.method,
            text_encoder=step.train_text_encoder,
            learning_rate=step.learning_rate,
            batch_size=step.batch_size,
            warmup_steps=step.warmup_steps,
            weight_decay=step.weight_decay,
            prompt_dropout=step.prompt_dropout,
            min_snr_gamma=step.min_snr_gamma,
            representativeness=step.representativeness,
            diversity=step.diversity,
            seed=step.seed,
        )


def _groups(work: Work, step: Lora) -> dict[str, list[Member]]:
    """The images each adapter is fitted to, by label; one entry for all when the scope is the whole set."""
    images = work.workspace.image_set(step.images)
    if not len(images):
        raise BadInput("There are no images to adapt to. Import some and split them first.")
    return images.by_label() if step.scope == "cls" else {EVERY: list(images)}


def _room(step: Lora, training: "Training") -> Iterator[str]:
    """How many images fit into a card, measured with one; more do not pass together then. MemoryFull if none does."""
    from synthstudio.engine import devices, diffusion

    backbone, updates = training.backbone, training.updates
    memory = devices.memory_of(backbone.device)
    if memory is None or updates.accelerator.num_processes > 1:
        return
    name, side = step.backbone.partition("@")[0], diffusion.side(backbone, step.resolution)
    taken = fitting.one_image(name, side, memory, training.try_one, backbone.dtype.itemsize)
    if not taken:
        return
    most, said = fitting.together(side, taken, memory)
    yield said
    if updates.divisible and not updates.at_once and most < step.batch_size:
        updates.at_most(most)
        yield f"The batch of {step.batch_size} goes through in passes of {most}, which makes the same updates."


def _photos(work: Work, step: Lora, backbone: "Backbone", members: Sequence[Member]) -> "Photos":
    """Latents of the square views of every image, made once."""
    from synthstudio.engine import diffusion, lora, pixels, seeds

    side = diffusion.side(backbone, step.resolution)
    backbone.latent_shape(side)
    pictures: list[Picture] = []
    views: list[tuple[int, ...]] = []
    for member in members:
        drawn = seeds.generator(step.seed, "crop", member.image)
        squares = pixels.squares(pixels.read(work.workspace.get(member.image)), side, step.crop, drawn)
        views.append(tuple(range(len(pictures), len(pictures) + len(squares))))
        pictures += squares
    mean, deviation = backbone.moments(pixels.to_tensor(pictures))
    return lora.Photos(mean, deviation, tuple(views), tuple(fill(step.prompt, member.label) for member in members))


def _family(finished: dict[str, _Result]) -> "type[Backbone]":
    """The family of the model that was adapted."""
    from synthstudio.engine import backbones

    return backbones.FAMILIES[next(iter(finished.values())).pipeline]


def _document(
    step: Lora, groups: dict[str, list[Member]], finished: dict[str, _Result], family: "type[Backbone]"
) -> dict[str, object]:
    """What the adapter is, for sampling, export and provenance."""
    every = [member for members in groups.values() for member in members]
    counted = {label: sum(m.label == label for m in every) for label in sorted({m.label for m in every})}
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
        "images_per_label": counted,
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
