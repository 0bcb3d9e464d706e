"""The loop: images, the pull of a matching loss on them, back to the variables, a step, again.

Whatever is random in step i is a function of (seed, i), so a run that was killed and resumed ends with the same bytes
as one that was not.
"""

import json
import math
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from synthstudio import weightfile
from synthstudio.engine.distil.forms import Form, images_of, pull_back
from synthstudio.engine.distil.matching import Matching
from synthstudio.engine.tensors import plain
from synthstudio.errors import BadInput

_SMOOTHING = 0.9


@dataclass(frozen=True)
class Course:
    """How far and how fast. `realism` weighs ‖z − z0‖², which holds the variables near their start."""

    iterations: int
    learning_rate: float
    optimizer: str = "adam"
    realism: float = 0.0
    about: str = ""  # everything else that decides the result; a checkpoint of something else is not used


@dataclass(frozen=True)
class Tick:
    """After an update: how many, the running loss, and what the method adds."""

    step: int
    values: dict[str, float]


class Distillation:
    """One small set in the making. `run()` yields a Tick per update; `images()` shows the set at any time."""

    def __init__(self, form: Form, matching: Matching, start: Tensor, course: Course, folder: Path) -> None:
        self.form, self.matching, self.course = form, matching, course
        self.device = matching.teaching.device
        self.checkpoint = folder / "checkpoint.safetensors"
        self.start = start.detach().to(self.device)
        self.variables = self.start.clone()
        form.project(self.variables)
        self.step, self.loss = 0, 0.0
        self.optimizer = self._optimizer()
        self._images: Tensor | None = None

    def run(self, checkpoint_every: int) -> Generator[Tick, None, None]:
        """Distil to the end, from the last checkpoint if there is one. Closing the generator writes a checkpoint."""
        self._resume()
        saved = self.step
        try:
            while self.step < self.course.iterations:
                values = self._update()
                if self.step % checkpoint_every == 0:
                    self.save()
                    saved = self.step
                yield Tick(self.step, values)
        finally:
            if saved < self.step < self.course.iterations:
                self.save()

    def images(self) -> Tensor:
        """The set now: (classes · per class, 3, S, S) in [0, 1], class by class."""
        if self._images is None:
            self._images = images_of(self.form, self.variables)
        return self._images

    def _update(self) -> dict[str, float]:
        teaching = self.matching.teaching
        pull = self.matching.pull(self.step, self._normalised())
        gradient = pull.gradient.flatten(0, 1) / teaching.real.normalisation.columns(pull.gradient)[1]
        moved = pull_back(self.form, self.variables, gradient)
        if self.course.realism:
            moved += 2 * self.course.realism * (self.variables - self.start)
        if not (math.isfinite(pull.loss) and bool(moved.isfinite().all())):
            self.save()  # the last good state
            raise BadInput(
                f"The matching loss is no longer a number (step {self.step + 1} of {self.course.iterations}). "
                f"Lower learning_rate below {self.course.learning_rate:g}; the set as it was before is kept."
            )
        self.variables.grad = moved
        self.optimizer.step()
        self.form.project(self.variables)
        self._images = None
        if self.matching.wants_images_after(self.step):
            self.matching.follow(self.step, self._normalised())
        self.step += 1
        self.loss = _SMOOTHING * self.loss + (1 - _SMOOTHING) * pull.loss if self.step > 1 else pull.loss
        return {"loss": self.loss, **pull.values}

    def _normalised(self) -> Tensor:
        """The set as the methods see it, (classes, per class, 3, S, S)."""
        teaching = self.matching.teaching
        return teaching.real.normalisation.apply(self.images()).unflatten(0, (teaching.classes, -1))

    def _optimizer(self) -> torch.optim.Optimizer:
        if self.course.optimizer == "adam":
            return torch.optim.Adam([self.variables], lr=self.course.learning_rate, betas=(0.5, 0.99))
        return torch.optim.SGD([self.variables], lr=self.course.learning_rate, momentum=0.5)

    def save(self) -> None:
        """Write everything a resume needs, in one file that appears complete or not at all."""
        tensors = {"variables": self.variables}
        state = self.optimizer.state.get(self.variables, {})
        tensors |= {f"optimizer.{name}": value for name, value in state.items() if isinstance(value, Tensor)}
        tensors |= {f"matching.{name}": value for name, value in self.matching.state().items()}
        about = {"step": str(self.step), "loss": repr(self.loss), "course": self._fingerprint()}
        weightfile.write(self.checkpoint, {name: plain(tensor) for name, tensor in tensors.items()}, about)

    def _resume(self) -> None:
        """Take up the last checkpoint of this very course."""
        if not self.checkpoint.exists():
            return
        about = weightfile.read_header(self.checkpoint).metadata
        if about.get("course") != self._fingerprint():
            return
        tensors = load_file(self.checkpoint)
        with torch.no_grad():
            self.variables.copy_(tensors["variables"])
        self.step, self.loss, self._images = int(about["step"]), float(about["loss"]), None
        state = {n.removeprefix("optimizer."): t for n, t in tensors.items() if n.startswith("optimizer.")}
        self.optimizer.state[self.variables] = {n: t if n == "step" else t.to(self.device) for n, t in state.items()}
        self.matching.load({n.removeprefix("matching."): t for n, t in tensors.items() if n.startswith("matching.")})

    def _fingerprint(self) -> str:
        course = self.course
        return json.dumps([course.learning_rate, course.optimizer, course.realism, course.about, self.matching.name])
