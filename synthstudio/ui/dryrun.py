"""Look at uploaded files without keeping any: `python -m synthstudio.ui.dryrun FOLDER`.

It runs in a process of its own, with bounded memory, because strangers' files are decoded; the page only reads the
answer. What it finds stands in `report.json` beside the files; `progress.json` says how far it is.
"""

import base64
import contextlib
import io
import json
import resource
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from PIL import Image

from synthstudio.errors import StudioError
from synthstudio.fingerprint import fingerprint, near_duplicates
from synthstudio.intake import sources
from synthstudio.intake.decode import Decoded, Refusal, decode
from synthstudio.intake.entries import Entry, Limits, Rejected
from synthstudio.workspace import Workspace, write_atomically

FILES, REPORT, PROGRESS = "files", "report.json", "progress.json"
_MEMORY_BYTES = 4 << 30
_SHOWN_REFUSED = 300
_SHOWN_PICTURES = 4
_MOST_COMPARED = 4000
_SIDE = 72


def look(folder: Path) -> dict[str, Any]:
    """What an import of the files would bring: classes, refusals, duplicates. Nothing is kept."""
    workspace = Workspace(folder / "look")
    workspace.locations.mkdir(parents=True, exist_ok=True)
    source_id = sources.register(str(source_of(folder / FILES)), workspace)
    seen = _Seen()
    with contextlib.closing(sources.open_source(source_id, workspace, Limits())) as source:
        total = len(source)
        for done, entry in enumerate(source, start=1):
            seen.take(entry)
            if done % 10 == 0 or done == total:
                write_atomically(folder / PROGRESS, json.dumps({"done": done, "total": total}).encode())
        declared = source.declared
    return seen.report(declared)


def source_of(files: Path) -> Path:
    """A single zip or table is the source itself; anything else is a folder."""
    inside = [path for path in files.iterdir() if not path.name.startswith(".")]
    if len(inside) == 1 and inside[0].is_file():
        return inside[0]
    if len(inside) == 1 and inside[0].is_dir() and any(one.is_dir() for one in inside[0].iterdir()):
        return inside[0]
    return files


class _Seen:
    """What has been looked at so far."""

    def __init__(self) -> None:
        self._first: dict[bytes, tuple[str, str]] = {}  # pixels → (name, class)
        self._prints: list[Any] = []
        self._refused: list[tuple[str, str]] = []
        self._images: dict[str, int] = defaultdict(int)
        self._given: dict[str, int] = defaultdict(int)
        self._pictures: dict[str, list[str]] = defaultdict(list)
        self._smallest = 1 << 30
        self._repeats = self._conflicts = 0

    def take(self, entry: Entry | Rejected | None) -> None:
        """Read and decode one entry."""
        if isinstance(entry, Rejected):
            self._refused.append((entry.name, entry.reason))
        if not isinstance(entry, Entry):
            return
        try:
            self._keep(entry, decode(entry.read(), max_side=256))
        except Refusal as refusal:
            self._refused.append((entry.name, str(refusal)))

    def _keep(self, entry: Entry, image: Decoded) -> None:
        name, label = self._first.setdefault(image.png, (entry.name, entry.label))
        if name != entry.name:
            self._repeats += label == entry.label
            self._conflicts += label != entry.label
            return
        self._images[entry.label] += 1
        self._given[entry.given] += 1
        self._smallest = min(self._smallest, image.width, image.height)
        if len(self._prints) < _MOST_COMPARED:
            self._prints.append(fingerprint(image.png))
        if len(self._pictures[entry.label]) < _SHOWN_PICTURES:
            self._pictures[entry.label].append(_thumbnail(image.png))

    def report(self, declared: tuple[str, ...]) -> dict[str, Any]:
        """Everything as plain values."""
        reasons = Counter(reason for _, reason in self._refused)
        return {
            "classes": [
                {"label": label, "images": count, "pictures": self._pictures[label]}
                for label, count in sorted(self._images.items())
            ],
            "images": sum(self._images.values()),
            "empty": sorted(set(declared) - set(self._images)),
            "refused": [{"name": name, "reason": reason} for name, reason in self._refused[:_SHOWN_REFUSED]],
            "refused_count": len(self._refused),
            "reasons": [{"reason": reason, "count": count} for reason, count in reasons.most_common(20)],
            "repeats": self._repeats,
            "conflicts": self._conflicts,
            "near_duplicates": len(near_duplicates(self._prints)),
            "compared": len(self._prints),
            "given": {split: count for split, count in self._given.items() if split},
            "smallest_side": self._smallest if self._images else 0,
        }  # fmt: skip


def _thumbnail(png: bytes) -> str:
    """A small picture inside the answer itself: the files are served to nobody before they are imported."""
    with Image.open(io.BytesIO(png)) as file:
        small = file.convert("RGB")
        small.thumbnail((_SIDE, _SIDE))
        out = io.BytesIO()
        small.save(out, "WEBP", quality=70)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode()


def main() -> None:
    """Entry point: always leaves a report, if need be one that says what is wrong."""
    folder = Path(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    try:
        found = look(folder)
    except StudioError as error:
        found = {"error": str(error)}
    except MemoryError:
        found = {"error": "Looking at these files takes too much memory. Give them in parts, or as smaller images."}
    write_atomically(folder / REPORT, json.dumps(found, ensure_ascii=False).encode())


if __name__ == "__main__":
    main()
