"""distil.match: optimise a few images per class until they act on a network as the real ones do."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from synthstudio.effort import Amounts, Effort, shown
from synthstudio.events import Event, Measured, Note, Progress
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.distil import New, keep_all
from synthstudio.steps.distil.preparing import PREVIEW, choices, distillation, one_of, real_images
from synthstudio.terms import (
    Architecture,
    ExpertsId,
    ImageSetId,
    ImageSize,
    ModelRef,
    Operations,
    PerClass,
    Seed,
    Width,
)
from synthstudio.workspace import write_atomically

if TYPE_CHECKING:
    from synthstudio.engine.distil.distilling import Distillation

_PREVIEW_SECONDS = 2.0

Count = Annotated[int, Field(ge=1, le=1_000_000)]


class Match(Step):
    """DC, DM or MTT on pixels, on latents of the backbone's decoder, on a feature inside it, or on a generator.

    The last three are GLaD (Cazenavette et al. 2023). None for a learning rate, or for loops, is the method's own.
    """

    kind: ClassVar[str] = "distil.match"
    title: ClassVar[str] = "Optimise the small set"
    seconds_per_unit: ClassVar[float] = 0.03
    version: ClassVar[int] = 2  # 1 had no network_rate and no rate_of_student_rate

    images: ImageSetId
    method: Annotated[
        str,
        one_of("matching"),
        Field(
            description="What is matched: gradients (dc), feature means (dm), training trajectories (mtt).",
            json_schema_extra={"enum": list(choices("matching"))},
        ),
    ] = "dm"
    parameterisation: Annotated[
        str,
        one_of("forms"),
        Field(
            description="What is optimised: pixels, latents of the backbone, latents of a generator of yours.",
            json_schema_extra={"enum": list(choices("forms"))},
        ),
    ] = "pixels"
    backbone: Annotated[
        ModelRef | None,
        Field(description="For latents: a diffusers folder. For generator: a folder with one self-describing file."),
    ] = None
    level: Annotated[
        int, Field(ge=0, le=20, description="0: latents; n: the feature after n stages of the decoder; last: freest.")
    ] = 0
    decode_size: Annotated[
        int | None,
        Field(ge=8, le=1024, description="Side at which latents are decoded; none: image_size, at least 64."),
    ] = None
    images_per_class: PerClass = 10
    initialisation: Annotated[
        Literal["noise", "real", "herding", "k_means", "class_mean", "mean_latent"],
        Field(description="Where the images start."),
    ] = "real"
    iterations: Annotated[Count, Field(description="Updates of the images.")] = 500
    optimizer: Annotated[Literal["adam", "sgd"], Field(description="adam, or SGD with momentum 0.5 as published.")] = (
        "adam"
    )
    learning_rate: Annotated[
        float | None, Field(gt=0, le=1e6, description="Of the images or latents; none: the method's own.")
    ] = None
    realism: Annotated[
        float, Field(ge=0, le=1e6, description="Weight of the squared distance to the start: higher stays realistic.")
    ] = 0.0
    real_batch: Annotated[int, Field(ge=1, le=4096, description="Real images of each class per update.")] = 64
    operations: Operations = ("color", "crop", "cutout", "scale", "rotate")
    network: Architecture = "convnet"
    width: Width = 32
    image_size: ImageSize = 32
    encoder: Annotated[
        ModelRef | None,
        Field(description="For dm: match features of this frozen encoder, which may then not be the judge."),
    ] = None
    outer_loops: Annotated[
        int | None, Field(ge=1, le=1000, description="For dc: updates of the images per network; none: as published.")
    ] = None
    inner_loops: Annotated[
        int | None,
        Field(ge=0, le=1000, description="For dc: epochs a network learns from the images between two updates."),
    ] = None
    network_rate: Annotated[
        float | None,
        Field(
            gt=0, le=10, description="For dc: learning rate of a network between two updates; none: 0.01, as published."
        ),
    ] = None
    experts: Annotated[ExpertsId | None, Field(description="For mtt: what distil.experts made of the same images.")] = (
        None
    )
    student_steps: Annotated[int, Field(ge=1, le=1000, description="For mtt: steps of the student, N.")] = 20
    expert_epochs: Annotated[int, Field(ge=1, le=100, description="For mtt: epochs the student is to make up, M.")] = 2
    latest_start: Annotated[
        int, Field(ge=1, le=1000, description="For mtt: the student starts before this epoch of an expert.")
    ] = 5
    student_rate: Annotated[
        float, Field(gt=0, le=1, description="For mtt: where the student's learned learning rate starts.")
    ] = 0.01
    rate_of_student_rate: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="For mtt: step size of the learned rate; 0 leaves it fixed; none: 1e-5, as published.",
        ),
    ] = None
    seed: Seed = 0

    @classmethod
    def upgrade(cls, fields: dict[str, Any], version: int) -> dict[str, Any]:
        """Version 1 always took the published rates, which none stands for."""
        return fields if version >= cls.version else {**fields, "network_rate": None, "rate_of_student_rate": None}

    @model_validator(mode="after")
    def _fits(self) -> "Match":
        if self.parameterisation != "pixels" and self.backbone is None:
            raise ValueError(f"{self.parameterisation} need a backbone; name one, or optimise pixels")
        if self.parameterisation == "generator" and self.initialisation != "noise":
            raise ValueError("a generator has no encoder, so its images start from noise; set initialisation to noise")
        if self.initialisation == "mean_latent" and self.parameterisation == "pixels":
            raise ValueError("pixels have no latents; set initialisation to class_mean")
        if self.method == "mtt" and self.experts is None:
            raise ValueError("mtt needs experts; run distil.experts on the same images first")
        if self.encoder is not None and self.method != "dm":
            raise ValueError("only dm can look through a frozen encoder; leave encoder out, or match with dm")
        return self

    @model_validator(mode="after")
    def _rates_have_a_use(self) -> "Match":
        if self.network_rate is not None and self.method != "dc":
            raise ValueError("only dc teaches networks between updates; leave network_rate out, or match with dc")
        if self.rate_of_student_rate is not None and self.method != "mtt":
            raise ValueError("only mtt learns a student's rate; leave rate_of_student_rate out, or match with mtt")
        return self

    @property
    def rate(self) -> float:
        """The learning rate in force: Adam's is alike for all, SGD's are those published with DM, DC and GLaD."""
        if self.learning_rate is not None:
            return self.learning_rate
        if self.optimizer == "adam":
            return 0.05
        pixels = {"dc": 0.1, "mtt": 1000.0}
        latents = {"dc": 1.0, "dm": 10.0, "mtt": 10_000.0}
        return (pixels if self.parameterisation == "pixels" else latents).get(self.method, 1.0)

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        images = int(fields["images_per_class"]) + int(fields["real_batch"])
        iterations = int(fields["iterations"])
        return Effort(iterations * there.classes * shown(fields, images), iterations)

    def run(self, work: Work) -> Iterator[Event]:
        """Yield progress with the loss, keep a preview, and end with the images as PNG files."""
        from synthstudio.engine import devices

        devices.use_threads(work.resources.threads)
        real = real_images(work, self)
        smallest = min(len(rows) for rows in real.rows)
        if smallest < self.real_batch:
            label = real.labels[[len(rows) for rows in real.rows].index(smallest)]
            text = (
                f"{label!r} has {smallest} images, fewer than the real batch of {self.real_batch}: "
                "all are used, some more than once in a batch."
            )
            yield Note(text=text, level="warning")
        yield Progress(done=0, total=self.iterations, unit="updates")
        distilling = distillation(work, self, real)
        first: float | None = None
        shown = 0.0
        with closing(distilling.run(work.resources.checkpoint_every)) as ticks:
            for tick in ticks:
                first = tick.values["loss"] if first is None else first
                if time.monotonic() - shown > _PREVIEW_SECONDS:
                    _preview(work, distilling)
                    shown = time.monotonic()
                yield Progress(done=tick.step, total=self.iterations, unit="updates", values=tick.values)
        _preview(work, distilling)
        yield Measured(name="matching_loss", value=distilling.loss, arm=self.method, split="shots")
        yield from keep_all(work, [], _new(self, real.labels, distilling))


def _new(step: Match, labels: tuple[str, ...], distilling: "Distillation") -> list[New]:
    """The set as files, quantised: what is stored, judged and exported is the same."""
    from synthstudio.engine import pixels

    files = pixels.to_png(pixels.to_uint8(distilling.images() * 2 - 1))
    kept = ("images", "parameterisation", "backbone", "level", "initialisation", "encoder", "experts", "seed")
    made: dict[str, Any] = {
        "method": step.method if step.parameterisation == "pixels" else f"glad-{step.method}",
        "networks": [] if step.encoder else [step.network],
        **{name: value for name, value in step.fields.items() if name in kept},
        **distilling.matching.learned(),
    }
    each = step.images_per_class
    return [New(file, labels[n // each], step.image_size, {**made, "number": n % each}) for n, file in enumerate(files)]


def _preview(work: Work, distilling: "Distillation") -> None:
    """The set as one picture, a row per class: for whoever watches, and no artifact."""
    from synthstudio.engine import pixels

    images = pixels.to_uint8(distilling.images() * 2 - 1)
    rows = images.unflatten(0, (distilling.matching.teaching.classes, -1)).permute(0, 2, 1, 3, 4)
    write_atomically(work.scratch / PREVIEW, pixels.to_png([rows.flatten(2, 3).flatten(0, 1).contiguous()])[0])
