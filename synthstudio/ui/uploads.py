"""Files on their way in: received aside, looked at in a process of its own, kept only when a person says so."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthstudio.errors import BadInput, Missing, StorageFull
from synthstudio.intake import sources
from synthstudio.intake.entries import printable
from synthstudio.step import build
from synthstudio.terms import clean_label
from synthstudio.ui import dryrun
from synthstudio.ui.session import StudioSession
from synthstudio.ui.stock import ABOUT
from synthstudio.ui.stock import folder as stock_folder
from synthstudio.workspace import slug, storage_errors, write_atomically

_TOKEN = re.compile(r"[0-9a-f]{32}")
_MOST_FILES = 20_000
_MOST_BYTES = 8 << 30
_FREE_BYTES = 1 << 30
_MOST_DEPTH = 12
_OLD_SECONDS = 24 * 3600
_MOST_OPEN = 8
_LOOK_BYTES = 8 << 20


class Uploads:
    """All uploads that are not yet confirmed, each in a folder named by a token."""

    def __init__(self, session: StudioSession) -> None:
        self._session = session
        self._looking: dict[str, subprocess.Popen[bytes]] = {}
        self._sizes: dict[str, _Size] = {}

    @property
    def _root(self) -> Path:
        return self._session.home / "tmp" / "uploads"

    def begin(self) -> str:
        """A place for new files. Uploads nobody confirmed within a day are removed."""
        self._session.check_writable()
        with storage_errors(self._root):
            self._root.mkdir(parents=True, exist_ok=True)
            for old in self._root.iterdir():
                if time.time() - old.stat().st_mtime > _OLD_SECONDS:
                    self.discard(old.name)
            if len(list(self._root.iterdir())) >= _MOST_OPEN:
                self.discard(min(self._root.iterdir(), key=lambda one: one.stat().st_mtime).name)
            token = uuid.uuid4().hex
            (self._root / token / dryrun.FILES).mkdir(parents=True)
        return token

    async def receive(self, token: str, name: str, body: AsyncIterator[bytes]) -> int:
        """Store one file under its relative name; a file that is cut off leaves nothing. Returns its size."""
        target = self._folder(token) / dryrun.FILES
        for part in clean_parts(name):
            target = target / part
        held = self._sizes.setdefault(token, _Size())
        if held.files >= _MOST_FILES:
            raise BadInput(f"More than {_MOST_FILES:,} files. Bring them in by parts, or as a parquet file.")
        aside = target.with_name(f".{uuid.uuid4().hex}.part")
        size = 0
        with storage_errors(target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with aside.open("xb") as out:
                    async for chunk in body:
                        size += len(chunk)
                        held.bytes += len(chunk)  # counted at once: files come side by side
                        self._check_room(held)
                        out.write(chunk)
                os.replace(aside, target)
                held.files += 1
            except BaseException:
                held.bytes -= size
                raise
            finally:
                aside.unlink(missing_ok=True)
        return size

    def check(self, token: str, label: str) -> None:
        """Start to look at the files; loose pictures are put into the class that was named."""
        folder = self._folder(token)
        self._end_look(token)
        if label.strip():
            _gather(folder / dryrun.FILES, label)
        for name in (dryrun.REPORT, dryrun.PROGRESS):
            (folder / name).unlink(missing_ok=True)
        with (folder / "log.txt").open("ab") as out:
            self._looking[token] = subprocess.Popen(
                [sys.executable, "-m", "synthstudio.ui.dryrun", str(folder)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=Path(__file__).parents[2],
            )  # fmt: skip

    def status(self, token: str) -> dict[str, Any]:
        """How far the look is, or what it found."""
        folder = self._folder(token)
        process = self._looking.get(token)
        with suppress(FileNotFoundError):
            return {"state": "checked", "report": json.loads((folder / dryrun.REPORT).read_bytes())}
        if process is None:
            return {"state": "receiving"}
        if process.poll() is not None:
            text = "The files could not be looked at: the process ended. Give fewer or smaller files."
            return {"state": "checked", "report": {"error": text}}
        progress = {"done": 0, "total": 0}
        with suppress(FileNotFoundError):
            progress = json.loads((folder / dryrun.PROGRESS).read_bytes())
        return {"state": "checking", **progress}

    def confirm(self, token: str, title: str) -> dict[str, str]:
        """Keep the files with the project and import them. Returns the run that does it and the data's place."""
        folder = self._folder(token)
        found = self.status(token).get("report", {})
        if not found.get("images"):
            raise BadInput("There is nothing to import: no usable image was found.")
        title = printable(title.strip() or "Photos")[:80]
        target = stock_folder(self._session) / f"{time.strftime('%Y%m%d-%H%M%S')}-{slug(title)}-{token[:6]}"
        place = dryrun.source_of(folder / dryrun.FILES).relative_to(folder)
        with storage_errors(target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(folder / "look", ignore_errors=True)
            shutil.move(folder, target)
        about = {"title": f"{title} ({found['images']} photos)", "path": str(place), "photos": found["images"],
                 "labels": [one["label"] for one in found["classes"]]}  # fmt: skip
        write_atomically(target / ABOUT, json.dumps(about, ensure_ascii=False).encode())
        self._end_look(token)
        data = str(target / place)
        step = build("collect.import_images", {"source": sources.register(data, self._session.studio.workspace)})
        with self._session.acting() as studio:
            run_id, _ = studio.submit(step)
        return {"run": run_id, "data": data}

    def discard(self, token: str) -> None:
        """Forget an upload and its files."""
        folder = self._folder(token)
        self._end_look(token)
        self._sizes.pop(token, None)
        shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """End every look."""
        for token in list(self._looking):
            self._end_look(token)

    def _end_look(self, token: str) -> None:
        """A new look replaces the one before, and nobody needs one of files that are gone."""
        process = self._looking.pop(token, None)
        if process is not None:
            process.kill()
            process.wait()

    def _folder(self, token: str) -> Path:
        folder = self._root / token
        if not _TOKEN.fullmatch(token) or not folder.is_dir():
            raise Missing("This upload is not here any more. Drop the files again.")
        return folder

    def _check_room(self, held: "_Size") -> None:
        if held.bytes > _MOST_BYTES:
            raise BadInput(f"More than {_MOST_BYTES >> 30} GB in one upload. Bring the files in by parts.")
        if held.bytes >= held.looked or held.looked == 0:
            held.looked = held.bytes + _LOOK_BYTES
            self._session.check_room(_LOOK_BYTES)
            if shutil.disk_usage(self._root).free < _FREE_BYTES:
                raise StorageFull("Less than 1 GB is free on the disk of this project. Free some space first.")


@dataclass
class _Size:
    """What one upload holds, and at how many bytes to look at the disk again."""

    files: int = 0
    bytes: int = 0
    looked: int = 0


def clean_parts(name: str) -> list[str]:
    """The folders and the name of an uploaded file, so that it can lie nowhere but in its own upload."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts or len(parts) > _MOST_DEPTH or any(part == ".." or "\0" in part for part in parts):
        raise BadInput(f"{printable(name)[:80]!r} is not a usable file name.")
    return [part if len(part.encode()) <= 200 else part.encode()[-200:].decode("utf-8", "ignore") for part in parts]


def _gather(files: Path, label: str) -> None:
    try:
        name = clean_label(label).replace("/", "∕")
    except ValueError as error:
        raise BadInput(f"This class name cannot be used: {error}.") from error
    if name in (".", ".."):
        raise BadInput("A class needs a name, not only dots.")
    loose = [path for path in files.iterdir() if path.is_file()]
    (files / name).mkdir(exist_ok=True)
    for path in loose:
        os.replace(path, files / name / path.name)
