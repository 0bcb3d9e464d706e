"""Models: which are here and from where, what they need, and runs that fetch others from the Hub."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from synthstudio import hub, modelfiles, packages
from synthstudio.catalog.runs import Run
from synthstudio.errors import BadInput, Damaged, Missing, NotFetched, RunFailed, StudioError, UnknownName
from synthstudio.jobs.studio import Studio
from synthstudio.modelfiles import Precision
from synthstudio.modelfolder import INDEX, Purpose, examine, files_of
from synthstudio.models import MILLIONS, MODELS, Model, known_as
from synthstudio.step import build
from synthstudio.steps.collect.model import Fetch
from synthstudio.workspace import Workspace

Where = Literal["bundled", "package", "project", "hub cache", "not here"]
_Found = TypeVar("_Found")

_WORKING = 1.25  # beside the weights: what is computed on the way, for one image at a time
_ON_CPU, _ON_GPU = 4, 2  # bytes for each number


@dataclass(frozen=True)
class Shelved:
    """One model: here, or known and not here. Bytes are 0 and texts empty where nobody knows."""

    name: str
    purpose: Purpose
    where: Where
    source: str  # where it comes from: an address, a package, a folder
    place: str  # where it lies
    bytes: int  # on the disk; of one that is not here about what a download takes
    precision: str
    parameters: int
    licence: str
    about: str
    damaged: str = ""  # why it cannot be used though it is there

    @property
    def memory(self) -> tuple[int, int]:
        """About how many bytes it needs on a CPU and on a GPU, to make or look at one image at a time."""
        return int(self.parameters * _ON_CPU * _WORKING), int(self.parameters * _ON_GPU * _WORKING)


def shelf(workspace: Workspace) -> list[Shelved]:
    """Every model that is known by name, lies in the Hub's cache, or was named in this project."""
    cached = {one.repository: one for one in hub.cached()}
    known = [_known(model, cached.pop(model.hub, None) if model.hub else None) for model in MODELS.values()]
    return [*known, *(_of_cache(one) for one in cached.values() if _usable(one.folder)), *_of_project(workspace)]


def ask(studio: Studio, name: str, precision: Precision = "fp16") -> str:
    """The run that fetches a model, by its name or repository: a new one, or the one that was stopped.

    BadInput if it is here already, is not of the Hub, or may not be fetched.
    """
    known = known_as(name)
    repository = known.hub if known else name
    if name in MODELS and known is None:
        raise BadInput(f"{name} needs no download: it is on this machine already.")
    if not re.fullmatch(hub.REPOSITORY, repository):
        raise UnknownName.among("model", name, [model.name for model in MODELS.values() if model.hub])
    if hub.snapshot(repository) is not None:
        raise BadInput(f"{name} is on this machine already.")
    step = build(Fetch.kind, {"repository": repository, "precision": precision})
    studio.admit_models([step])
    for run in studio.catalog.runs.of_step(step.id)[:1]:
        if run.state == "done":  # it was here once
            return studio.make_again(run.id)
    return studio.submit(step)[0]


def going(studio: Studio) -> dict[str, Run]:
    """The newest download of each repository in this project that has not ended well."""
    found: dict[str, Run] = {}
    runs = studio.catalog.runs.of_kind(Fetch.kind, done=False)
    fields = studio.catalog.runs.fields_of(run.id for run in runs)
    for run in runs:
        found.setdefault(str(fields[run.id]["repository"]), run)
    return {repository: run for repository, run in found.items() if run.state != "done"}


def provided(studio: Studio, make: Callable[[], _Found], wait: Callable[[str], Run]) -> _Found:
    """What `make` gives, after fetching the models of the Hub that it asks for; `wait` follows a run to its end.

    RunFailed says why a model could not be fetched.
    """
    fetched: set[str] = set()
    while True:
        try:
            return make()
        except NotFetched as error:
            if error.model in fetched:
                raise
            fetched.add(error.model)
            ended = wait(ask(studio, error.model))
            if ended.state != "done":
                raise RunFailed(f"{error.model} was not fetched: it is {ended.state}. {ended.error or ''}") from error


def _known(model: Model, cached: hub.Cached | None) -> Shelved:
    if cached is not None:
        return _described(model.name, model.purpose, "hub cache", cached.folder, list(cached.files), model)
    if model.folder is not None:
        files = files_of(model.folder) if model.folder.is_dir() else []
        why = "" if any(path.suffix == ".safetensors" for path in files) else f"It is not at {model.folder}."
        # A backbone may have an encoder of its own name in a folder inside it.
        others = [one.folder for one in MODELS.values() if one.folder and one.folder.parent == model.folder]
        files = [path for path in files if not any(path.is_relative_to(one) for one in others)]
        return _described(model.name, model.purpose, "bundled", model.folder, files, model, why)
    if model.package is not None:
        try:
            file = packages.installed(model.package)
        except (Missing, Damaged) as error:
            return _described(model.name, model.purpose, "not here", None, [], model, str(error))
        found = _described(model.name, model.purpose, "package", file.parent, [file], model)
        return _with_parameters(found, found.bytes // 4)
    absent = _described(model.name, model.purpose, "not here", None, [], model)
    numbers = MILLIONS.get(model.name, 0) * 1_000_000
    each = _ON_GPU if model.purpose == "backbone" else _ON_CPU  # encoders are there in full precision only
    return _with_parameters(absent, numbers, numbers * each)


def _of_cache(one: hub.Cached) -> Shelved:
    purpose: Purpose = "backbone" if (one.folder / INDEX).is_file() else "encoder"
    return _described(one.repository, purpose, "hub cache", one.folder, list(one.files))


def _of_project(workspace: Workspace) -> Iterator[Shelved]:
    """Folders that were named as models in this project, and are there."""
    bundled = {model.folder for model in MODELS.values()}
    for file in sorted((workspace.locations / "models").glob("*")):
        with suppress(StudioError, OSError):
            place = Path(workspace.location("models", file.name)["place"])
            inside = place.parent.name == "snapshots" or place.is_relative_to(workspace.models)
            if place not in bundled and not inside and place.is_dir():
                purpose: Purpose = "backbone" if (place / INDEX).is_file() else "encoder"
                yield _described(place.name, purpose, "project", place, files_of(place))


def _usable(folder: Path) -> bool:
    try:
        examine(folder, "backbone" if (folder / INDEX).is_file() else "encoder")
    except StudioError:
        return False
    return True


def _described(  # noqa: PLR0913 - one for each column
    name: str, purpose: Purpose, where: Where, place: Path | None, files: list[Path], known: Model | None = None,
    damaged: str = "",
) -> Shelved:  # fmt: skip
    weights = [path for path in files if path.suffix == ".safetensors"]
    try:
        precision, parameters = modelfiles.precision_of(weights), modelfiles.parameters(weights)
    except StudioError as error:
        precision, parameters, damaged = "", 0, str(error)
    source = known.source if known else f"{hub.endpoint()}/{name}" if where == "hub cache" else ""
    licence = known.licence if known else modelfiles.licence(place) if place else ""
    return Shelved(
        name, purpose, where, source or ("with SynthStudio" if where == "bundled" else ""), str(place or ""),
        sum(path.stat().st_size for path in files), precision, parameters, licence, known.about if known else "",
        damaged,
    )  # fmt: skip


def _with_parameters(one: Shelved, parameters: int, size: int | None = None) -> Shelved:
    return Shelved(**{**vars(one), "parameters": parameters, "bytes": one.bytes if size is None else size})
