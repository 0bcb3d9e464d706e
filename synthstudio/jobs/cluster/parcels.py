"""What a Step needs, named by content, and sending it: only what the other side does not have."""

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from synthstudio import models
from synthstudio.errors import Missing
from synthstudio.jobs.running.log import NAME as EVENTS
from synthstudio.jobs.running.run_folder import NAME as REQUEST
from synthstudio.step import Step
from synthstudio.workspace import Workspace

Key = tuple[str, str]  # ("blob" | "weights" | "model" | "file", name)

_DIGEST = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_MODEL = re.compile(rb"@([0-9a-f]{64}|[0-9a-f]{40})(?![0-9a-f])")
_PIECE_BYTES = 16 << 20
_CACHE_BYTES = 256 << 20  # what can be worked out again goes along only while it is small
_RETURNING = ("embeddings/", "cache/")


class Model(NamedTuple):
    """A model folder: where it lies with the owner, and its files by relative name with their sizes."""

    digest: str
    about: dict[str, str]
    files: dict[str, int]


class Manifest(NamedTuple):
    """Everything that a run is given. `token` is a file of the owner and what it says: who can read it sees `root`."""

    root: str
    token: tuple[str, str]
    blobs: list[str]
    weights: list[str]
    models: list[Model]
    files: dict[str, int]  # below the project: vectors and other caches, logs, the scratch folder of the run


class Piece(NamedTuple):
    """A part of one thing, in order; `last` completes it."""

    key: Key
    data: bytes
    last: bool


class Named(NamedTuple):
    """What texts name, and what the documents that they name name in turn."""

    blobs: list[str]
    weights: list[str]
    models: set[str]


def named_in(workspace: Workspace, texts: Iterable[bytes], known: Collection[str] = ()) -> Named:
    """Blobs and weights of the workspace whose digests appear in texts or in documents that are named there."""
    found, seen, waiting = Named([], [], set()), set(known), list(texts)
    while waiting:
        text = waiting.pop()
        found.models.update(match.decode() for match in _MODEL.findall(text))
        for digest in {match.decode() for match in _DIGEST.findall(text)} - seen:
            seen.add(digest)
            if workspace.has(digest):
                found.blobs.append(digest)
                with workspace.path(digest).open("rb") as file:
                    if file.read(1) in (b"{", b"["):
                        waiting.append(b"{" + file.read())
            elif workspace.weight_path(digest).exists():
                found.weights.append(digest)
    return found


def needed(workspace: Workspace, step: Step, run_id: str, token: tuple[str, str]) -> Manifest:
    """What a worker needs for a Step that it does in one piece, or in shares; what an earlier attempt left is part of
    the former only.
    """
    named = named_in(workspace, [step.to_json().encode()])
    carried = [one for digest in sorted(named.models) if (one := _model(workspace, digest)) is not None]
    folders = [workspace.root / "embeddings" / model.digest for model in carried]
    files = _small(workspace.root, [*folders, workspace.root / "cache"])
    if step.reads_logs:
        files |= _logs(workspace, set(named.blobs))
    if not step.rows:
        folder = workspace.run_folder(run_id)
        files |= _sizes(workspace.root, [folder / EVENTS, *(folder / "scratch").rglob("*")])
    return Manifest(str(workspace.root), token, named.blobs, named.weights, carried, files)


def keys(manifest: Manifest) -> list[Key]:
    """The name of every thing in a manifest."""
    return [
        *(("blob", digest) for digest in manifest.blobs),
        *(("weights", digest) for digest in manifest.weights),
        *(("model", f"{model.digest}/{name}") for model in manifest.models for name in model.files),
        *(("file", name) for name in manifest.files),
    ]


def pieces(workspace: Workspace, manifest: Manifest, wanted: Iterable[Key]) -> Iterator[list[Piece]]:
    """These things in loads of some megabytes, each read when it is its turn."""
    load: list[Piece] = []
    size = 0
    for key in wanted:
        with source(workspace, manifest, key).open("rb") as file:
            while True:
                data = file.read(_PIECE_BYTES)
                last = len(data) < _PIECE_BYTES
                load.append(Piece(key, data, last))
                size += len(data) + 100
                if size >= _PIECE_BYTES:
                    yield load
                    load, size = [], 0
                if last:
                    break
    if load:
        yield load


def source(workspace: Workspace, manifest: Manifest, key: Key) -> Path:
    """Where a thing lies in the owner's project, or beside it."""
    kind, name = key
    if kind == "blob":
        return workspace.path(name)
    if kind == "weights":
        return workspace.weight_path(name)
    if kind == "file":
        return workspace.root / name
    digest, _, relative = name.partition("/")
    place = next(model.about["place"] for model in manifest.models if model.digest == digest)
    return Path(place) / relative


def may_return(name: str, run_id: str) -> bool:
    """Whether a worker may leave a file of this name in the owner's project: caches, and the scratch of its run."""
    inside = name.startswith((*_RETURNING, f"runs/{run_id}/scratch/"))
    return inside and not any(part in ("", ".", "..") for part in name.split("/")) and "\\" not in name


def returning(root: Path, run_id: str) -> Iterator[tuple[str, Path]]:
    """The files of a worker's project that the owner keeps beside blobs and weights, by name."""
    for folder in (*(root / name for name in _RETURNING), root / "runs" / run_id / "scratch"):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                yield path.relative_to(root).as_posix(), path


def _model(workspace: Workspace, digest: str) -> Model | None:
    """A model with its files; none of one that is not here, which the worker says in its own words."""
    try:
        about, paths = models.files_behind(digest, workspace)
    except Missing:
        return None
    place = Path(about["place"])
    return Model(digest, about, {path.relative_to(place).as_posix(): path.stat().st_size for path in paths})


def _small(root: Path, folders: Iterable[Path]) -> dict[str, int]:
    found: dict[str, int] = {}
    for folder in folders:
        sizes = _sizes(root, folder.rglob("*"))
        if sum(sizes.values()) <= _CACHE_BYTES:
            found |= sizes
    return found


def _logs(workspace: Workspace, blobs: set[str]) -> dict[str, int]:
    """The logs and requests of runs that speak of these images and documents."""
    found: dict[str, int] = {}
    for log in workspace.runs.glob(f"*/{EVENTS}"):
        if not blobs.isdisjoint(match.decode() for match in _DIGEST.findall(log.read_bytes())):
            found |= _sizes(workspace.root, [log, log.with_name(REQUEST)])
    return found


def _sizes(root: Path, paths: Iterable[Path]) -> dict[str, int]:
    return {
        path.relative_to(root).as_posix(): path.stat().st_size
        for path in paths
        if path.is_file() and not path.name.startswith(".")
    }
