"""Whether what runs made is still there, which run can make the rest again, and making it.

Two looks: a quick one at names and sizes, for every question whether a Step is done; and a full one that reads every
byte, for `doctor`. A damaged file is set aside, never deleted; from then on it is missing, and its run can make it.
"""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from synthstudio import weightfile
from synthstudio.artifacts import split_id
from synthstudio.errors import Damaged, Missing, StudioError, UnsafeInput
from synthstudio.step import Step, from_json
from synthstudio.steps.collect.import_images import ImportImages
from synthstudio.workspace import Workspace, file_digest

if TYPE_CHECKING:
    from synthstudio.jobs.studio import Studio

_SETS = ("set", "test", "pool")
_HAVE_WEIGHTS = ("adapter", "classifier", "experts")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_GLANCE_SECONDS = 20.0


class Part(NamedTuple):
    """A file that an output consists of."""

    kind: Literal["blob", "weights", "folder"]
    digest: str  # of a folder: its path below the project


class Finding(NamedTuple):
    """A file that is not what it should be, and who can make it again. `run` is empty where nobody knows."""

    part: Part
    state: Literal["missing", "damaged"]
    run: str = ""
    step: str = ""
    why_not: str = ""  # it cannot be made again, and why; empty if it can

    def __str__(self) -> str:
        made = f"made by {self.step} in run {self.run}" if self.run else "no run of this project says it made it"
        can = f"cannot be made again: {self.why_not}" if self.why_not else "can be made again"
        return f"{self.part.kind} {self.part.digest} is {self.state}; {made}; {can}"


class Wholeness:
    """The quick look at one project."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._glanced: dict[str, tuple[float, int]] = {}

    def absent(self, outputs: dict[str, Any]) -> list[Part]:
        """Parts of these outputs that are missing or cannot be whole by their size. One `stat` per file; of an export
        its folder is looked for.
        """
        written = [Part("folder", value) for name, value in outputs.items() if name == "folder"]
        return [
            part for part in (*parts(self._workspace, outputs), *written) if not _looks_whole(self._workspace, part)
        ]

    def glance(self, run_id: str, outputs: dict[str, Any]) -> int:
        """How many parts are absent, looked up at most every 20 seconds per run: for a page that asks every second."""
        at, count = self._glanced.get(run_id, (-_GLANCE_SECONDS, 0))
        if time.monotonic() - at >= _GLANCE_SECONDS:
            count = len(self.absent(outputs))
            self._glanced[run_id] = (time.monotonic(), count)
        return count

    def forget(self, run_id: str) -> None:
        """Look again at the next glance."""
        self._glanced.pop(run_id, None)

    def forget_all(self) -> None:
        """Look again at every next glance."""
        self._glanced.clear()


def parts(workspace: Workspace, outputs: dict[str, Any]) -> Iterator[Part]:
    """Every file that outputs consist of: documents, manifests, the images of sets, the weights of adapters."""
    for value in strings(outputs):
        if not _DIGEST.fullmatch(value.partition(":")[2]):
            continue
        prefix, digest = split_id(value)
        yield Part("blob", digest)
        try:
            if prefix in _SETS:
                yield from (Part("blob", member.image) for member in workspace.image_set(value))
            elif prefix in _HAVE_WEIGHTS:
                named = strings(workspace.document(value).get("weights"))
                yield from (Part("weights", one) for one in named if _DIGEST.fullmatch(one))
        except (Missing, Damaged):
            continue  # the document is absent, which was said; what it names is known once it is made again


def strings(value: Any) -> Iterator[str]:
    """Every string in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from strings(one)


def why_not(workspace: Workspace, step: Step) -> str:
    """Why a Step cannot be run again, as far as can be told beforehand; empty if it may."""
    if not isinstance(step, ImportImages) or step.source == "source:digits":
        return ""
    try:
        place = workspace.location("sources", step.source.removeprefix("source:"))["place"]
    except Missing as error:
        return str(error)
    if Path(place).exists():
        return ""
    return f"The photos came from {place}, which is not there any more. Put them back, or import them from elsewhere."


def examine(studio: "Studio", say: Callable[[int, int], None]) -> list[Finding]:
    """Read every file of the project; what is missing or damaged, with the run that can make it. What was thrown away
    on purpose is neither.

    `say` hears bytes read and bytes in all.
    """
    makers = _makers(studio)
    workspace = studio.workspace
    damaged = set(damaged_files(workspace, say))
    away = thrown_away(studio)
    missing = [part for part in makers if part not in away and not _path(workspace, part).exists()]
    found: list[tuple[Part, Literal["missing", "damaged"]]] = [(part, "missing") for part in missing]
    found += [(part, "damaged") for part in sorted(damaged)]
    return [_finding(studio, part, state, makers.get(part, "")) for part, state in found]


