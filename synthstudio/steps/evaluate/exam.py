"""One training and its answers, done once: what `evaluate.small_set` and `evaluate.shrink` are made of.

A cell is a pure function of (training set, exam, protocol, architecture, seed, augmented) and is kept in the workspace
under the digest of exactly these, so a stopped comparison goes on where it was, and baselines that another comparison
has measured are not trained again. The device is not among them: networks are trained in float32 everywhere, and what
remains of a card is rounding. It does change the clock, so a cell keeps where its seconds were spent.
"""

import json
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from synthstudio.artifacts import ImageSet, canonical, digest_of
from synthstudio.events import Progress
from synthstudio.seeds import derived_seed
from synthstudio.steps import Work, encoding
from synthstudio.workspace import write_atomically

if TYPE_CHECKING:
    from torch import Tensor

    from synthstudio.engine.distil.networks import Network

TEACHER = "convnet"
_VERSION = 1  # raise it when the same cell would give other answers


class Rules(Protocol):
    """What the steps say about how to train."""

    @property
    def training_steps(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def width(self) -> int: ...
    @property
    def image_size(self) -> int: ...
    @property
    def flip(self) -> bool: ...
    @property
    def zoom(self) -> float: ...
    @property
    def labels(self) -> str: ...
    @property
    def seed(self) -> int: ...


@dataclass(frozen=True)
class Cell:
    """Which questions one training had right, in the order of the exam, and how long it took when it was done, where.

    `device` is cpu, cuda or mps; empty where that was not kept.
    """

    right: tuple[bool, ...]
    seconds: float
    device: str = ""

    @property
    def accuracy(self) -> float:
        """A fraction of 1."""
        return sum(self.right) / len(self.right)


class Exam:
    """Questions with known answers, and a fixed way to train for them."""

    def __init__(self, work: Work, rules: Rules, real: ImageSet, questions: ImageSet) -> None:
        from synthstudio.engine import devices
        from synthstudio.engine.distil.real import Normalisation

        devices.use_threads(work.resources.threads)
        self.device = devices.pick(work.resources.device)
        if self.device.type == "cuda":
            devices.repeatable()
            devices.whole_float32()
        self.work, self.rules, self.real, self.questions = work, rules, real, questions
        self.labels = real.labels
        self._pixels: dict[str, Tensor] = {}
        self._scale = Normalisation.of(self._read(real))
        self._teacher: Network | None = None
        self.notes: list[str] = []  # sentences of trainings, to be said
        self._said: set[str] = set()

    def cell(self, images: ImageSet, architecture: str, number: int, augmented: bool) -> Cell:
        """Train on these images as training `number` of an architecture, and ask."""
        path = self.work.workspace.root / "cache" / "exams" / f"{self._key(images, architecture, number, augmented)}"
        try:
            kept = json.loads(path.read_bytes())
            if len(kept["right"]) == len(self.questions):
                return Cell(tuple(map(bool, kept["right"])), float(kept["seconds"]), str(kept.get("device", "")))
        except (OSError, ValueError, TypeError, KeyError):
            pass  # not there, or damaged: it is only a cache
        began = time.monotonic()
        right = self._right(images, architecture, number, augmented)
        cell = Cell(right, round(time.monotonic() - began, 3), self.device.type)
        kept = {"right": list(map(int, right)), "seconds": cell.seconds, "device": cell.device}
        write_atomically(path, json.dumps(kept).encode())
        return cell

    def _right(self, images: ImageSet, architecture: str, number: int, augmented: bool) -> tuple[bool, ...]:
        from synthstudio.engine.distil import judge

        rules = self.rules
        how = judge.Training(
            rules.training_steps, rules.batch_size, rules.width, rules.learning_rate,
            judge.operations(augmented, rules.flip), rules.zoom if augmented else 1.0, self._taught(), self.device,
            self.work.resources.batch,
        )  # fmt: skip
        places = judge.places_of(self.labels, [member.label for member in images])
        seed = derived_seed(rules.seed, "training", number)
        pixels = self._read(images)
        network = judge.train(architecture, pixels, places, len(self.labels), how, self._scale, seed)
        self._note(how.notes)
        given = judge.answers(network, self._read(self.questions), self._scale)
        return tuple(self.labels[a] == m.label for a, m in zip(given, self.questions, strict=True))

    def _taught(self) -> "Network | None":
        """For soft labels: one network trained on all real images with their labels; the same for every arm."""
        from synthstudio.engine.distil import judge

        if self.rules.labels == "soft" and self._teacher is None:
            rules, shown = self.rules, self._read(self.real)
            how = judge.Training(
                rules.training_steps, rules.batch_size, rules.width, rules.learning_rate,
                judge.operations(True, rules.flip), device=self.device, at_once=self.work.resources.batch,
            )  # fmt: skip
            places = judge.places_of(self.labels, [member.label for member in self.real])
            seed = derived_seed(rules.seed, "teacher")
            self._teacher = judge.train(TEACHER, shown, places, len(self.labels), how, self._scale, seed)
            self._note(how.notes)
        return self._teacher

    def _note(self, sentences: list[str]) -> None:
        """What one training says is not said again by hundreds of others."""
        self.notes += [one for one in sentences if one not in self._said]
        self._said.update(sentences)

    def _read(self, images: ImageSet) -> "Tensor":
        """The stored files of a set, read back: bytes (N, 3, S, S)."""
        from synthstudio.engine.distil import real

        if images.id not in self._pixels:
            files = (self.work.workspace.get(member.image) for member in images)
            self._pixels[images.id] = real.read(files, self.rules.image_size)
        return self._pixels[images.id]

    def _key(self, images: ImageSet, architecture: str, number: int, augmented: bool) -> str:
        rules = self.rules
        parts: list[object] = [
            _VERSION, images.id, self.real.id, self.questions.id, architecture, number, augmented,
            rules.training_steps, rules.batch_size, rules.learning_rate, rules.width, rules.image_size,
            [rules.flip, rules.zoom] if augmented else None, rules.seed,
            *([TEACHER] if rules.labels == "soft" else []),
        ]  # fmt: skip
        return digest_of(canonical(parts))


def probe(work: Work, encoder: str, images: ImageSet, questions: ImageSet) -> Generator[Progress, None, Cell]:
    """A linear probe on the frozen embeddings of an encoder, from the images alone: no class names, no seed."""
    import numpy as np

    from synthstudio.engine.probe import PENALTY, Examples, fit

    labels = images.labels
    vectors = yield from encoding.embeddings(work, encoder, [member.image for member in images])
    asked = yield from encoding.embeddings(work, encoder, [member.image for member in questions])
    began = time.monotonic()
    shown = Examples(vectors, np.array(encoding.label_places(labels, [member.label for member in images])))
    scale = encoding.encoder(work, encoder).scale
    head = fit({"real": shown}, None, len(labels), scale=scale, penalty=PENALTY, real_weight=1.0)
    given = (asked @ head["weight"].numpy().T + head["bias"].numpy()).argmax(1)
    right = tuple(labels[place] == member.label for place, member in zip(given, questions, strict=True))
    return Cell(right, round(time.monotonic() - began, 3))
