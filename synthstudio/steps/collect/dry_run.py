"""Look at photos without keeping any: `import --dry-run`, and for uploads `python -m …collect.dry_run FOLDER`.

It asks the Step `collect.import_images` itself what would be kept, and lets the pictures go. It runs in a process of
its own, with bounded memory, because strangers' files are read; pictures are decoded in yet another one. The page only
reads the answer, which names the files by their digest: it is void when they change. What it finds stands in
`report.json` beside the files; `progress.json` says how far it is.
"""

import base64
import contextlib
import io
import json
import sys
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from PIL import Image

from synthstudio.artifacts import digest_of
from synthstudio.errors import StudioError
from synthstudio.events import Refused
from synthstudio.fingerprint import fingerprint, near_duplicates
from synthstudio.intake import sources
from synthstudio.intake.entries import printable
from synthstudio.intake.isolated import limit_memory
from synthstudio.intake.trees import HOMELESS, walk
from synthstudio.resources import cpu_count
from synthstudio.steps.collect import readiness
from synthstudio.steps.collect.import_images import Arrival, ImportImages, Intake
from synthstudio.steps.collect.readiness import Remark
from synthstudio.workspace import Workspace, write_atomically

FILES, REPORT, PROGRESS = "files", "report.json", "progress.json"
_MEMORY_BYTES = 3 << 30
_MOST_WORKERS = 4
_SHOWN_REFUSED = 300
_SHOWN_PICTURES = 4
_MOST_COMPARED = 4000
_SHOWN_NAMES = 3
_SIDE = 72


def look(folder: Path) -> dict[str, Any]:
    """What an import of the files of an upload would bring: classes, refusals, duplicates. Nothing is kept."""
    files = folder / FILES

    def say(done: int, total: int) -> None:
        write_atomically(folder / PROGRESS, json.dumps({"done": done, "total": total}).encode())

    found = _looked(str(source_of(files)), folder / "look", {printable(name) for name, _ in walk(files)[0]}, say)
    return found | {"archives": [printable(path.name) for path in sources.archives_in(files)]}


def look_at(data: str, told: Callable[[int, int], None] = lambda done, total: None) -> dict[str, Any]:
    """The same of a source as `collect.import_images` takes it: digits, a folder, a zip, a parquet file.

    `told` hears how far it is, as (done, total). Raises what an import would raise.
    """
    with tempfile.TemporaryDirectory(prefix="synthstudio-") as folder:
        return _looked(data, Path(folder), (), told)


def _looked(data: str, scratch: Path, files: Collection[str], told: Callable[[int, int], None]) -> dict[str, Any]:
    workspace = Workspace(scratch)
    workspace.locations.mkdir(parents=True, exist_ok=True)
    source_id = sources.register(data, workspace)
    step = ImportImages(source=source_id)
    seen = _Seen(files)
    with contextlib.closing(step.open(workspace)) as source:
        total = len(source)
        arrivals = step.arrivals(source, seen.hold, workers=min(_MOST_WORKERS, cpu_count()))
        for done, arrival in enumerate(arrivals, start=1):
            seen.take(arrival)
            if done % 10 == 0 or done == total:
                told(done, total)
        declared = source.declared
    return {"source": source_id, **seen.report(declared)}


def source_of(files: Path) -> Path:
    """A single zip or table is the source itself; anything else is a folder."""
    inside = [path for path in files.iterdir() if not path.name.startswith(".")]
    return inside[0] if len(inside) == 1 and inside[0].is_file() else files


