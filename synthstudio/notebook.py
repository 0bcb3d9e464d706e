"""SynthStudio from Python, for notebooks: `with synthstudio.open("my-home") as project: project.images()`.

Tables are pandas DataFrames straight from the catalog. While the page has the project open it can be read, as it was
when it was opened here, and not written.
"""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from synthstudio.catalog import Catalog
from synthstudio.catalog.runs import ACTIVE, Run
from synthstudio.catalog.snapshot import copied
from synthstudio.errors import BadInput, CatalogBusy, RunFailed
from synthstudio.jobs import Studio
from synthstudio.jobs.asking.asked import Asked, prepare
from synthstudio.jobs.asking.recipes import load_recipe
from synthstudio.jobs.knowing import downloads, summary
from synthstudio.step import Step
from synthstudio.workspace import Workspace

_POLL_SECONDS = 0.3


class Project:
    """One open project. Use it as a context manager, or call `close()`; runs that work go on."""

    def __init__(
        self, home: str | Path, project: str = "default", progress: bool = True, log: str | Iterable[str] | None = None
    ) -> None:
        """Open a project, made if it is new. `progress`: show bars while something runs. `log`: where the numbers of
        runs go too: "csv", "tensorboard", "trackio", or several.
        """
        self._leave = contextlib.ExitStack()
        self._progress = progress
        self._studio: Studio | None = None
        self._home = Path(home)
        try:
            self._studio = self._leave.enter_context(Studio(Path(home), project, log=log))
        except CatalogBusy:
            self.workspace = Workspace.open(Path(home), project)
            self.catalog = self._leave.enter_context(self._copy())
        else:
            self.workspace, self.catalog = self._studio.workspace, self._studio.catalog

    @contextlib.contextmanager
    def _copy(self) -> Iterator[Catalog]:
        with tempfile.TemporaryDirectory(prefix="synthstudio-") as folder:
            copy = copied(self.workspace.catalog, Path(folder))
            with Catalog(copy, root=self.workspace.root) as catalog:
                yield catalog

    def __enter__(self) -> "Project":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let another process in."""
        self._leave.close()

    @property
    def read_only(self) -> bool:
        """Whether another process, most often the page, has the project open."""
        return self._studio is None

    # ---- reading

    def images(self) -> pd.DataFrame:
        """Every picture once: class as made and as it stands, what people decided, and how it was made."""
        return self.catalog.frames.images()

    def scores(self) -> pd.DataFrame:
        """The newest value of each scorer for each image; `.pivot(index="image", columns="scorer", values="value")`."""
        return self.catalog.frames.scores()

    def runs(self) -> pd.DataFrame:
        """Every run, newest first, with the fields of its Step."""
        return self.catalog.frames.runs()

    def sets(self) -> pd.DataFrame:
        """Every set of images, newest first."""
        return self.catalog.frames.sets()

    def members(self, name: str) -> pd.DataFrame:
        """The images of a set, by the set's name or id. UnknownName, with those there are, for any other."""
        return self.catalog.frames.members(self.catalog.names.find(name, ("set",)))

    def metrics(self) -> pd.DataFrame:
        """Every number that an evaluation or a measurement found, with its interval."""
        return self.catalog.frames.metrics()

    def decisions(self) -> pd.DataFrame:
        """Every decision that stands: image, class as made and by hand, verdict, who, when and why."""
        columns = ["image", "made_as", "verdict", "label", "who", "decided_at", "why"]
        found = pd.DataFrame(self.catalog.decisions.standing(), columns=columns)
        found["decided_at"] = pd.to_datetime(found["decided_at"], unit="s", utc=True)
        return found

    def report(self) -> pd.DataFrame:
        """What every finished recipe run answered: a row per run and arm, accuracies as fractions with 95 % intervals.

        `difference` and its interval say by how much synthetic images changed the accuracy; they are the run's.
        """
        rows = [row for one in self.catalog.pipelines.all() if one.state == "done" for row in self._answer(one.id)]
        columns = ["recipe_run", "recipe", "data", "shots", "preset", "arm", "accuracy", "low", "high", "n"]
        return pd.DataFrame(rows, columns=[*columns, "difference", "difference_low", "difference_high"])

    def _answer(self, pipeline_id: str) -> Iterator[dict[str, Any]]:
        found = summary.of(self, pipeline_id, wall_seconds=0.0)
        about = {name: found[name] for name in ("recipe", "data", "shots", "preset")}
        gain = found.get("difference") or {}
        for arm, (low, high) in found.get("interval95", {}).items():
            yield {
                "recipe_run": pipeline_id, **about, "arm": arm, "accuracy": found["mean"][arm],
                "low": low, "high": high, "n": summary.test_images(found), "difference": gain.get("value"),
                "difference_low": gain.get("low"), "difference_high": gain.get("high"),
            }  # fmt: skip

    # ---- making

    def submit(self, step: Step, wait: bool = True) -> str:
        """Carry a Step out; returns the id of its run, which may be an earlier one of an equal Step.

        `wait` False leaves it queued: it goes on while `submit` or `run` waits for something else, or in the page.
        RunFailed, with the reason, if it does not end well.
        """
        studio = self._writable()
        run_id, _ = studio.submit(step)
        if wait:
            self._follow(lambda: [studio.catalog.runs.get(run_id)], lambda: studio.stop(run_id))
            ended = studio.catalog.runs.get(run_id)
            if ended.state != "done":
                raise RunFailed(f"{step.kind} is {ended.state}. {ended.error or ''}".rstrip())
        return run_id

    def outputs(self, run_id: str) -> dict[str, Any]:
        """What a run made, by name: ids of sets, adapters, classifiers, documents."""
        return self.catalog.runs.outputs(run_id)

    def run(self, recipe: str, **asked: Any) -> dict[str, Any]:
        """Run a recipe to its answer; `asked` are `data`, `shots`, `folds`, `preset`, `backbone`, `encoder`, `judge`,
        `settings` and `seed`, as on the command line. Returns the document that `--json` writes there.

        BadInput for what cannot be asked, RunFailed with the reason; an interrupt stops it where it can be resumed.
        """
        studio = self._writable()
        loaded = load_recipe(recipe, self._home)
        wanted = Asked(**{"shots": loaded.shots, **asked})
        request = downloads.provided(studio, lambda: prepare(studio.workspace, wanted), self._fetched)
        pipeline_id = studio.start(loaded.name, request, loaded.nodes(request))
        started = time.monotonic()

        def unfinished() -> list[Run]:
            return list(studio.catalog.runs.of_pipeline(pipeline_id).values())

        def going() -> bool:
            return studio.catalog.pipelines.get(pipeline_id).state == "running"

        self._follow(unfinished, lambda: studio.stop_pipeline(pipeline_id), going)
        ended = studio.catalog.pipelines.get(pipeline_id)
        if ended.state != "done":
            why = next((run.error for run in unfinished() if run.error), ended.error)
            raise RunFailed(f"{recipe} is {ended.state}. {why or ''}".rstrip())
        return summary.of(studio, pipeline_id, time.monotonic() - started)

    def _fetched(self, run_id: str) -> Run:
        runs = self._writable().catalog.runs
        self._follow(lambda: [runs.get(run_id)], lambda: self._writable().stop(run_id))
        return runs.get(run_id)

    def _writable(self) -> Studio:
        if self._studio is None:
            raise BadInput(
                "Another process has this project open, so it can only be read here. Close the page, or ask the page"
                " through gradio_client."
            )
        return self._studio

    def _follow(
        self, runs: Callable[[], list[Run]], stop: Callable[[], None], going: Callable[[], bool] = lambda: False
    ) -> None:
        """Tick until none of the runs is left and `going` says no; a bar for each that works."""
        studio = self._writable()
        with _Bars(hidden=not self._progress) as bars:
            try:
                while going() or any(run.state in ("queued", *ACTIVE) for run in runs()):
                    studio.tick()
                    bars.show(runs())
                    time.sleep(_POLL_SECONDS)
                bars.show(runs())
            except KeyboardInterrupt:
                stop()
                raise


class _Bars:
    """A bar for each run that was not over when it was seen first."""

    def __init__(self, hidden: bool) -> None:
        self._hidden = hidden
        self._bars: dict[str, tqdm[Any] | None] = {}

    def __enter__(self) -> "_Bars":
        return self

    def __exit__(self, *_: object) -> None:
        for bar in self._bars.values():
            if bar is not None:
                bar.close()

    def show(self, runs: Iterable[Run]) -> None:
        """How far each of them is now."""
        for run in runs:
            if run.id not in self._bars and run.state in ("queued", *ACTIVE):
                self._bars[run.id] = None
            if run.id in self._bars and run.total:
                bar = self._bars[run.id] or tqdm(desc=run.kind, unit=f" {run.unit}", disable=self._hidden)
                self._bars[run.id] = bar
                bar.total = run.total
                bar.update(run.done - bar.n)
