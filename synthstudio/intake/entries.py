"""What a source yields: entries that can be read, and entries refused before reading."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from synthstudio.intake.decode import Refusal
from synthstudio.terms import clean_label

SPLITS = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
}  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """How much of a source is read. Counted on bytes that really come out, never on sizes a file declares."""

    max_files: int = 20_000
    max_file_bytes: int = 64 << 20
    max_total_bytes: int = 8 << 30
    max_ratio: int = 100

    def check_file(self, count: int) -> None:
        """Refusal if one file is larger than one file may be."""
        if count > self.max_file_bytes:
            raise Refusal(f"is larger than {size(self.max_file_bytes)}; make it smaller, or raise max_file_bytes")


@dataclass(frozen=True)
class Entry:
    """One file or row that may be an image. `read` gives its bytes or raises Refusal."""

    name: str
    label: str
    given: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Rejected:
    """One file, row or class that is not used, and why."""

    name: str
    reason: str


class Budget:
    """Bytes still allowed to come out of a source."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._left = limits.max_total_bytes

    def spend(self, count: int) -> None:
        """Count bytes that came out; Refusal once the source has given too many."""
        self._left -= count
        if self._left < 0:
            raise Refusal(
                f"lies beyond the first {size(self._limits.max_total_bytes)} of this source; "
                "import it in parts, or raise max_total_bytes"
            )


class LabelCleaner:
    """Class names as plain text. A refused name is said once, not once per image."""

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}

    def clean(self, raw: str) -> tuple[str | None, Rejected | None]:
        """The name to use, or none; and, the first time a name is refused, why."""
        if raw not in self._known:
            try:
                self._known[raw] = clean_label(raw)
            except ValueError as error:
                self._known[raw] = None
                return None, Rejected(printable(raw), f"{error}; none of its images were imported")
        return self._known[raw], None


def printable(name: str) -> str:
    """A file name that can be stored and shown: no control characters, no broken code points, not too long."""
    text = name.encode("utf-8", "replace").decode()
    text = "".join(" " if unicodedata.category(c) in ("Cc", "Cs") else c for c in text)
    return text if len(text) <= 200 else f"{text[:120]}…{text[-79:]}"


def size(count: int) -> str:
    """Bytes for a reader."""
    for unit, scale in (("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)):
        if count >= scale:
            return f"{count / scale:g} {unit}" if count % scale == 0 else f"{count / scale:.1f} {unit}"
    return f"{count} bytes"
