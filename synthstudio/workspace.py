"""A project's folder: content-addressed blobs and weights, run folders, exports.

    <home>/projects/<slug>/   project.json  catalog.duckdb  blobs/  weights/  runs/  exports/  logs/
                              locations/sources/  locations/models/
    <home>/models/            models that came in a package, converted: one folder per digest
    <home>/locks/             one lock per device

A file appears under its final name only when it is complete: written aside, synced, renamed.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from synthstudio.artifacts import ImageSet, canonical, digest_of, split_id
from synthstudio.errors import BadInput, Damaged, Missing, StorageFull

_CHUNK = 1 << 20
BLOCK = 4096
_AGAIN = (
    "Run the step that made it again: “Make again” at its run in the page, or use python -m synthstudio doctor --repair"
)

Located = Literal["sources", "models"]


def slug(name: str) -> str:
    """A folder name for any text. Names that lose something by it get a digest, so they stay apart."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
    return plain if plain == name else f"{plain or 'x'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn a full or read-only disk into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageFull(
                f"The disk that holds {path} is full. Free some space and resume; nothing finished is lost."
            ) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST):
            raise StorageFull(
                f"{path} cannot be written ({error.strerror}). Choose another folder with --home or SYNTHSTUDIO_HOME."
            ) from error
        raise


