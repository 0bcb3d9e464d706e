"""train.classifier: fine-tune both towers of a CLIP model with LoRA on the few real images and the synthetic ones."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from synthstudio.effort import Amounts, Effort
from synthstudio.events import Event, Note, Progress
from synthstudio.step import Step
from synthstudio.steps import Work, encoding
from synthstudio.steps.saying import warnings
from synthstudio.steps.train import keep, named_sets, part_of, training_accuracy, updates
from synthstudio.steps.train.linear_probe import probed
from synthstudio.terms import (
    Alpha,
    Augmentation,
    Depth,
    Dropout,
    Flip,
    ImageSetId,
    LearningRate,
    ModelRef,
    Prompt,
    Rank,
    RealWeight,
    Seed,
    Targets,
    TrainingBatch,
    TrainingUpdates,
    Views,
    WarmupSteps,
    WeightDecay,
)

if TYPE_CHECKING:
    from synthstudio.engine.classifier import Settings, Training
    from synthstudio.engine.encoders import Encoder

_MEASURED = 256  # training images asked at the end, per part


def _why_probed(model: "Encoder", targets: str) -> str:
    """Why an encoder is left as it is and a head alone is trained; empty if both its towers can be adapted."""
    from synthstudio.engine.low_rank import adapts_pictures

    if not model.reads_words:
        return "knows no words: a linear probe on what it sees"
    if not adapts_pictures(model.model, targets):
        return "has no attention among its pictures to adapt: a linear probe that starts from its words"
    return ""


class TrainClassifier(Step):
    """CLIP with LoRA on both towers, trained on real images, synthetic images, or both (DataDream; Kim et al. 2024).

    Every arm of a comparison makes the same number of updates on batches of the same size; with both kinds half of each
    batch is real, whatever the counts, and λ weighs the two losses. Mirroring is off unless `flip` asks for it: a
    mirrored 2, b or left arrow is another class, and the data cannot tell us.

    An encoder without a text tower has no words to adapt, and one whose image tower is of convolutions alone no
    attention. On their embeddings a linear probe is trained, with the same λ, as `train.linear_probe` does (from the
    words, where there are any), and the run says so; `train.finetune` also trains an encoder without words itself.
    """

    kind: ClassVar[str] = "train.classifier"
    title: ClassVar[str] = "Train a classifier"
    seconds_per_unit: ClassVar[float] = 0.0027  # an image shown to the optimiser

    encoder: ModelRef
    real: ImageSetId | None = None
    synthetic: ImageSetId | None = None
    prompt: Prompt = "a photo of a {label}"
    real_weight: RealWeight = 0.8
    targets: Targets = "attention"
    depth: Depth = None
    rank: Rank = 16
    alpha: Alpha = 32
    dropout: Dropout = 0.1
    training_steps: TrainingUpdates = 600
    batch_size: TrainingBatch = 64
    learning_rate: LearningRate = 1e-4
    weight_decay: WeightDecay = 1e-4
    warmup_steps: WarmupSteps = 60
    augmentation: Augmentation = "strong"
    flip: Flip = False
    views: Views = 0
    seed: Seed = 0

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        return updates(fields)

    def run(self, work: Work) -> Iterator[Event]:
        from synthstudio.engine import batches, classifier, tensors
        from synthstudio.engine.encoders import sentence

        sets, labels, notes = named_sets(work, self.real, self.synthetic)
        yield from notes
        model = encoding.encoder(work, self.encoder)
        if why := _why_probed(model, self.targets):
            yield Note(text=f"{self.encoder.partition('@')[0]} {why} is trained.")
            yield from probed(work, self, sets, labels, None, "text" if model.reads_words else "none")
            return
        parts = {name: part_of(work, model, images, labels) for name, images in sets.items()}
        texts = [sentence(self.prompt, label) for label in labels]
        training = classifier.Training(model, parts, texts, self._settings(), work.resources.batch)
        checkpoint = work.scratch / "classifier.checkpoint.safetensors"
        training.resume(checkpoint)
        yield from self._train(training, checkpoint, work.resources.checkpoint_every)
        file = work.scratch / "classifier.safetensors"
        tensors.write_tensors(file, training.update.tensors())
        fitted = classifier.Fitted.read({**self.fields, "kind": "lora", "labels": labels}, file)
        for name, part in parts.items():
            some = batches.first_images(part, _MEASURED)
            answers = classifier.probabilities(fitted, classifier.Images(model, some.pixels)).argmax(1)
            yield training_accuracy(name, int((answers == some.labels.numpy()).sum()), len(some.images))
        yield keep(work, self, "lora", labels, file)

    def _train(self, training: "Training", checkpoint: Path, every: int) -> Iterator[Event]:
        if training.step < self.training_steps:
            for done, total in training.prepare():
                yield Progress(done=done, total=total, unit="views")
        try:
            while training.step < self.training_steps:
                values = training.advance()
                yield from warnings(training.updates.notes)
                if training.step % every == 0:
                    training.save(checkpoint)
                yield Progress(done=training.step, total=self.training_steps, unit="steps", values=values)
        finally:
            training.save(checkpoint)

    def _settings(self) -> "Settings":
        from synthstudio.engine.classifier import Settings

        return Settings(**{name: getattr(self, name) for name in Settings.__dataclass_fields__})
