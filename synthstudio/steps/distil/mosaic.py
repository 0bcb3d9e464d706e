"""distil.mosaic: tile the patches of real (or synthetic) images that a trained network is surest of."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from synthstudio.effort import Amounts, Effort
from synthstudio.errors import BadInput
from synthstudio.events import Event, Note, Progress
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.distil import New, Pool, keep_all
from synthstudio.steps.saying import warnings
from synthstudio.terms import Architecture, Fraction, ImageSetId, ImageSize, PerClass, Seed, TrainingUpdates, Width

_OBSERVER_BATCH = 64


class Mosaic(Step):
    """Cut random squares of every image, keep the one an observer is surest of, tile the surest of each class.

    The observer is a small network trained on three quarters of the images; the rest says whether it can be believed,
    and below `believed` nothing is made. RDED (Sun et al. 2024) with hard labels; its paper adds soft ones.
    """

    kind: ClassVar[str] = "distil.mosaic"
    title: ClassVar[str] = "Tile the best patches"
    seconds_per_unit: ClassVar[float] = 0.2

    images: ImageSetId
    images_per_class: PerClass = 10
    tiles: Annotated[int, Field(ge=1, le=8, description="Patches along a side: 2 makes mosaics of 2 x 2.")] = 2
    crops: Annotated[int, Field(ge=1, le=100, description="Random squares tried of every image.")] = 5
    smallest_crop: Annotated[
        Fraction, Field(description="Least share of an image's area in a patch; near 1 patches are whole images.")
    ] = 0.5
    image_size: ImageSize = 64
    observer: Annotated[Architecture, Field(description="The network that says which patches show their class.")] = (
        "convnet"
    )
    observer_steps: TrainingUpdates = 300
    width: Width = 32
    believed: Annotated[Fraction, Field(description="Least accuracy of the observer on images it has not seen.")] = 0.5
    seed: Seed = 0

    @model_validator(mode="after")
    def _divides(self) -> "Mosaic":
        if self.image_size % self.tiles or self.image_size // self.tiles < 4:
            raise ValueError(
                f"{self.tiles} patches of at least 4 px do not fit into {self.image_size} px; "
                "choose an image_size that tiles divides"
            )
        return self

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        return Effort(int(fields["images_per_class"]) * there.classes, 2)

    def run(self, work: Work) -> Iterator[Event]:
        """Train the observer, check it, choose patches, tile them."""
        from synthstudio.engine import devices
        from synthstudio.engine.distil import judge, mosaic, real

        devices.use_threads(work.resources.threads)
        pool = Pool.of(work.workspace.image_set(self.images), max(self.images_per_class, 2))
        yield Progress(done=0, total=2, unit="stages")
        shown = real.read((work.workspace.get(image) for image in pool.images), self.image_size)
        places = judge.places_of(pool.labels, [pool.labels[place] for place in pool.places])
        scale = real.Normalisation.of(shown)
        device = devices.pick(work.resources.device)
        if device.type == "cuda":
            devices.repeatable()
        at_once = work.resources.batch
        how = judge.Training(self.observer_steps, _OBSERVER_BATCH, self.width, device=device, at_once=at_once)
        observer = mosaic.observer(self.observer, shown, places, how, scale, self.seed)
        yield from warnings(how.notes)
        yield self._checked(observer.right, observer.asked)
        yield Progress(done=1, total=2, unit="stages")
        cutting = mosaic.Cutting(self.crops, self.smallest_crop, self.tiles, self.seed)
        patches = mosaic.best_patches(observer.network, shown, places, scale, cutting)
        rows = mosaic.rows_of_mosaics(patches, places, self.images_per_class, cutting).flatten(0, 1)
        files = mosaic.files(patches, rows, self.tiles)
        yield Progress(done=2, total=2, unit="stages")
        yield from keep_all(
            work, [], [self._new(pool, parts, file) for parts, file in zip(rows.tolist(), files, strict=True)]
        )

    def _new(self, pool: Pool, parts: list[int], file: bytes) -> New:
        made = {"method": "mosaic", "networks": [self.observer], "parents": [pool.images[row] for row in parts]}
        return New(file, pool.labels[pool.places[parts[0]]], self.image_size, made)

    def _checked(self, right: int, asked: int) -> Note:
        """How far the observer can be believed; BadInput if not far enough."""
        if right < self.believed * asked:
            raise BadInput(
                f"The observer is right on {100 * right / asked:.0f} % of the images it has not seen, below the "
                f"{100 * self.believed:.0f} % asked for: its favourite patches would mean little. Raise observer_steps "
                "or width, or lower believed."
            )
        return Note(text=f"The observer is right on {100 * right / asked:.1f} % of {asked} images it has not seen.")
