"""What a project holds: sets, adapters, classifiers, reports, exports and unfinished runs, with sizes and ties.

Bytes are those on the disk, in whole blocks. An image in two sets counts in both, so sizes of things do not add up.
"""

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from synthstudio.catalog.names import Named
from synthstudio.catalog.runs import ACTIVE, Run
from synthstudio.errors import UnknownName
from synthstudio.jobs.keeping.remaking import SETS, WEIGHTS
from synthstudio.jobs.keeping.wholeness import parts
from synthstudio.steps.adapt.previews import FOLDER as PREVIEWS
from synthstudio.workspace import Workspace, on_disk

if TYPE_CHECKING:
    from synthstudio.jobs.studio import Studio

REPORT, EXPORT, RUN = "report", "export", "run"
ROLES = (*SETS, *WEIGHTS, REPORT, EXPORT, RUN)
_NAMED = re.compile(r"(?:set|test|pool|adapter|classifier|experts|report):[0-9a-f]{64}")

State = Literal["here", "freed", "partly", "working"]


@dataclass(frozen=True)
class Thing:
    """Something with a name. `images` counts those of a set; `kind` and `run` say what made it."""

    id: str
    role: str
    name: str
    given: bool  # the name, by a person
    images: int | None
    bytes: int
    state: State
    freed_at: float | None
    kind: str
    run: str
    run_state: str
    created: float
    made_from: tuple[str, ...]  # artifacts its run was given
    used_by: tuple[str, ...]  # runs that were given it, oldest first


def every(studio: "Studio") -> list[Thing]:
    """Everything that has a name and takes room, the newest first."""
    return list(_Look(studio).things())


def one(studio: "Studio", thing: str) -> Thing:
    """A thing by its id; UnknownName if this project has none."""
    found = next((one for one in every(studio) if one.id == thing), None)
    if found is None:
        raise UnknownName("There is no such thing in this project. Look at the list again.")
    return found


def find(studio: "Studio", text: str) -> str:
    """The id of the thing that a person means by a name, an id or the beginning of one."""
    return studio.catalog.names.find(text, ROLES)


