"""The verbs. One file per method: its fields and its `run()`. Importing this package fills the table of kinds.

A step file imports `synthstudio.engine` inside `run()` only, so that listing steps never loads torch.
"""

import importlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from synthstudio.artifacts import Image
from synthstudio.errors import BadInput
from synthstudio.filters import Condition
from synthstudio.resources import Resources
from synthstudio.workspace import Workspace


class Share(NamedTuple):
    """A part of a plan: the rows from `start` up to, not including, `stop`, but for those that were made before."""

    start: int
    stop: int
    made: frozenset[int] = frozenset()

    def wants(self, rows: Sequence[int]) -> bool:
        """Whether a batch of these rows is to be made here: it belongs to the share in which it begins."""
        return self.start <= rows[0] < self.stop and not self.made.issuperset(rows)


class Work(Protocol):
    """What a running Step may touch. Jobs implement it; a test hands in a plain object."""

    workspace: Workspace
    resources: Resources
    scratch: Path  # this run's own folder; survives stop and resume
    done: Mapping[int, Image]  # images an earlier attempt of this run already made, by plan index
    share: Share | None  # the part of the plan to make, where others make the rest; None: all of it

    def select(
        self,
        candidates: Iterable[tuple[str, str]],
        scores: Iterable[tuple[str, str, float]],
        filters: Iterable[Condition],
    ) -> list[tuple[str, str]]:
        """Apply filters, exactly as the catalog would: (image, label) rows that pass."""
        ...

    def load(self, key: object, make: Callable[[], object]) -> object:
        """A model by key, made once per process and kept."""
        ...


def load_extensions() -> None:
    """Import the modules named in SYNTHSTUDIO_STEPS (separated by commas): Steps that live outside this package.

    Whoever opens a project does so, the worker too. Raises BadInput for a module that is not there.
    """
    for name in (one.strip() for one in os.environ.get("SYNTHSTUDIO_STEPS", "").split(",") if one.strip()):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise BadInput(
                f"SYNTHSTUDIO_STEPS names {name}, but there is no module {error.name}. Correct the name, install it, or"
                " add its folder to PYTHONPATH."
            ) from error


# The table of kinds: one line per verb, at the end because every step needs Work.
from synthstudio.steps.adapt import inverted_vectors, lora, textual_inversion  # noqa: E402, F401
from synthstudio.steps.collect import freeze, import_images, model, split  # noqa: E402, F401
from synthstudio.steps.distil import experts, match, mosaic, prototypes  # noqa: E402, F401
from synthstudio.steps.distil import select as _distil_select  # noqa: E402, F401 - `select` is a package too
from synthstudio.steps.evaluate import classifiers, compare, review, shrink, small_set  # noqa: E402, F401
from synthstudio.steps.export import adapter, image_folder  # noqa: E402, F401
from synthstudio.steps.export import classifier as _export_classifier  # noqa: E402, F401 - train has one too
from synthstudio.steps.measure import images as _measure_images  # noqa: E402, F401
from synthstudio.steps.measure import map as _measure_map  # noqa: E402, F401 - `map` is taken
from synthstudio.steps.measure import words as _measure_words  # noqa: E402, F401
from synthstudio.steps.sample import grid, text, until, variation, vectors  # noqa: E402, F401
from synthstudio.steps.score import (  # noqa: E402, F401
    density,
    disagreement,
    influence,
    label_agreement,
    label_quality,
    margin,
    nearest_real,
    nearest_synthetic,
    sharpness,
)
from synthstudio.steps.select import eye, share, union  # noqa: E402, F401
from synthstudio.steps.select import filter as _select_filter  # noqa: E402, F401 - `filter` is taken
from synthstudio.steps.select import random as _select_random  # noqa: E402, F401 - so is `random`
from synthstudio.steps.sweep import best  # noqa: E402, F401
from synthstudio.steps.sweep import next as _sweep_next  # noqa: E402, F401 - `next` is taken
from synthstudio.steps.train import classifier, finetune, linear_probe  # noqa: E402, F401
