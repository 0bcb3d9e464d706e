"""evaluate.shrink: accuracy against images per class, from cheap trainings: how small may a set become?"""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from synthstudio.artifacts import ImageSet
from synthstudio.errors import BadInput
from synthstudio.events import Event, Output, Progress
from synthstudio.statistics import Interval, crossed, crossed_share
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.saying import warnings
from synthstudio.terms import (
    Architecture,
    Flip,
    ImageSetId,
    ImageSize,
    LearningRate,
    ModelRef,
    PerClass,
    Seed,
    TrainingBatch,
    TrainingUpdates,
    Width,
)

if TYPE_CHECKING:
    from synthstudio.steps.evaluate.exam import Cell, Exam


class Shrink(Step):
    """Choose fewer and fewer images of each class by a rule, train a small network on each choice, and ask.

    To choose a size is to choose, so validation images are asked, never test images. Every size is trained for
    equally many steps. The sets are outputs (`set_5` has five images per class), ready to be exported.
    """

    kind: ClassVar[str] = "evaluate.shrink"
    title: ClassVar[str] = "Try fewer and fewer images"

    images: Annotated[ImageSetId, Field(description="The set to shrink: real, synthetic or mixed.")]
    validation: Annotated[
        ImageSetId, Field(description="Real images that are in no training set, to choose a size by.")
    ]
    rule: Annotated[
        Literal["random", "herding", "k_center", "k_means"], Field(description="How the images that stay are chosen.")
    ] = "k_means"
    sizes: Annotated[
        tuple[PerClass, ...],
        Field(min_length=1, max_length=50, description="Images per class; larger ones are left out."),
    ] = (1, 2, 5, 10, 20, 50, 100)
    backbone: Annotated[ModelRef, Field(description="Its latents say which images are alike.")]
    architecture: Architecture = "convnet"
    seeds: Annotated[int, Field(ge=1, le=100, description="Trainings per size.")] = 2
    augmented: Annotated[bool, Field(description="Train with augmentation.")] = True
    training_steps: TrainingUpdates = 150
    batch_size: TrainingBatch = 32
    learning_rate: LearningRate = 0.003
    width: Width = 16
    image_size: ImageSize = 32
    flip: Flip = False
    seed: Seed = 0

    @field_validator("sizes")
    @classmethod
    def _ascending(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(sizes)))

    @property
    def zoom(self) -> float:
        """No enlarged crops: the judge's default."""
        return 1.0

    @property
    def labels(self) -> str:
        """Hard labels: the judge's default."""
        return "hard"

    def run(self, work: Work) -> Iterator[Event]:
        """Choose, train and ask, size by size; then the report that the slider draws."""
        from synthstudio.steps.evaluate.exam import Exam

        whole, questions = work.workspace.image_set(self.images), self._questions(work)
        least = min(len(members) for members in whole.by_label().values())
        sitting = Exam(work, self, whole, questions)
        sets: dict[int, ImageSet] = {}
        for size in (size for size in self.sizes if size < least):
            sets[size] = yield from self._chosen(work, whole, size)
        if not sets:
            raise BadInput(f"The smallest class has {least} images, no more than the smallest size asked for.")
        results = yield from self._trained(sitting, {**sets, 0: whole})
        for size, images in sets.items():
            yield Output(name=f"set_{size}", value=work.workspace.put_set(images))
        points = [self._point(size, sets[size], results[size], results[0], questions) for size in sets]
        full = self._point(0, whole, results[0], results[0], questions)
        body = {"points": points, "full": full, "n": len(questions), "interval_over": "validation images and trainings"}
        body |= {"sentence": sentence(points[-1], full), "protocol": self.fields}
        yield Output(name="report", value=work.workspace.put_document("report", body))

    def _questions(self, work: Work) -> ImageSet:
        whole, validation = work.workspace.image_set(self.images), work.workspace.image_set(self.validation)
        known = {member.image for member in whole}
        if any(member.image in known for member in validation):
            raise BadInput("The validation images are among the images to shrink. Name the validation set of a split.")
        kept = [member for member in validation if member.label in whole.labels]
        if not kept:
            raise BadInput("There is no validation image of these classes. Split again with images left to validate.")
        return ImageSet.of("set", kept)

    def _chosen(self, work: Work, whole: ImageSet, size: int) -> Generator[Progress, None, ImageSet]:
        from synthstudio.steps.distil import Pool, rules

        chosen, _ = yield from rules.carry_out(work, self.rule, Pool.of(whole, size), size, self.backbone, self.seed)
        return ImageSet.of("set", chosen)

    def _trained(self, sitting: "Exam", sets: dict[int, ImageSet]) -> "Generator[Event, None, dict[int, list[Cell]]]":
        results: dict[int, list[Cell]] = {}
        total = len(sets) * self.seeds
        for size, images in sets.items():
            for number in range(self.seeds):
                cell = sitting.cell(images, self.architecture, number, self.augmented)
                results.setdefault(size, []).append(cell)
                yield from warnings(sitting.notes)
                done = sum(map(len, results.values()))
                yield Progress(done=done, total=total, unit="trainings", values={"accuracy": cell.accuracy})
        return results

    def _point(
        self, size: int, images: ImageSet, cells: "list[Cell]", full: "list[Cell]", questions: ImageSet
    ) -> dict[str, Any]:
        """Accuracy at a size and points lost against all images; intervals are over validation images and trainings."""
        mine, theirs = _right(cells), _right(full)
        accuracy = crossed_share(mine)
        lost = crossed(theirs - mine) if size else Interval(0.0, 0.0, 0.0)
        return {
            "images_per_class": size or None,
            "images": len(images),
            "set": images.id,
            "each": [cell.accuracy for cell in cells],
            "accuracy": _named(accuracy),
            "lost": _named(lost),
        }


def sentence(point: dict[str, Any], full: dict[str, Any]) -> str:
    """What the largest of the sizes costs."""
    value, low, high = (-100 * point["lost"][name] for name in ("value", "high", "low"))
    return (
        f"With {point['images_per_class']} images per class ({point['images']} of {full['images']}) accuracy is "
        f"{value:+.1f} points from that of all (95 % interval {low:+.1f} to {high:+.1f}, over validation images "
        "and trainings)."
    )


def _right(cells: "list[Cell]") -> NDArray[np.float64]:
    """(trainings, questions): 1 where a training had a question right."""
    return np.asarray([cell.right for cell in cells], dtype=float)


def _named(found: Interval) -> dict[str, float]:
    return {"value": found.value, "low": found.low, "high": found.high}