def on_disk(size: int) -> int:
    """The bytes a file of this size takes on a disk of 4-kB blocks."""
    return max(1, -(-size // BLOCK)) * BLOCK


def write_atomically(path: Path, data: bytes) -> None:
    """Write aside, sync, rename: a reader sees the old file, the new file, never half of one."""
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    with storage_errors(path.parent):
        make_folder(path.parent)
        try:
            with aside.open("wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            os.replace(aside, path)
            sync_folder(path.parent)
        finally:
            aside.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last: after a power loss a renamed file is only there if its folder was synced too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder and what is above it, each lasting in the one above."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def append_whole(path: Path, data: bytes, sync: bool) -> int:
    """Add bytes to the end of a file that has one writer: all of them, or none; returns the size before.

    A disk that fills takes part of a write. What it took is cut off again, so that the next line starts on its own.
    """
    with storage_errors(path.parent):
        made = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            before = os.fstat(descriptor).st_size
            try:
                _write_all(descriptor, data)
                if sync:
                    os.fsync(descriptor)
            except BaseException:
                os.ftruncate(descriptor, before)
                raise
        finally:
            os.close(descriptor)
        if made:
            sync_folder(path.parent)
    return before


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def file_digest(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(
    folder: Path, suffixes: frozenset[str] | None = None, files: Iterable[Path] | None = None
) -> str:  # fmt: skip
    """A digest over the relative names and contents of the files below a folder; hidden files do not count.

    `suffixes` limits it to files with these endings, `files` to these.
    """
    rows = [
        [path.relative_to(folder).as_posix(), file_digest(path)]
        for path in sorted(folder.rglob("*") if files is None else files)
        if path.is_file()
        and (suffixes is None or path.suffix in suffixes)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    return digest_of(canonical(rows))


class Workspace:
    """One project on disk. Knows files and digests; knows neither steps nor the catalog."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root).absolute()
        self.blobs = self.root / "blobs"
        self.weights = self.root / "weights"
        self.runs = self.root / "runs"
        self.exports = self.root / "exports"
        self.logs = self.root / "logs"  # numbers of runs for other programs, where somebody asked for them
        self.locations = self.root / "locations"
        self.damaged = self.root / "damaged"
        self.catalog = self.root / "catalog.duckdb"

    @classmethod
    def open(cls, home: Path, project: str) -> "Workspace":
        """The workspace of a project, made if it is new. Any text is a valid project name."""
        if not project.strip():
            raise BadInput("The project needs a name.")
        workspace = cls(Path(home) / "projects" / slug(project))
        with storage_errors(workspace.root):
            for folder in (workspace.blobs, workspace.weights, workspace.runs, workspace.exports, workspace.locations):
                folder.mkdir(parents=True, exist_ok=True)
        about = workspace.root / "project.json"
        if not about.exists():
            write_atomically(about, canonical({"name": project}))
        return workspace

    @property
    def home(self) -> Path:
        """The folder that all projects share."""
        return self.root.parent.parent

    @property
    def locks(self) -> Path:
        """Where device locks live: one folder for all projects of a home."""
        return self.home / "locks"

    @property
    def models(self) -> Path:
        """Where models that came in a package lie: one folder for all projects of a home."""
        return self.home / "models"

    # ---- blobs: images, manifests, documents

    def path(self, digest: str) -> Path:
        """Where the blob of this digest is or would be."""
        return self.blobs / digest[:2] / digest

    def put(self, data: bytes) -> str:
        """Store bytes once; returns their digest. Damaged bytes under that name are replaced by these."""
        digest = digest_of(data)
        path = self.path(digest)
        if not path.exists() or path.read_bytes() != data:
            write_atomically(path, data)
        return digest

    def get(self, digest: str) -> bytes:
        """Read a blob back, checked against its digest."""
        try:
            data = self.path(digest).read_bytes()
        except FileNotFoundError:
            raise Missing(f"Blob {digest[:12]} is not in {self.root}. {_AGAIN}.") from None
        if digest_of(data) != digest:
            self.set_aside(self.path(digest), digest)
            raise Damaged(f"Blob {digest[:12]} was damaged and lies in {self.damaged} now. {_AGAIN}.")
        return data

    def has(self, digest: str) -> bool:
        """Whether a blob is here."""
        return self.path(digest).exists()

    def intact(self, digest: str) -> bool:
        """Whether a blob is here and matches its digest; reads all of it."""
        return self.has(digest) and file_digest(self.path(digest)) == digest

    def put_set(self, image_set: ImageSet) -> str:
        """Store a manifest; returns the id of the set."""
        self.put(image_set.to_bytes())
        return image_set.id

    def image_set(self, set_id: str) -> ImageSet:
        """Read a set, pool or test set by id."""
        role, digest = split_id(set_id)
        found = ImageSet.from_bytes(self.get(digest))
        if found.role != role:
            raise BadInput(f"{set_id[:18]}… names a {found.role}, not a {role}.")
        return found

    def put_document(self, prefix: str, body: dict[str, Any]) -> str:
        """Store a JSON document under '<prefix>:<digest>'."""
        return f"{prefix}:{self.put(canonical(body))}"

    def document(self, document_id: str) -> dict[str, Any]:
        """Read a document by id."""
        return json.loads(self.get(split_id(document_id)[1]))

    # ---- weights: large files

    def weight_path(self, digest: str) -> Path:
        """Where a weight file is or would be."""
        return self.weights / f"{digest}.safetensors"

    def put_weights(self, file: Path) -> str:
        """Move a finished weight file in; returns its digest. Only safetensors are kept."""
        digest = file_digest(file)
        target = self.weight_path(digest)
        with storage_errors(self.weights):
            if target.exists() and file_digest(target) == digest:
                file.unlink()
            else:
                with file.open("rb") as done:
                    os.fsync(done.fileno())
                shutil.move(file, target)
                sync_folder(self.weights)
        return digest

    def get_weights(self, digest: str) -> Path:
        """The path of a stored weight file, checked against its digest: bad weights load as well as good ones."""
        path = self.weight_path(digest)
        if not path.exists():
            raise Missing(f"Weights {digest[:12]} are not in {self.weights}. {_AGAIN}.")
        if file_digest(path) != digest:
            self.set_aside(path, digest)
            raise Damaged(f"Weights {digest[:12]} were damaged and lie in {self.damaged} now. {_AGAIN}.")
        return path

    # ---- what is damaged

    def set_aside(self, path: Path, digest: str) -> Path | None:
        """Move a file that does not match its digest to `damaged/`, so that it counts as missing and can be made again.

        Nothing is deleted. None if the file is gone or whole after all: another process may have made it again.
        """
        aside = self.damaged / f"{path.name}-{uuid.uuid4().hex[:8]}"
        with storage_errors(self.damaged), contextlib.suppress(FileNotFoundError):
            self.damaged.mkdir(exist_ok=True)
            if file_digest(path) != digest:
                os.replace(path, aside)
                return aside
        return None

    # ---- locations: where something named by digest lies on this machine

    def locate(self, what: Located, digest: str, place: str, **about: str) -> None:
        """Remember where the content of a digest can be read, a path, and what else is known of it. Never part of a
        Step.
        """
        write_atomically(self.locations / what / digest[:64], canonical({"place": place, **about}))

    def location(self, what: Located, digest: str) -> dict[str, str]:
        """What `locate` was told: `place` and the rest. Sources and models are apart: photos that a stranger brought in
        must not become a model by being called one.

        Projects of earlier versions have both in one folder. Their entries are still found; who reads one checks that
        the place holds that digest as a source or as a model, and the two kinds of digest never agree.
        """
        for file in (self.locations / what / digest[:64], self.locations / digest[:64]):
            with contextlib.suppress(FileNotFoundError):
                return json.loads(file.read_bytes())
        raise Missing(f"Nobody told this project where {digest[:12]} lies. Name the files or the model again.")

    def run_folder(self, run_id: str) -> Path:
        """The folder of a run; run ids are made by us and hold no separators."""
        if not re.fullmatch(r"[0-9A-Za-z_-]{1,64}", run_id):
            raise BadInput(f"{run_id!r} is not a run id.")
        return self.runs / run_id


def copy_durably(source: Path, target: Path) -> None:
    """Copy a file so that `target` is complete as soon as it exists."""
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    with storage_errors(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with source.open("rb") as read, aside.open("wb") as write:
                shutil.copyfileobj(read, write, _CHUNK)
                write.flush()
                os.fsync(write.fileno())
            os.replace(aside, target)
        finally:
            aside.unlink(missing_ok=True)
