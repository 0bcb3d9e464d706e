"""distil.experts: networks trained on the real images, weights kept epoch by epoch; `mtt` lets a student follow."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from synthstudio.effort import Amounts, Effort, shown
from synthstudio.errors import StorageFull
from synthstudio.events import Event, Note, Output, Progress
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.distil.preparing import real_images, what_experts_saw
from synthstudio.steps.saying import warnings
from synthstudio.terms import Architecture, ImageSetId, ImageSize, Operations, Seed, TrainingBatch, Width
from synthstudio.workspace import storage_errors, write_atomically

if TYPE_CHECKING:
    from synthstudio.engine.distil.real import RealImages
    from synthstudio.engine.distil.trajectories import Schooling


class Experts(Step):
    """Plain SGD without momentum or decay (Cazenavette et al. 2022); each expert starts from other weights."""

    kind: ClassVar[str] = "distil.experts"
    title: ClassVar[str] = "Train experts to be followed"
    seconds_per_unit: ClassVar[float] = 0.012

    images: ImageSetId
    experts: Annotated[int, Field(ge=1, le=1000, description="How many networks.")] = 10
    epochs: Annotated[int, Field(ge=1, le=1000, description="Passes over the images; a snapshot after each.")] = 15
    learning_rate: Annotated[float, Field(gt=0, le=10, description="Of SGD, the same all the way.")] = 0.01
    batch_size: TrainingBatch = 256
    operations: Operations = ("color", "crop", "cutout", "scale", "rotate")
    network: Architecture = "convnet"
    width: Width = 32
    image_size: ImageSize = 32
    seed: Seed = 0

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        passes, batch = int(fields["experts"]) * int(fields["epochs"]), int(fields["batch_size"])
        return Effort(passes * there.photos / batch * shown(fields, batch), passes)

    def run(self, work: Work) -> Iterator[Event]:
        """Say what it will cost, train one expert after the other, keep each when it is done."""
        from synthstudio.engine import devices

        devices.use_threads(work.resources.threads)
        real = real_images(work, self)
        schooling = self._schooling()
        yield self._budget(work, real, schooling)
        total, digests = self.experts * self.epochs, []
        for expert in range(self.experts):
            note = work.scratch / f"expert-{expert}.json"
            if not _kept(work, note):
                yield from self._one(work, real, schooling, expert, note)
            digests.append(json.loads(note.read_bytes())["weights"])
        yield Progress(done=total, total=total, unit="epochs")
        body = {**self.fields, **what_experts_saw(self, real), "weights": digests}
        yield Output(name="experts", value=work.workspace.put_document("experts", body))

    def _one(self, work: Work, real: "RealImages", schooling: "Schooling", expert: int, note: Path) -> Iterator[Event]:
        from synthstudio.engine import devices
        from synthstudio.engine.distil import trajectories

        epochs, total = [], self.experts * self.epochs
        device, at_once = devices.pick(work.resources.device), work.resources.batch
        for epoch in trajectories.school(real, schooling, expert, device, at_once):
            epochs.append(epoch)
            yield from warnings(list(epoch.notes))
            if epoch.number:
                done, values = expert * self.epochs + epoch.number, {"loss": epoch.loss}
                yield Progress(done=done, total=total, unit="epochs", values=values)
        file = work.scratch / f"expert-{expert}.safetensors"
        with storage_errors(work.scratch):
            trajectories.write(file, epochs)
        write_atomically(note, json.dumps({"weights": work.workspace.put_weights(file)}).encode())

    def _schooling(self) -> "Schooling":
        from synthstudio.engine.distil.trajectories import Schooling

        return Schooling(
            self.network, self.width, self.epochs, self.learning_rate, self.batch_size, self.operations, self.seed
        )

    def _budget(self, work: Work, real: "RealImages", schooling: "Schooling") -> Note:
        """What is to come; StorageFull if the disk cannot hold it."""
        needed = self.experts * schooling.bytes_per_expert(real)
        free = shutil.disk_usage(work.workspace.weights).free
        if needed > free:
            raise StorageFull(
                f"{self.experts} experts of {self.epochs} epochs need {needed / 1e6:.0f} MB, and the disk has "
                f"{free / 1e6:.0f} MB left. Free some space, or ask for fewer experts or epochs."
            )
        updates = self.experts * schooling.updates(len(real.pixels))
        return Note(text=f"{self.experts} experts, {updates} updates of {self.network}, {needed / 1e6:.1f} MB on disk.")


def _kept(work: Work, note: Path) -> bool:
    """Whether an earlier attempt finished this expert."""
    return note.exists() and work.workspace.weight_path(json.loads(note.read_bytes())["weights"]).exists()
