"""evaluate.small_set: what does a small set teach, next to everything that costs nothing? The fair judge."""

from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from synthstudio.artifacts import ImageSet
from synthstudio.effort import Amounts, Effort, shown
from synthstudio.errors import BadInput
from synthstudio.events import Event, Measured, Output, Progress
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.distil import rules
from synthstudio.steps.saying import warnings
from synthstudio.terms import (
    Architecture,
    Flip,
    ImageSetId,
    ImageSize,
    LearningRate,
    ModelRef,
    Seed,
    TestSetId,
    TrainingBatch,
    TrainingUpdates,
    Width,
)

if TYPE_CHECKING:
    from synthstudio.steps.evaluate.arms import Arm
    from synthstudio.steps.evaluate.exam import Cell
    from synthstudio.steps.evaluate.small_report import Result


class SmallSet(Step):
    """Train small networks from scratch on a small set and on every baseline of the same size; ask them test images.

    Hard labels (or the soft labels of one teacher for every arm), equal optimiser steps, the network after the last
    step, the very files that an export would hold, with and without augmentation, several architectures and seeds, and
    a linear probe on frozen features. The baselines are always there: random real images (several draws), herding,
    k-center, k-means, class mean, decoded mean latent, and random synthetic where a pool is named. A set that was made
    by looking through the encoder of the probe is refused; architectures it was made with are shown apart.
    """

    kind: ClassVar[str] = "evaluate.small_set"
    title: ClassVar[str] = "Judge the small set against every baseline"
    seconds_per_unit: ClassVar[float] = 0.012
    reads_logs: ClassVar[bool] = True

    images: Annotated[ImageSetId, Field(description="The small set to judge; equally many images of every class.")]
    others: Annotated[
        tuple[ImageSetId, ...], Field(max_length=20, description="More sets of the same size, for the same table.")
    ] = ()
    real: Annotated[ImageSetId, Field(description="All real images one may learn from: the baselines choose of them.")]
    synthetic: Annotated[
        ImageSetId | None,
        Field(description="A pool of synthetic images to draw from as a baseline; none: no such row."),
    ] = None
    test: TestSetId
    backbone: Annotated[ModelRef, Field(description="Its latents say which images are alike, for the baselines.")]
    encoder: Annotated[
        ModelRef | None, Field(description="The encoder of the linear probe; none: no probe. Never the method's own.")
    ] = None
    architectures: Annotated[
        tuple[Architecture, ...], Field(min_length=3, max_length=5, description="The networks that are trained.")
    ] = ("convnet", "alexnet", "vgg11", "resnet18")
    seeds: Annotated[int, Field(ge=3, le=100, description="Trainings of each network on each set.")] = 3
    draws: Annotated[int, Field(ge=5, le=100, description="Draws of a random baseline, each trained on once.")] = 5
    training_steps: TrainingUpdates = 300
    batch_size: TrainingBatch = 64
    learning_rate: LearningRate = 0.003
    width: Width = 32
    image_size: ImageSize = 32
    labels: Annotated[
        Literal["hard", "soft"],
        Field(description="soft: for every arm the answers of one convnet that was trained on all real images."),
    ] = "hard"
    flip: Flip = False
    zoom: Annotated[
        float,
        Field(gt=0, le=1, description="Augmentation of every arm also enlarges crops of at least this share; 1: no."),
    ] = 1.0
    seed: Seed = 0

    @field_validator("architectures")
    @classmethod
    def _different(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("an architecture is named twice; name different ones")
        return names

    @classmethod
    def trainings(cls, fields: Mapping[str, Any]) -> int:
        """How many networks are trained: on the set, on random draws, on each other rule, on as many synthetic images
        if there are any, and on all real images.
        """
        chosen = len(rules.CHOOSING) - 1 + len(rules.MEANS)
        sets = 1 + len(fields["others"]) + chosen + bool(fields["synthetic"]) + 1
        return 2 * len(fields["architectures"]) * (sets * int(fields["seeds"]) + int(fields["draws"]))

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        trainings = cls.trainings(fields)
        learning = int(fields["training_steps"]) * shown(fields, int(fields["batch_size"]))
        return Effort(trainings * (learning + shown(fields, there.photos / 3)), trainings)

    def run(self, work: Work) -> Iterator[Event]:
        """Gather the arms, train every cell that is not known yet, and report."""
        from synthstudio.steps.evaluate import arms, exam

        real = work.workspace.image_set(self.real)
        test = yield from self._test(work, real)
        competitors = arms.judged(work, self, real)
        seen = competitors[0].networks
        if not set(self.architectures) - set(seen):
            raise BadInput(
                f"The set was made with {', '.join(seen)}. Name at least one architecture that has not seen it."
            )
        competitors += yield from arms.baselines(work, self, real, competitors[0].per_class)
        sitting = exam.Exam(work, self, real, test)
        results = yield from self._results(work, competitors, sitting)
        yield from self._said(work, results, test, seen)

    def _test(self, work: Work, real: ImageSet) -> Generator[Event, None, ImageSet]:
        """The test images of the known classes, without those that a set resembles by chance; Leak beyond chance."""
        from synthstudio.steps.evaluate import leaks

        test = work.workspace.image_set(self.test)
        made = [one for one in (self.images, *self.others, self.synthetic) if one is not None]
        alike = yield from leaks.refuse(
            work, 0, test, [{"trained_on": [self.real, one], "synthetic": one} for one in made], self.encoder
        )
        kept = [m for m in test if m.image not in alike and m.label in real.labels]
        if not kept:
            raise BadInput("There is no test image of these classes. Split again with fewer shots.")
        return ImageSet.of("test", kept)

    def _results(
        self, work: Work, competitors: "Sequence[Arm]", sitting: Any
    ) -> Generator[Event, None, "list[Result]"]:
        from synthstudio.steps.evaluate import exam
        from synthstudio.steps.evaluate.small_report import Result

        total = sum(len(arm.trainings(self.seeds)) for arm in competitors) * len(self.architectures) * 2
        done, results = 0, []
        for arm in competitors:
            cells: dict[tuple[str, bool], list[Cell]] = {}
            for kind in product(self.architectures, (False, True)):
                for draw, number in arm.trainings(self.seeds):
                    cell = sitting.cell(arm.sets[draw], kind[0], number, kind[1])
                    cells.setdefault(kind, []).append(cell)
                    yield from warnings(sitting.notes)
                    done += 1
                    yield Progress(done=done, total=total, unit="trainings", values={"accuracy": cell.accuracy})
            probes = []
            for images in arm.sets if self.encoder is not None else ():
                probes.append((yield from exam.probe(work, str(self.encoder), images, sitting.questions)))
            results.append(Result(arm, cells, probes))
        return results

    def _said(self, work: Work, results: "Sequence[Result]", test: ImageSet, seen: Sequence[str]) -> Iterator[Event]:
        from synthstudio.steps.evaluate import small_report

        body = small_report.build(results, [member.image for member in test], seen)
        for row in body["arms"]:
            yield Measured(name="accuracy", value=row["unseen"]["augmented"]["value"],
                           low=row["unseen"]["augmented"]["low"], high=row["unseen"]["augmented"]["high"],
                           n=len(test), split="test", arm=row["arm"])  # fmt: skip
        for one in body["differences"]:
            if one["against"] == body["best_baseline"] and one["networks"] == "unseen" and one["augmented"]:
                yield Measured(name="difference", value=one["value"], low=one["low"], high=one["high"], n=one["n"],
                               split="test", arm="method")  # fmt: skip
        body |= {"labels": sorted(test.labels), "protocol": self.fields}
        yield Output(name="report", value=work.workspace.put_document("report", body))
        yield Output(name="cost", value=[_cost(result) for result in results])


def _cost(result: "Result") -> dict[str, Any]:
    """What an arm cost: outside the report, because seconds differ from run to run and accuracies do not."""
    cells = [cell for some in result.cells.values() for cell in some]
    device = Counter(cell.device for cell in cells).most_common(1)[0][0]  # cells may have been measured elsewhere
    trained = [cell.seconds for cell in cells if cell.device == device]
    return {
        "arm": result.arm.name,
        "images": len(result.arm.sets[0]),
        "seconds_to_make": round(result.arm.seconds, 1),
        "seconds_per_training": round(sum(trained) / len(trained), 2),
        "device": device,
    }
