"""train.finetune: train a timm network itself, from its head to all of it, beginning with a linear probe."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from synthstudio.effort import Amounts, Effort
from synthstudio.errors import BadInput
from synthstudio.events import Event, Note, Progress
from synthstudio.step import Step
from synthstudio.steps import Work, encoding
from synthstudio.steps.saying import warnings
from synthstudio.steps.train import keep, named_sets, part_of, training_accuracy, updates
from synthstudio.steps.train.linear_probe import examples
from synthstudio.terms import (
    Augmentation,
    Blocks,
    Flip,
    ImageSetId,
    LearningRate,
    Mix,
    MixAlpha,
    ModelRef,
    RealWeight,
    Seed,
    TrainedPart,
    TrainingBatch,
    TrainingUpdates,
    WarmupSteps,
    WeightDecay,
)

if TYPE_CHECKING:
    from synthstudio.engine.encoders import TimmEncoder
    from synthstudio.engine.finetune import Settings, Training

_MEASURED = 256  # training images asked at the end, per part


class Finetune(Step):
    """A timm network trained on real images, synthetic images, or both: its head alone, its last blocks, or all of it.

    The head begins as a linear probe. BatchNorm keeps its statistics. Every arm of a comparison makes the same number
    of updates on batches of the same size; with both kinds half of each batch is real and λ weighs the two losses;
    mixup and cutmix mix images of one kind only. A training whose loss grows beyond three times that of a guess ends
    with its last good weights, and says so.
    """

    kind: ClassVar[str] = "train.finetune"
    title: ClassVar[str] = "Fine-tune the network"
    seconds_per_unit: ClassVar[float] = 0.0027  # an image shown to the optimiser

    encoder: ModelRef
    real: ImageSetId | None = None
    synthetic: ImageSetId | None = None
    real_weight: RealWeight = 0.8
    scope: TrainedPart = "blocks"
    blocks: Blocks = 2
    training_steps: TrainingUpdates = 200
    batch_size: TrainingBatch = 32
    learning_rate: LearningRate = 3e-4
    weight_decay: WeightDecay = 1e-2
    warmup_steps: WarmupSteps = 20
    augmentation: Augmentation = "light"
    flip: Flip = False
    mix: Mix = "none"
    mix_alpha: MixAlpha = 0.2
    seed: Seed = 0

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        return updates(fields)

    def run(self, work: Work) -> Iterator[Event]:
        from synthstudio.engine import batches, classifier, finetune, probe, tensors

        sets, labels, notes = named_sets(work, self.real, self.synthetic)
        yield from notes
        model = self._model(work)
        yield from encoding.resized(work, model, self.encoder, [m.image for one in sets.values() for m in one])
        shown = {}
        for name, images in sets.items():
            shown[name] = yield from examples(work, self.encoder, images, labels)
        head = probe.fit(
            shown, None, len(labels), scale=1.0, penalty=probe.PENALTY, real_weight=self.real_weight
        )  # fmt: skip
        parts = {name: part_of(work, model, images, labels) for name, images in sets.items()}
        training = finetune.Training(model, parts, head, self._settings(), work.resources.batch)
        checkpoint = work.scratch / "finetune.checkpoint.safetensors"
        training.resume(checkpoint)
        yield from self._train(training, checkpoint, work.resources.checkpoint_every)
        if training.diverged_at is not None:
            yield Note(
                text=f"The training diverged at step {training.diverged_at}; the weights of step {training.good_step} "
                "are kept. Lower learning_rate and train again.",
                level="warning",
            )
        file = work.scratch / "finetune.safetensors"
        tensors.write_tensors(file, training.tensors())
        fitted = classifier.Fitted.read({"kind": "finetuned", "labels": labels}, file)
        for name, part in parts.items():
            some = batches.first_images(part, _MEASURED)
            answers = classifier.probabilities(fitted, classifier.Images(model, some.pixels)).argmax(1)
            yield training_accuracy(name, int((answers == some.labels.numpy()).sum()), len(some.images))
        yield keep(work, self, "finetuned", labels, file, diverged_at=training.diverged_at)

    def _model(self, work: Work) -> "TimmEncoder":
        model = encoding.encoder(work, self.encoder)
        if model.reads_words:
            raise BadInput(
                f"{self.encoder.partition('@')[0]} is a CLIP model, and only timm networks are trained this way. "
                "Choose lite0, or train it with train.classifier."
            )
        return cast("TimmEncoder", model)

    def _train(self, training: "Training", checkpoint: Path, every: int) -> Iterator[Event]:
        try:
            while not training.done:
                values = training.advance()
                yield from warnings(training.updates.notes)
                if training.step % every == 0:
                    training.save(checkpoint)
                yield Progress(done=training.step, total=self.training_steps, unit="steps", values=values)
        finally:
            training.save(checkpoint)

    def _settings(self) -> "Settings":
        from synthstudio.engine.finetune import Settings

        return Settings(**{name: getattr(self, name) for name in Settings.__dataclass_fields__})
