"""Diffusion Inversion: every shot as a few vectors that the frozen model attends to."""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar

from synthstudio.artifacts import Member
from synthstudio.effort import Amounts, Effort
from synthstudio.events import Event, Output
from synthstudio.modelfolder import STABLE_DIFFUSION
from synthstudio.sampling_terms import VectorsOfAPhoto
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.adapt import previews, updates
from synthstudio.steps.adapt.fitting import Fit, Result, counted, family_of, fit_all, groups_of
from synthstudio.steps.sample.plan import EVERY
from synthstudio.terms import (
    INVERTED_VECTORS,
    Crop,
    Epochs,
    ImageSetId,
    LearningRate,
    ModelRef,
    Resolution,
    Seed,
    TrainingBatch,
    TrainingSteps,
    WarmupSteps,
    WeightDecay,
)

if TYPE_CHECKING:
    from synthstudio.engine.backbones import Backbone


class InvertedVectors(Step):
    """Vectors for every shot, in the place of a prompt, learned by a frozen model (Zhou et al. 2023).

    arXiv:2305.16316. No word and no class name takes part, so images follow the shots and nothing else; they resemble
    them by design. The published rate of 3e-2 stays; here it falls along a cosine and gradients are clipped, as for
    every adapter.
    """

    kind: ClassVar[str] = "adapt.inverted_vectors"
    title: ClassVar[str] = "Invert every shot into vectors"
    seconds_per_unit: ClassVar[float] = 0.02  # a photo shown to the optimiser

    backbone: ModelRef
    images: ImageSetId
    vectors: VectorsOfAPhoto = 5
    training_steps: TrainingSteps = None
    epochs: Epochs = 3000
    learning_rate: LearningRate = 3e-2
    batch_size: TrainingBatch = 50
    warmup_steps: WarmupSteps = 0
    weight_decay: WeightDecay = 1e-2
    crop: Crop = "centre"
    resolution: Resolution = None
    seed: Seed = 0

    def updates(self, images: int) -> int:
        """Optimiser updates for vectors of this many images."""
        return self.training_steps or ceil(self.epochs * ceil(images / self.batch_size))

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        return updates(fields, there.shots)

    def run(self, work: Work) -> Iterator[Event]:
        """Yield progress with the losses; the vectors of all shots at the end. A stop keeps what is trained."""
        groups = groups_of(work, self, "dset")
        fit = Fit(self, EVERY, groups[EVERY], self._recipe(len(groups[EVERY])),
                  {member.image: (member.image,) for member in groups[EVERY]})  # fmt: skip
        shown = previews.Previews(work.scratch / previews.FOLDER, "{label}", self.resolution)
        finished = yield from fit_all(work, [fit], shown)
        document = _document(self, groups, finished, family_of(finished))
        yield Output(name="adapter", value=work.workspace.put_document("adapter", document))

    def _recipe(self, images: int) -> dict[str, Any]:
        same = ("vectors", "learning_rate", "batch_size", "warmup_steps", "weight_decay", "seed")
        fields = {name: getattr(self, name) for name in same}
        return {**fields, "method": INVERTED_VECTORS, "steps": self.updates(images)}


def _document(
    step: InvertedVectors,
    groups: Mapping[str, Sequence[Member]],
    finished: Mapping[str, Result],
    family: "type[Backbone]",
) -> dict[str, Any]:
    """What the vectors are, for sampling and provenance."""
    photos: dict[str, list[str]] = {}
    for member in groups[EVERY]:
        photos.setdefault(member.label, []).append(member.image)
    return {
        "backbone": step.backbone,
        "scope": "dset",
        "method": INVERTED_VECTORS,
        **({} if family.pipeline == STABLE_DIFFUSION else {"pipeline": family.pipeline}),
        "vectors": step.vectors,
        "resolution": step.resolution,
        "images": step.images,
        "images_per_label": counted(groups),
        "photos": photos,
        "weights": {label: one.weights for label, one in finished.items()},
        "training": {
            "steps": {EVERY: step.updates(len(groups[EVERY]))},
            "learning_rate": step.learning_rate,
            "batch_size": step.batch_size,
            "train_text_encoder": False,
            "seed": step.seed,
            "probe_loss_before": {label: one.before for label, one in finished.items()},
            "probe_loss_after": {label: one.after for label, one in finished.items()},
        },
    }
