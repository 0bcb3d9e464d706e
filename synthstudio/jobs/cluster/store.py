"""What a machine of the cluster keeps between runs, by content, and the folder of one worker there.

<temporary folder>/synthstudio-cluster-<user>/
    store/blobs/  store/weights/  store/models/  store/locations/      what was sent, each once
    slots/<one worker>/projects/cluster/                               a project like any other, of links into the store
"""

import json
import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

from synthstudio.errors import Damaged
from synthstudio.jobs.cluster.parcels import Key, Manifest, Model, Piece, keys, source
from synthstudio.jobs.running.launchers import private_folder
from synthstudio.jobs.running.processes import same_process, start_time
from synthstudio.workspace import Workspace, file_digest, make_folder, storage_errors, write_atomically

MOST_BYTES = 20 << 30  # of what was sent; the things that were not used longest go first
_WHO = "worker.json"


class Store:
    """One user's store on one machine, and the slot of one worker."""

    def __init__(self, base: Path | None = None) -> None:
        self.base = private_folder("synthstudio-cluster") if base is None else base
        self.root = self.base / "store"
        for name in ("blobs", "weights", "models", "locations"):
            make_folder(self.root / name)
        self._clean()
        self.slot = self.base / "slots" / uuid.uuid4().hex[:12]
        make_folder(self.slot)
        here = os.getpid()
        write_atomically(self.slot / _WHO, json.dumps([here, start_time(here)]).encode())
        self.workspace = Workspace.open(self.slot, "cluster")
        (self.workspace.locations / "models").symlink_to(self.root / "locations")
        self._parts: dict[Key, Path] = {}

    def missing(self, manifest: Manifest) -> list[Key]:
        """What has to be sent; the rest is in its place afterwards."""
        shared = _sees(manifest)
        there = {model.digest for model in manifest.models if self._has_model(model)}
        wanted = []
        for key in keys(manifest):
            kind, name = key
            if kind == "model":
                if name.partition("/")[0] not in there:
                    wanted.append(key)
            elif not self._linked(key) and not (shared and self._copied(manifest, key)):
                wanted.append(key)
        return wanted

    def receive(self, pieces: list[Piece]) -> None:
        """Take parts of things in. Damaged if one is not what its name says."""
        for piece in pieces:
            aside = self._parts.setdefault(piece.key, self.slot / f"{uuid.uuid4().hex[:8]}.part")
            with storage_errors(self.slot), aside.open("ab") as out:
                out.write(piece.data)
            if piece.last:
                self._complete(self._parts.pop(piece.key), piece.key)

    def settle(self, manifest: Manifest) -> None:
        """Say where the models are that came in pieces, or that the worker makes from their package."""
        for model in manifest.models:
            arriving, place = self._arriving(model.digest), self.root / "models" / model.digest
            with suppress(FileNotFoundError, OSError):  # none came, or another worker was faster
                arriving.rename(place)
            if not (self.root / "locations" / model.digest).exists():
                self._locate(model, place)

    def remove(self) -> None:
        """Give the slot back."""
        shutil.rmtree(self.slot, ignore_errors=True)

    def keep(self, digest: str) -> None:
        """Keep what a worker made for the next one."""
        kept = self._kept(("blob", digest))
        if not kept.exists():
            make_folder(kept.parent)
            _link(self.workspace.path(digest), kept)

    def _kept(self, key: Key) -> Path:
        kind, name = key
        return self.root / "blobs" / name[:2] / name if kind == "blob" else self.root / "weights" / name

    def _place(self, key: Key) -> Path:
        """Where a thing belongs in the worker's project."""
        kind, name = key
        if kind == "blob":
            return self.workspace.path(name)
        return self.workspace.weight_path(name) if kind == "weights" else self.workspace.root / name

    def _linked(self, key: Key) -> bool:
        if key[0] == "file" or not (kept := self._kept(key)).exists():
            return False
        os.utime(kept)
        _link(kept, self._place(key))
        return True

    def _copied(self, manifest: Manifest, key: Key) -> bool:
        """Take a thing from the owner's folder, which this machine sees under the same path."""
        with suppress(FileNotFoundError):
            aside = self.slot / f"{uuid.uuid4().hex[:8]}.part"
            with storage_errors(self.slot):
                shutil.copyfile(source(Workspace(Path(manifest.root)), manifest, key), aside)
            self._complete(aside, key)
            return True
        return False

    def _complete(self, aside: Path, key: Key) -> None:
        kind, name = key
        if kind in ("blob", "weights"):
            if file_digest(aside) != name:
                aside.unlink()
                raise Damaged(f"{kind} {name[:12]} arrived damaged.")
            kept = self._kept(key)
            make_folder(kept.parent)
            os.replace(aside, kept)
            _link(kept, self._place(key))
            return
        if kind == "model":
            digest, _, relative = name.partition("/")
            target = self._arriving(digest) / relative
        else:
            target = self._place(key)
        make_folder(target.parent)
        os.replace(aside, target)

    def _arriving(self, digest: str) -> Path:
        return self.root / "models" / f".{digest}-{self.slot.name}"

    def _has_model(self, model: Model) -> bool:
        place, own = Path(model.about["place"]), self.root / "models" / model.digest
        for found in (own, place):
            if not model.files or not _same_files(found, model):
                continue
            if found == own:
                os.utime(own)
            self._locate(model, found)
            return True
        return not model.files

    def _locate(self, model: Model, place: Path) -> None:
        """Models are found as in any project; whoever reads one compares its content with the digest."""
        with suppress(FileNotFoundError, ValueError):
            if json.loads((self.root / "locations" / model.digest).read_bytes())["place"] == str(place):
                return
        about = {name: value for name, value in model.about.items() if name == "content"}
        self.workspace.locate("models", model.digest, str(place), **about)

    def _clean(self) -> None:
        """Remove slots of workers that are gone, and what was not used longest while there is too much."""
        for slot in (self.base / "slots").glob("*"):
            with suppress(FileNotFoundError, ValueError):
                if not same_process(*json.loads((slot / _WHO).read_bytes())):
                    shutil.rmtree(slot, ignore_errors=True)
        kept = [
            *(self.root / "blobs").glob("*/*"),
            *(self.root / "weights").glob("*"),
            *(self.root / "models").glob("*"),
        ]
        ages = []
        for path in kept:
            with suppress(FileNotFoundError):
                size = sum(one.stat().st_size for one in path.rglob("*")) if path.is_dir() else path.stat().st_size
                ages.append((path.stat().st_mtime, size, path))
        total = sum(size for _, size, _ in ages)
        for _, size, path in sorted(ages):
            if total <= MOST_BYTES:
                return
            total -= size
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _sees(manifest: Manifest) -> bool:
    """Whether this machine sees the owner's project under the same path: it reads what the owner just wrote."""
    path, text = manifest.token
    with suppress(OSError, UnicodeDecodeError):
        return bool(text) and Path(path).read_text() == text
    return False


def _same_files(place: Path, model: Model) -> bool:
    with suppress(OSError):
        return all((place / name).stat().st_size == size for name, size in model.files.items())
    return False


def _link(kept: Path, place: Path) -> None:
    """One file under two names; files are never changed in place."""
    make_folder(place.parent)
    with suppress(FileExistsError):
        try:
            os.link(kept, place)
        except PermissionError:  # a file system without links
            shutil.copyfile(kept, place)
