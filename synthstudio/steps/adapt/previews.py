"""A few pictures at fixed seeds while an adapter is trained: to look at, never to keep or to learn from.

They lie in the run's own folder (`scratch/_previews/`, a name no class can have: PNG files and `index.json`) and change
nothing: training draws everything it needs from seeds of its own. A file called `asked` in that folder asks for a row
of them now.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from synthstudio.errors import StudioError
from synthstudio.seeds import derived_seed
from synthstudio.terms import fill
from synthstudio.workspace import write_atomically

if TYPE_CHECKING:
    from synthstudio.engine.backbones import Backbone
    from synthstudio.engine.diffusion import Vectors

    Told = Mapping[str, tuple[Vectors, Vectors]]

FOLDER, INDEX, ASKED = "_previews", "index.json", "asked"
_TIMES = 4  # rows of pictures on the way, besides those that are asked for
_LABELS = 4  # pictures in a row
_ROWS_KEPT = 40
_GUIDANCE, _INFERENCE_STEPS = 2.0, 12


@dataclass
class Previews:
    """Draws a row of pictures when one is due. A failure is said once and never ends the training."""

    folder: Path
    prompt: str
    resolution: int | None
    names: Mapping[str, str] = field(default_factory=dict)  # what is said of a label, where that is not its name
    problem: str = ""
    broken: bool = field(default=False, init=False)

    def due(self, step: int, steps: int) -> bool:
        """Whether a row is due after this step of so many."""
        if self.broken:
            return False
        return step in {round(steps * share / _TIMES) for share in range(1, _TIMES + 1)} or self._asked.exists()

    def draw(self, backbone: "Backbone", labels: Sequence[str], step: int, told: "Told | None" = None) -> None:
        """One picture for each of the first labels, as the backbone is now; `step` is where it belongs.

        `told`, where given, holds for each label the vectors that stand in the place of its two prompts.
        """
        try:
            self._asked.unlink(missing_ok=True)
            self._write(step, list(labels)[:_LABELS], self._pictures(backbone, list(labels)[:_LABELS], told or {}))
        except (StudioError, OSError, RuntimeError) as error:  # RuntimeError: what torch raises when memory runs out
            self.broken = True
            self.problem = f"No samples while training: {error}"

    @property
    def _asked(self) -> Path:
        return self.folder / ASKED

    def _pictures(self, backbone: "Backbone", labels: Sequence[str], told: "Told") -> list[bytes]:
        from synthstudio.engine import diffusion

        side = diffusion.side(backbone, self.resolution)
        both = [told[label] if label in told else (self._prompt(label), "") for label in labels]
        requests = [diffusion.Request(one, away, _seed(label)) for (one, away), label in zip(both, labels, strict=True)]
        settings = diffusion.Settings(_GUIDANCE, _INFERENCE_STEPS, resolution=side)
        backbone.forget_prompts()  # the text encoder has learned since it was last asked
        try:
            return diffusion.sample(backbone, requests, settings)
        finally:
            backbone.forget_prompts()

    def _prompt(self, label: str) -> str:
        return fill(self.prompt, self.names.get(label, label))

    def _write(self, step: int, labels: Sequence[str], pictures: Sequence[bytes]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        images = []
        for place, (label, picture) in enumerate(zip(labels, pictures, strict=True)):
            name = f"{step:08d}-{place}.png"
            write_atomically(self.folder / name, picture)
            images.append({"file": name, "label": label, "prompt": self._prompt(label), "seed": _seed(label)})
        rows = [row for row in rows_in(self.folder) if row["step"] != step]
        rows = [*rows, {"step": step, "images": images}][-_ROWS_KEPT:]
        write_atomically(self.folder / INDEX, json.dumps(rows, ensure_ascii=False).encode())


def rows_in(folder: Path) -> list[dict[str, object]]:
    """The rows drawn so far, the first first: their step, and their pictures' file, label, prompt and seed."""
    try:
        rows: list[dict[str, object]] = json.loads((folder / INDEX).read_bytes())
    except FileNotFoundError:
        return []
    return rows


def _seed(label: str) -> int:
    """The same for every adapter, so that rows of different runs can be compared."""
    return derived_seed(0, label, 0)