class _Look:
    """One look at a project; files are asked for their size once."""

    def __init__(self, studio: "Studio") -> None:
        self._studio = studio
        self._workspace = studio.workspace
        self._runs: dict[str, Run] = {run.id: run for run in studio.catalog.runs.all(limit=1_000_000)}
        self._inputs = {run: _NAMED.findall(body) for run, body in studio.catalog.runs.bodies().items()}
        self._members = studio.catalog.images.by_set()
        self._exports = studio.catalog.runs.with_output("folder")
        self._freed = studio.catalog.freed.all()
        self._sizes: dict[str, int] = {}
        self._used: dict[str, list[str]] = {}
        for run in sorted(self._runs.values(), key=lambda run: run.position):
            for artifact in dict.fromkeys(self._inputs[run.id]):
                self._used.setdefault(artifact, []).append(run.id)

    def things(self) -> Iterator[Thing]:
        for named in self._studio.catalog.names.all():
            run = self._runs.get(named.run or "")
            role = self._role(named, run)
            if role and run is not None:
                yield self._thing(named, role, run)

    def _role(self, named: Named, run: Run | None) -> str:
        """What the list calls it; nothing for what is not in the list: recipe runs, finished runs, scores."""
        if named.role != RUN:
            return named.role if named.role in ROLES else ""
        if run is not None and run.state == "done":
            return EXPORT if run.id in self._exports else ""
        return RUN

    def _thing(self, named: Named, role: str, run: Run) -> Thing:
        there, missing = self._room(named.id, role, run)
        if role == RUN:
            there += working_bytes(self._workspace, run.id)
        mark = self._freed.get(named.id)
        state: State = "working" if role == RUN and run.state in ("queued", *ACTIVE) else "here"
        if mark is not None and state == "here" and (missing or role in (RUN, EXPORT)):
            state = "partly" if there else "freed"
        return Thing(
            id=named.id, role=role, name=named.name, given=named.given,
            images=self._count(named, role), bytes=there,
            state=state, freed_at=mark.at if mark is not None and state != "here" else None, kind=run.kind, run=run.id,
            run_state=run.state, created=run.finished or run.created,
            made_from=tuple(dict.fromkeys(self._inputs[run.id])),
            used_by=tuple(one for one in self._used.get(named.id, ()) if one != run.id),
        )  # fmt: skip

    def _count(self, named: Named, role: str) -> int | None:
        return self._studio.catalog.images.count(named.id) if role == RUN else named.size

    def _room(self, thing: str, role: str, run: Run) -> tuple[int, bool]:
        """Bytes that are there, and whether anything is missing."""
        if role == EXPORT:
            folder = export_folder(self._studio, run)
            return (tree_bytes(folder), False) if folder is not None else (0, True)
        if role == RUN:
            images = [one["digest"] for one in self._studio.catalog.images.made_by(run.id, limit=1_000_000)]
            sizes = [self._size(digest) for digest in images]
        elif role in SETS:
            sizes = [self._size(digest) for digest in self._members.get(thing, ())]
        else:
            sizes = [
                _size(self._workspace.weight_path(part.digest) if part.kind == "weights" else
                      self._workspace.path(part.digest))
                for part in parts(self._workspace, {"": thing})
            ]  # fmt: skip
            # The document stays when the weights go, and says nothing about them.
            return (sum(sizes[1:]) or (0 if len(sizes) > 1 else sum(sizes))), 0 in sizes
        return sum(sizes), 0 in sizes

    def _size(self, digest: str) -> int:
        if digest not in self._sizes:
            self._sizes[digest] = _size(f"{self._workspace.blobs}/{digest[:2]}/{digest}")
        return self._sizes[digest]


def export_folder(studio: "Studio", run: Run) -> Path | None:
    """The folder that a finished export wrote, inside the project's exports and no link; None if it is not there."""
    value = studio.catalog.runs.outputs(run.id).get("folder")
    root = studio.workspace.exports.resolve()
    folder = studio.workspace.root / str(value)
    if value is None or folder.is_symlink() or not folder.is_dir():
        return None
    resolved = folder.resolve()
    return folder if resolved != root and resolved.is_relative_to(root) else None


def working_files(workspace: Workspace, run_id: str) -> list[Path]:
    """What a run keeps to be resumed with; the pictures it drew of itself while training are not among them."""
    scratch = workspace.run_folder(run_id) / "scratch"
    if scratch.is_symlink() or not scratch.is_dir():
        return []
    return sorted(path for path in scratch.iterdir() if path.name != PREVIEWS)


def working_bytes(workspace: Workspace, run_id: str) -> int:
    """Bytes of these files."""
    return sum(tree_bytes(path) for path in working_files(workspace, run_id))


def tree_bytes(path: Path) -> int:
    """Bytes on the disk of a file, or of all files below a folder; links are not followed."""
    if path.is_symlink() or not path.is_dir():
        return _size(path)
    return sum(_size(Path(here) / name) for here, _, names in os.walk(path, followlinks=False) for name in names)


def described(thing: Thing) -> dict[str, Any]:
    """A thing as JSON values."""
    return {**vars(thing), "made_from": list(thing.made_from), "used_by": list(thing.used_by)}


def names_of(studio: "Studio", things: Collection[str]) -> dict[str, str]:
    """Names by id, of those that have one."""
    return {one.id: one.name for one in studio.catalog.names.all() if one.id in set(things)}


def _size(path: Path | str) -> int:
    """Bytes on the disk; 0 if it is not there."""
    try:
        return on_disk(os.lstat(path).st_size)
    except (FileNotFoundError, NotADirectoryError):
        return 0
