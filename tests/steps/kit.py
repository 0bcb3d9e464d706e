"""A plain object in the place of a worker, and pictures a few lines can describe."""

from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import synthstudio.steps  # noqa: F401 - fills the table of kinds
from synthstudio import models
from synthstudio.artifacts import ImageSet, Member
from synthstudio.events import Made, Output
from synthstudio.resources import Resources
from synthstudio.workspace import Workspace

COLOURS = {"blue": (30, 40, 200), "green": (30, 190, 60), "red": (210, 40, 30)}
LABELS = tuple(COLOURS)


@dataclass
class PlainWork:
    """What a running Step may touch, without a worker."""

    workspace: Workspace
    scratch: Path
    resources: Resources = field(default_factory=lambda: Resources(device="cpu", threads=1, checkpoint_every=3))
    done: dict[int, Any] = field(default_factory=dict)
    loaded: dict[object, object] = field(default_factory=dict)
    share: Any = None

    def select(self, candidates, scores, filters):
        raise NotImplementedError

    def load(self, key, make):
        if key not in self.loaded:
            self.loaded[key] = make()
        return self.loaded[key]


def work_in(folder: Path) -> PlainWork:
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    return PlainWork(Workspace.open(folder / "home", "toy"), scratch)


def fresh(work: PlainWork) -> PlainWork:
    """The same workspace with an empty scratch folder, as after another attempt elsewhere."""
    work.scratch = work.scratch.with_name(work.scratch.name + "-next")
    work.scratch.mkdir()
    return work


def encoder_ref(work: PlainWork, clip: Path) -> str:
    return models.reference(str(clip), "encoder", work.workspace)


def png(picture: np.ndarray) -> bytes:
    out = BytesIO()
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def coloured(label: str, number: int, size: int = 48) -> bytes:
    """A noisy picture of one colour with a bright square somewhere: classes differ, pictures too."""
    random = np.random.default_rng([number, *label.encode()])
    picture = random.normal(COLOURS[label], 25, (size, size, 3))
    x, y = random.integers(0, size - 12, 2)
    picture[y : y + 12, x : x + 12] = random.integers(0, 255, 3)
    return png(picture)


def stored(work: PlainWork, role: str, labels, numbers, size: int = 48) -> str:
    """The id of a stored set of coloured pictures, `numbers` of each label."""
    members = [Member(label, work.workspace.put(coloured(label, n, size))) for label in labels for n in numbers]
    return work.workspace.put_set(ImageSet.of(role, members))


def outputs(step, work) -> tuple[dict[str, Any], list]:
    """Run a step; its outputs by name, and everything it said."""
    events = list(step.run(work))
    return {event.name: event.value for event in events if isinstance(event, Output)}, events


def made_by(events) -> dict[int, Any]:
    """The images that a step made, by their number in its plan."""
    return {event.index: event.image for event in events if isinstance(event, Made)}


def stopped_after(count: int, step, work) -> dict[int, Any]:
    """Run a step and stop it when it has made so many images; those it made."""
    first: dict[int, Any] = {}
    running = step.run(work)
    for event in running:
        if isinstance(event, Made):
            first[event.index] = event.image
        if len(first) == count:
            break
    running.close()
    return first
