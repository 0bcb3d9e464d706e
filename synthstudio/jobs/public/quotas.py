"""What one visitor of a public copy may use, and a studio that keeps to it.

Asking is refused with a sentence before anything starts. What runs is watched as well: a run that goes over is
stopped where it can be resumed, because a plan made of numbers that a visitor typed is only a promise.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthstudio.catalog.pipelines import Node
from synthstudio.catalog.runs import ACTIVE
from synthstudio.errors import BadInput
from synthstudio.jobs import Studio
from synthstudio.jobs.public.admission import refuse_download, refuse_models
from synthstudio.jobs.public.ledger import Ledger, Usage
from synthstudio.resources import Resources
from synthstudio.step import Step, stated
from synthstudio.steps.sample import planned

_MB = 1 << 20
_WATCH_SECONDS = 5.0
_TRAINS = ("adapt.", "train.")


@dataclass(frozen=True)
class Quota:
    """For one visitor: bytes, files and folders on disk, images in a project, recipes, runs and looks at files at the
    same time, projects.
    """

    bytes: int = 2048 * _MB
    files: int = 50_000
    images: int = 5000
    jobs: int = 2
    projects: int = 5

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Quota":
        """The limits of this copy: SYNTHSTUDIO_QUOTA_MB, _FILES, _IMAGES and _JOBS.

        Raises BadInput for what is no positive whole number.
        """
        usual = cls()
        return cls(
            bytes=_number(environment, "SYNTHSTUDIO_QUOTA_MB", usual.bytes // _MB) * _MB,
            files=_number(environment, "SYNTHSTUDIO_QUOTA_FILES", usual.files),
            images=_number(environment, "SYNTHSTUDIO_QUOTA_IMAGES", usual.images),
            jobs=_number(environment, "SYNTHSTUDIO_QUOTA_JOBS", usual.jobs),
        )

    def ledger(self, home: Path) -> Ledger:
        """An account of what a visitor's home may hold."""
        return Ledger(home, Usage(self.bytes, self.files))


class BoundedStudio(Studio):
    """A visitor's studio. `may_launch` says whether the machine has room for one more worker.

    Whoever asks holds the lock of the house (`StudioSession.acting`), so that what was admitted is counted before the
    next one asks.
    """

    def __init__(
        self, home: Path, project: str, quota: Quota, no_training: str, may_launch: Callable[[], bool],
        accelerated: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(home, project)
        self._accelerated = accelerated
        self.quota = quota
        self.looking: Callable[[], int] = lambda: 0  # looks at uploaded files in progress
        self.downloads = False  # whether visitors may fetch the models known by name
        self.elsewhere: Callable[[], int] = lambda: 0  # what works in other projects of the visitor
        self.ledger = quota.ledger(home)  # of all projects of the visitor together, where they share one
        self._no_training = no_training
        self._may_launch = may_launch
        self._ticking = False
        self._watched = 0.0

    def submit(self, step: Step, resources: Resources | None = None) -> tuple[str, bool]:
        """As `Studio.submit`; BadInput where the visitor's quota or the place forbids it."""
        if not self._ticking:  # what a pipeline submits was admitted when the pipeline was asked for
            self.admit([step.kind], _planned([(step.kind, step.fields)]))
        self.admit_models([step])
        refuse_models([(step.kind, step.fields)], self.workspace, self._accelerated)
        return super().submit(step, resources)

    def admit_models(self, steps: Iterable[Step]) -> None:
        """BadInput for Steps that reach the Hub: on a public copy its owner fetches models, unless visitors may."""
        for step in steps:
            refuse_download(step, self.downloads)

    def start(self, recipe: str, request: dict[str, Any], nodes: list[Node]) -> str:
        """As `Studio.start`; BadInput where the visitor's quota or the place forbids it."""
        self.admit([node.kind for node in nodes], _planned((node.kind, node.template) for node in nodes))
        refuse_models([(node.kind, node.template) for node in nodes], self.workspace, self._accelerated)
        return super().start(recipe, request, nodes)

    def resume(self, run_id: str, resources: Resources | None = None) -> str:
        """As `Studio.resume`, within the quota."""
        if not self._ticking:
            self.admit([self.catalog.runs.get(run_id).kind], 0)
        return super().resume(run_id, resources)

    def resume_pipeline(self, pipeline_id: str) -> None:
        """As `Studio.resume_pipeline`, within the quota."""
        self.admit([node.kind for node in self.catalog.pipelines.nodes(pipeline_id)], 0)
        was, self._ticking = self._ticking, True
        try:
            super().resume_pipeline(pipeline_id)
        finally:
            self._ticking = was

    def tick(self) -> None:
        """As `Studio.tick`, and now and then a look at what is used."""
        self._ticking = True
        try:
            super().tick()
            if time.monotonic() - self._watched > _WATCH_SECONDS:
                self._watched = time.monotonic()
                self._watch()
        finally:
            self._ticking = False

    def working(self) -> int:
        """What works for the visitor: in this project, in others that are open, and looks at files."""
        return self.busy() + self.elsewhere() + self.looking()

    def busy(self) -> int:
        """Recipes of this project in progress, and runs that are queued or running outside of them."""
        recipes = [one.id for one in self.catalog.pipelines.running()]
        inside = {run_id for one in recipes for run_id in self.catalog.runs.of_pipeline(one)}
        runs = self.catalog.runs.in_state("queued", *ACTIVE)
        return len(recipes) + sum(run.id not in inside for run in runs)

    def refuse_over(self, coming_images: int = 0) -> None:
        """BadInput if the visitor uses more than the quota, counting images that are about to come."""
        self.ledger.refuse_over()
        if self.catalog.images.kept() + coming_images > self.quota.images:
            raise BadInput(f"This would make more than {self.quota.images:,} images, the limit here. Ask for fewer.")

    def admit(self, kinds: Iterable[str], images: int = 0) -> None:
        """BadInput if the quota or the place forbids one more recipe or run of these kinds."""
        if self._no_training and any(kind.startswith(_TRAINS) for kind in kinds):
            raise BadInput(self._no_training)
        if self.working() >= self.quota.jobs:
            raise BadInput(f"In progress at once here: {self.quota.jobs} at most per person. Stop one, or wait for it.")
        self.refuse_over(coming_images=images)

    def admit_again(self, kinds: Iterable[str]) -> None:
        """As `Studio.admit_again`, within the quota; what a recipe asks for was admitted with it."""
        if not self._ticking:
            self.admit(kinds)

    def _watch(self) -> None:
        active = self.catalog.runs.in_state("queued", *ACTIVE)
        if not active:
            return
        try:
            self.refuse_over()
        except BadInput:
            for one in self.catalog.pipelines.running():
                self.stop_pipeline(one.id)
            for run in self.catalog.runs.in_state("queued", "running"):
                self.stop(run.id)

    def _launch(self) -> None:
        if self._may_launch():
            super()._launch()


def _planned(steps: Iterable[tuple[str, Mapping[str, Any]]]) -> int:
    """How many images steps will make, as far as their fields say; classes that are not known yet count as two."""
    total = 0
    for kind, fields in steps:
        if kind.startswith("sample."):
            labels = fields.get("labels")
            classes = len(labels) if isinstance(labels, list | tuple) else 2
            total += planned(stated(kind, fields), classes)
    return total


def _number(environment: Mapping[str, str], name: str, usual: int) -> int:
    text = environment.get(name, "").strip()
    if not text:
        return usual
    if not text.isdigit() or int(text) < 1:
        raise BadInput(f"{name} is {text!r}; give a whole number above zero, or leave it out for {usual}.")
    return int(text)