def thrown_away(studio: "Studio") -> set[Part]:
    """Images and weights that are missing on purpose, if they are: nothing that is not thrown away needs them."""
    marks = studio.catalog.freed.all()
    if not marks:
        return set()
    found = {Part("blob", digest) for digest in studio.catalog.freed.images()}
    of_freed: set[Part] = set()
    of_others: set[Part] = set()
    for one in studio.catalog.names.all(_HAVE_WEIGHTS):
        (of_freed if one.id in marks else of_others).update(
            part for part in parts(studio.workspace, {"": one.id}) if part.kind == "weights"
        )
    return found | (of_freed - of_others)


def damaged_files(workspace: Workspace, say: Callable[[int, int], None]) -> Iterator[Part]:
    """Every blob and weight file whose content is not what its name says; needs no catalog."""
    blobs = [(Part("blob", path.name), path) for path in workspace.blobs.glob("??/*") if _DIGEST.fullmatch(path.name)]
    weights = [
        (Part("weights", path.stem), path)
        for path in workspace.weights.glob("*.safetensors")
        if _DIGEST.fullmatch(path.stem)
    ]
    sizes = [path.stat().st_size for _, path in [*blobs, *weights]]
    done, total = 0, sum(sizes)
    for (part, path), size in zip([*blobs, *weights], sizes, strict=True):
        if path.is_file() and file_digest(path) != part.digest:
            yield part
        done += size
        say(done, total)


def repair(studio: "Studio", findings: Iterable[Finding], say: Callable[[str], None]) -> None:
    """Set damaged files aside and make again what Steps can, the oldest run first: later ones may need it."""
    todo = list(findings)
    for one in todo:
        if one.state == "damaged":
            aside = studio.workspace.set_aside(_path(studio.workspace, one.part), one.part.digest)
            say(f"{one.part.kind} {one.part.digest[:12]} set aside: {aside}")
    runs = [studio.catalog.runs.get(run) for run in {one.run for one in todo if one.run and not one.why_not}]
    for run in sorted(runs, key=lambda run: run.position):
        say(f"{run.kind} ({run.id}): making again what is not there")
        try:
            studio.make_again(run.id)
        except StudioError as error:
            say(f"{run.kind} ({run.id}): {error}")
            continue
        ended = studio.wait(run.id)
        studio.wholeness.forget(run.id)
        say(f"{run.kind} ({run.id}) is {ended.state}. {ended.error or ''}".rstrip())


def _makers(studio: "Studio") -> dict[Part, str]:
    """Which run made each file that should be there: images by the run that made them, the rest by the first to say."""
    found = {Part("blob", digest): run for digest, run in studio.catalog.images.makers().items()}
    for run in reversed(studio.catalog.runs.all(limit=1_000_000)):
        if run.state == "done":
            for part in parts(studio.workspace, studio.catalog.runs.outputs(run.id)):
                found.setdefault(part, run.id)
    return found


def _finding(studio: "Studio", part: Part, state: Literal["missing", "damaged"], run_id: str) -> Finding:
    if not run_id:
        return Finding(part, state, why_not="nobody knows how it was made. If you have a copy of the project, use it.")
    run = studio.catalog.runs.get(run_id)
    step = from_json(studio.catalog.runs.step_body(run.step_id))
    return Finding(part, state, run.id, run.kind, why_not(studio.workspace, step))


def _path(workspace: Workspace, part: Part) -> Path:
    return workspace.path(part.digest) if part.kind == "blob" else workspace.weight_path(part.digest)


def _looks_whole(workspace: Workspace, part: Part) -> bool:
    try:
        if part.kind == "folder":
            return (workspace.root / part.digest).is_dir()
        if part.kind == "weights":
            weightfile.read_header(_path(workspace, part))  # compares the size with what the header promises
            return True
        # Text, not a Path: a set has thousands, and making the Path takes longer than asking the disk.
        return os.stat(f"{workspace.blobs}/{part.digest[:2]}/{part.digest}").st_size > 0
    except (FileNotFoundError, NotADirectoryError, UnsafeInput, Damaged):
        return False