class _Seen:
    """What has been looked at so far: the import's own account, and small pictures for the reader."""

    def __init__(self, files: Collection[str]) -> None:
        self._intake = Intake()
        self._files = files  # what lies in the upload itself, and can be taken out one by one
        self._packed: set[str] = set()  # classes that have pictures inside archives
        self._held: dict[str, bytes] = {}  # pictures that were decoded and whose turn has not come
        self._lock = threading.Lock()
        self._prints: dict[str, Any] = {}
        self._pictures: dict[str, dict[str, str]] = defaultdict(dict)
        self._refused: list[Refused] = []

    def hold(self, png: bytes) -> str:
        """Where an import would store a picture: its digest, and its bytes until its turn comes."""
        digest = digest_of(png)
        with self._lock:
            self._held[digest] = png
        return digest

    def take(self, arrival: Arrival) -> None:
        """What became of one entry."""
        self._refused += [event for event in self._intake.take(arrival) if isinstance(event, Refused)]
        if arrival.image is None or arrival.entry is None:
            return
        if arrival.entry.name not in self._files:
            self._packed.add(arrival.image.label)
        with self._lock:
            png = self._held.pop(arrival.image.digest, None)
        shown = self._pictures[arrival.image.label]
        if png is not None and len(self._prints) < _MOST_COMPARED:
            self._prints.setdefault(arrival.image.digest, fingerprint(png))
        if png is not None and len(shown) < 2 * _SHOWN_PICTURES:  # some may turn out to be of two classes
            shown.setdefault(arrival.image.digest, _thumbnail(png))

    def report(self, declared: Collection[str]) -> dict[str, Any]:
        """Everything as plain values."""
        members = self._intake.members()
        counts = Counter(member.label for member in members)
        kept = {member.image for member in members}
        prints = [print_ for digest, print_ in self._prints.items() if digest in kept]
        given = Counter(member.given for member in members if member.given)
        twins = len(near_duplicates(prints))
        homeless = sum(one.reason.startswith(HOMELESS) for one in self._refused)
        unnamed = Remark("block", "Nothing can be imported until these files have a class.")
        said = [unnamed] if homeless and not counts else readiness.remarks(counts, declared)
        more = (self._same(), _near(twins), readiness.refused(len(self._refused)), _split(given))
        badges = [*said, *chain.from_iterable(more)]
        return {
            "classes": [
                {"label": label, "images": counts[label], "pictures": self._shown(label, kept),
                 "loose": label not in self._packed}
                for label in sorted(counts)
            ],
            "images": len(members),
            "badges": [one._asdict() for one in badges],
            "homeless": homeless,
            "refused": [
                {"name": one.name, "reason": one.reason, "loose": one.name in self._files}
                for one in self._refused[:_SHOWN_REFUSED]
            ],
            "refused_count": len(self._refused),
            "repeats": len(self._intake.repeats),
            "conflicts": len(self._intake.conflicts),
            "near_duplicates": twins,
            "compared": len(prints),
            "copies": _looked_for_copies(len(prints), len(members)),
        }  # fmt: skip

    def _shown(self, label: str, kept: Collection[str]) -> list[str]:
        return [picture for digest, picture in self._pictures[label].items() if digest in kept][:_SHOWN_PICTURES]

    def _same(self) -> Iterator[Remark]:
        """The same picture again, by the names of its files."""
        repeats, conflicts = self._intake.repeats, self._intake.conflicts
        if repeats:
            lead = "1 photo is there twice" if len(repeats) == 1 else f"{len(repeats)} photos are there more than once"
            pairs = _some(f"{name} is {other}" for name, other in repeats)
            yield Remark("warn", f"{lead}, and kept once ({pairs}).")
        if conflicts:
            lead = "1 picture lies" if len(conflicts) == 1 else f"{len(conflicts)} pictures lie"
            names = _some(" = ".join(files) for files in conflicts.values())
            why = "nobody can know which is right, so none is used. Remove the wrong one below."
            yield Remark("warn", f"{lead} in two classes ({names}); {why}")


def _some(texts: Iterator[str]) -> str:
    every = list(texts)
    rest = f"; {len(every) - _SHOWN_NAMES} more" if len(every) > _SHOWN_NAMES else ""
    return "; ".join(every[:_SHOWN_NAMES]) + rest


def _near(pairs: int) -> Iterator[Remark]:
    if pairs:
        lead = "1 pair is" if pairs == 1 else f"{pairs} pairs are"
        yield Remark("warn", f"{lead} nearly the same photo; the split keeps them on one side.")


def _looked_for_copies(compared: int, images: int) -> str:
    """Who looked for copies, and who will look for the others: an eye is too slow for a look before an import."""
    of_all = f" among the first {compared:,} photos" if compared < images else ""
    again = "the split looks again with an eye, which also finds cropped ones."
    return f"Copies were looked for by fingerprint alone{of_all}; {again}" if compared > 1 else ""


def _split(given: Mapping[str, int]) -> Iterator[Remark]:
    if given:
        parts = ", ".join(f"{count} {split}" for split, count in sorted(given.items()))
        yield Remark("ok", f"The source says its own split: {parts}. It is respected.")


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
    limit_memory(_MEMORY_BYTES)
    try:
        found = look(folder)
    except StudioError as error:
        found = {"error": str(error)}
    except MemoryError:
        found = {"error": "Looking at these files takes too much memory. Give them in parts, or as smaller images."}
    write_atomically(folder / REPORT, json.dumps(found, ensure_ascii=False).encode())


if __name__ == "__main__":
    main()
