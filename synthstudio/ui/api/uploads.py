"""Files on their way in: received aside, looked at in a process of its own, kept only when a person says so."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from synthstudio.errors import BadInput, Missing, StorageFull
from synthstudio.intake import sources
from synthstudio.intake.entries import Entry, Limits, printable
from synthstudio.intake.trees import folder_source, walk
from synthstudio.jobs.knowing.stock import ABOUT
from synthstudio.jobs.knowing.stock import folder as stock_folder
from synthstudio.jobs.public.ledger import Ledger, Promise
from synthstudio.jobs.running.environment import for_workers
from synthstudio.quantities import many
from synthstudio.step import build
from synthstudio.steps.collect import dry_run
from synthstudio.ui.api import drops
from synthstudio.ui.session.state import StudioSession
from synthstudio.workspace import on_disk, slug, storage_errors, write_atomically

_TOKEN = re.compile(r"[0-9a-f]{32}")
_MOST_FILES = 20_000
_MOST_BYTES = 8 << 30
_FREE_BYTES = 1 << 30
_MOST_DEPTH = 12
_OLD_SECONDS = 24 * 3600
_MOST_OPEN = 8
_MOST_LOOKS = 2  # in all houses together: each may take some gigabytes


class Uploads:
    """All uploads that are not yet confirmed, each in a folder named by a token."""

    def __init__(self, session: StudioSession) -> None:
        self._session = session
        self._looks: dict[str, _Look] = {}
        self._starting = threading.Lock()
        self._held: dict[str, _Held] = {}
        session.looks = self.looking

    @property
    def _root(self) -> Path:
        return self._session.home / "tmp" / "uploads"

    def begin(self) -> str:
        """A place for new files. Uploads that nobody confirmed within a day are removed, and the oldest empty one where
        there are too many; BadInput while too many with files wait.
        """
        self._session.check_writable()
        with self._session.ledger.admitting(4 * on_disk(0), 4), storage_errors(self._root):
            self._root.mkdir(parents=True, exist_ok=True)
            waiting = sorted(self._root.iterdir(), key=lambda one: one.stat().st_mtime)
            empty = [one for one in waiting if not _holds_files(one)]
            old = [one for one in waiting if time.time() - one.stat().st_mtime > _OLD_SECONDS]
            spare = empty[: max(0, len(waiting) - _MOST_OPEN + 1)]
            for one in {*old, *spare}:
                self.discard(one.name)
            if len(list(self._root.iterdir())) >= _MOST_OPEN:
                raise BadInput(
                    f"{_MOST_OPEN} uploads wait to be imported or thrown away. Decide on one of them first; what nobody"
                    " decides on is removed after a day."
                )
            token = uuid.uuid4().hex
            for name in (dry_run.FILES, drops.INCOMING):
                (self._root / token / name).mkdir(parents=True)
            self._held[token] = _Held()
        return token

    async def receive(self, token: str, name: str, body: AsyncIterator[bytes], announced: int = 0) -> int:
        """Store one file under its relative name; a file that is cut off leaves nothing. Returns its size.

        Room for the bytes that were announced is kept from the start, and every piece is admitted before it is
        written. Off the event loop: the account may have to be measured.
        """
        folder = self._folder(token)
        file = _Incoming(folder, clean_parts(name), self._held.setdefault(token, _Held()), self._session.ledger)
        with storage_errors(folder), contextlib.ExitStack() as room:
            try:
                kept = self._session.ledger.promising(on_disk(announced))
                promise = await asyncio.to_thread(room.enter_context, kept)
                await asyncio.to_thread(file.begin, promise)
                async for piece in body:
                    await asyncio.to_thread(file.write, piece)
                await asyncio.to_thread(self._land, token, file)
            finally:
                file.close()
        return file.size

    def _land(self, token: str, file: "_Incoming") -> None:
        """Give a whole file its name; what was found of the files before does not hold any more."""
        # Admitted once more, for nothing: whoever measures while a file is renamed would find it in neither place.
        with self._session.ledger.admitting(), file.held.lock:
            self._folder(token)
            file.land()
            self._void(token)

    def _void(self, token: str) -> None:
        """What was found of the files does not hold any more."""
        self._end_look(token)
        (self._folder(token) / dry_run.REPORT).unlink(missing_ok=True)

    def remove(self, token: str, name: str = "", label: str = "") -> int:
        """Take a file out of an upload, by the name that the look shows, or all of a class; returns how many are left.

        Missing if there is no such file. What lies inside an archive stays: the archive can be taken out.
        """
        files = self._folder(token) / dry_run.FILES
        held = self._held.setdefault(token, _Held())
        with self._session.acting(), held.lock:
            names = {name}
            if label:
                entries = [one for one in folder_source(files, Limits(), None) if isinstance(one, Entry)]
                names = {entry.name for entry in entries if entry.label == label}
            every = walk(files)[0]
            gone = [path for inside, path in every if printable(inside) in names]
            if not gone:
                raise Missing("There is no such file in this upload. Look again to see what it holds.")
            self._void(token)
            for path in gone:
                held.give_back(path.stat().st_size, 1)
                path.unlink()
            drops.prune(files)
            return len(every) - len(gone)

    def check(self, token: str, label: str) -> None:
        """Start to look at the files; loose pictures are put into the class that was named. One look a person."""
        folder = self._folder(token)
        with self._session.acting() as studio:
            self._end_look(token)
            if self.looking(self._session.home):
                raise BadInput("Other files of yours are being looked at. Wait for that, or throw them away.")
            studio.admit([])
            with self._held.setdefault(token, _Held()).lock:
                drops.settle(folder / drops.INCOMING, folder / dry_run.FILES)
                if label.strip():
                    drops.gather(folder / dry_run.FILES, label)
            for name in (dry_run.REPORT, dry_run.PROGRESS):
                (folder / name).unlink(missing_ok=True)
            self._looks[token] = _Look(self._session.home, folder)
        self._start_looks()

    def looking(self, home: Path) -> int:
        """How many looks of a home are in progress or wait for their turn."""
        return sum(look.home == home and not look.over for look in list(self._looks.values()))

    def status(self, token: str) -> dict[str, Any]:
        """How far the look is, or what it found."""
        folder = self._folder(token)
        look = self._looks.get(token)
        over = look is not None and look.over
        with contextlib.suppress(FileNotFoundError):
            return {"state": "checked", "report": json.loads((folder / dry_run.REPORT).read_bytes())}
        if look is None:
            return {"state": "receiving"}
        if over:
            text = "The files could not be looked at: the process ended. Give fewer or smaller files."
            return {"state": "checked", "report": {"error": text}}
        self._start_looks()
        progress = {"done": 0, "total": 0}
        with contextlib.suppress(FileNotFoundError):
            progress = json.loads((folder / dry_run.PROGRESS).read_bytes())
        return {"state": "checking", **progress}

    def confirm(self, token: str, title: str) -> dict[str, str]:
        """Keep the files with the project and import them. Returns the run that does it and the data's place.

        BadInput if they are not the files that were looked at.
        """
        folder = self._folder(token)
        title = printable(title.strip() or "Photos")[:80]
        with self._held.setdefault(token, _Held()).lock:
            found = self.status(token).get("report", {})
            if not found.get("images"):
                raise BadInput("No usable photos. Add pictures, a zip of them, or a parquet file.")
            place = dry_run.source_of(folder / dry_run.FILES)
            source = sources.identify(str(place))
            if source != found["source"]:
                raise BadInput("The files have changed since they were looked at. Look at them again, then import.")
            return self._keep(token, title, found, place.relative_to(folder), source)

    def _keep(self, token: str, title: str, found: dict[str, Any], place: Path, source: str) -> dict[str, str]:
        folder = self._folder(token)
        target = stock_folder(self._session.studio) / f"{time.strftime('%Y%m%d-%H%M%S')}-{slug(title)}-{token[:6]}"
        about = {"title": f"{title} ({many(found['images'], 'photo')})", "path": str(place), "photos": found["images"],
                 "labels": [one["label"] for one in found["classes"]]}  # fmt: skip
        step = build("collect.import_images", {"source": source})
        with self._session.admitting(2 * on_disk(0), 3) as studio:
            studio.admit([step.kind])
            with storage_errors(target.parent):
                target.parent.mkdir(parents=True, exist_ok=True)
                for aside in ("look", drops.INCOMING):
                    shutil.rmtree(folder / aside, ignore_errors=True)
                shutil.move(folder, target)
            write_atomically(target / ABOUT, json.dumps(about, ensure_ascii=False).encode())
            self._forget(token)
            studio.workspace.locate("sources", source.partition(":")[2], str(target / place))
            run_id, _ = studio.submit(step)
        return {"run": run_id, "data": str(target / place)}

    def discard(self, token: str) -> None:
        """Forget an upload and its files."""
        folder = self._folder(token)
        self._forget(token)
        shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """End every look."""
        for token in list(self._looks):
            self._end_look(token)

    def _forget(self, token: str) -> None:
        self._end_look(token)
        self._held.pop(token, None)

    def _start_looks(self) -> None:
        """Begin with looks that wait, in the order they were asked for, as far as the machine has room for them."""
        with self._starting:
            looks = list(self._looks.values())
            room = _MOST_LOOKS - sum(look.process is not None and not look.over for look in looks)
            for look in [look for look in looks if look.process is None][: max(0, room)]:
                look.start()

    def _end_look(self, token: str) -> None:
        """A new look replaces the one before, and nobody needs one of files that are gone."""
        with self._starting:
            look = self._looks.pop(token, None)
            if look is not None and look.process is not None:
                look.process.kill()
                look.process.wait()

    def _folder(self, token: str) -> Path:
        folder = self._root / token
        if not _TOKEN.fullmatch(token) or not folder.is_dir():
            raise Missing("This upload is not here any more. Drop the files again.")
        return folder


@dataclass
class _Look:
    """A look at the files of an upload; without a process it waits for its turn."""

    home: Path
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def over(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def start(self) -> None:
        with (self.folder / "log.txt").open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "synthstudio.steps.collect.dry_run", str(self.folder)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=Path(__file__).parents[3],
                env=for_workers(os.environ),
            )  # fmt: skip


@dataclass
class _Held:
    """What one upload holds, counted before it is written: files come side by side."""

    files: int = 0
    bytes: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def take(self, count: int, files: int = 0) -> None:
        with self.lock:
            if self.files + files > _MOST_FILES:
                raise BadInput(f"More than {_MOST_FILES:,} files. Import them in parts, or as a parquet file.")
            if self.bytes + count > _MOST_BYTES:
                raise BadInput(f"More than {_MOST_BYTES >> 30} GB in one upload. Import them in parts.")
            self.files += files
            self.bytes += count

    def give_back(self, count: int, files: int) -> None:
        with self.lock:
            self.files = max(0, self.files - files)  # a page that was started anew has counted nothing
            self.bytes = max(0, self.bytes - count)


class _Incoming:
    """One file on its way in, kept aside until it is whole."""

    def __init__(self, folder: Path, parts: list[str], held: _Held, ledger: Ledger) -> None:
        self._files = folder / drops.INCOMING
        self._parts = parts
        self._aside = folder / f".{uuid.uuid4().hex}.part"
        self._out: BinaryIO | None = None
        self._ledger = ledger
        self._promise: Promise | None = None
        self._landed = False
        self._counted = 0
        self.held = held
        self.size = 0

    def begin(self, promise: Promise) -> None:
        """Refuse a name that cannot be had, a file too many, or one there is no room for."""
        self._check_place()
        self._promise = promise
        self.held.take(0, files=1)
        self._counted = 1
        made = sum(not self._files.joinpath(*self._parts[:n]).exists() for n in range(1, len(self._parts)))
        with self._ledger.admitting(on_disk(0) * (1 + made), 1 + made):
            self._out = self._aside.open("xb")

    def write(self, piece: bytes) -> None:
        """Add a piece, if there is room for it."""
        assert self._out is not None and self._promise is not None
        more = on_disk(self.size + len(piece)) - on_disk(self.size)
        with self._ledger.admitting(more, promise=self._promise):
            if shutil.disk_usage(self._aside.parent).free < _FREE_BYTES:
                raise StorageFull("Less than 1 GB is free on the disk of this project. Free some space first.")
            self.held.take(len(piece))
            self.size += len(piece)
            self._out.write(piece)
            self._out.flush()

    def land(self) -> None:
        """Give the whole file its name."""
        assert self._out is not None
        self._out.close()
        self._check_place()
        target = self._files.joinpath(*self._parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(self._aside, drops.free(target))
        self._landed = True

    def close(self) -> None:
        """Leave nothing of a file that did not land."""
        if self._out is not None:
            self._out.close()
        self._aside.unlink(missing_ok=True)
        if not self._landed:
            self.held.give_back(self.size, self._counted)

    def _check_place(self) -> None:
        for count in range(1, len(self._parts)):
            if self._files.joinpath(*self._parts[:count]).is_file():
                name = printable("/".join(self._parts[:count]))[:80]
                raise BadInput(f"{name!r} is a file in this upload already, so it cannot be a folder. Rename one.")
        if self._files.joinpath(*self._parts).is_dir():
            name = printable("/".join(self._parts))[:80]
            raise BadInput(f"{name!r} is a folder in this upload already, so it cannot be a file. Rename one.")


def _holds_files(upload: Path) -> bool:
    """Whether anything was sent, or is on its way."""
    return any(path.is_file() for path in upload.rglob("*"))


def clean_parts(name: str) -> list[str]:
    """The folders and the name of an uploaded file, so that it can lie nowhere but in its own upload."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts or len(parts) > _MOST_DEPTH or any(part == ".." or "\0" in part for part in parts):
        raise BadInput(f"{printable(name)[:80]!r} is not a usable file name.")
    return [part if len(part.encode()) <= 200 else part.encode()[-200:].decode("utf-8", "ignore") for part in parts]
