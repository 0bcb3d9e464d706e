"""A run's event log: one JSON line per event, appended by the worker, read by the owner from an offset."""

import json
import time
from pathlib import Path

from pydantic import ValidationError

from synthstudio.events import EVENT, Event, Failed, Finished, Note, Output, Stopped
from synthstudio.workspace import append_whole

NAME = "events.jsonl"
_LASTING = (Output, Finished, Failed, Stopped)
_BEGINNING = b'{"t":'
_PASSED_OVER = (
    "A line of this run's log could not be read and was passed over: the disk was full, or power was lost, while it was"
    " written. If something is missing from the results, resume the run or make it again."
)


class EventLog:
    """`runs/<run>/events.jsonl`. A line counts only when its newline is there."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def append(self, event: Event) -> None:
        """Write one line, whole or not at all; a kill leaves at most one torn line at the end.

        Raises StorageFull, and leaves the log as it was, if the disk does not take all of it.
        """
        line = json.dumps({"t": time.time(), **event.model_dump(mode="json")}, ensure_ascii=False, allow_nan=False)
        append_whole(self.path, line.encode() + b"\n", sync=isinstance(event, _LASTING))

    def repair(self) -> None:
        """Cut a torn last line off; only the worker that holds the run's lock may call this."""
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole != len(data):
            with self.path.open("r+b") as file:
                file.truncate(whole)

    def size(self) -> int:
        """Bytes written so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    def ends_line(self, offset: int) -> bool:
        """Whether an offset is the end of a line of this log; it is not when the log came back shorter or torn."""
        if offset == 0:
            return True
        if offset > self.size():
            return False
        with self.path.open("rb") as file:
            file.seek(offset - 1)
            return file.read(1) == b"\n"

    def read(self, offset: int = 0, limit: int = 8 << 20) -> tuple[list[tuple[float, Event]], int]:
        """Complete lines from `offset` on, at most about `limit` bytes, and the offset after the last of them.

        A line that cannot be read is passed over; a note in its place says so.
        """
        if not self.path.exists():
            return [], offset
        with self.path.open("rb") as file:
            file.seek(offset)
            data = file.read(limit)
            if b"\n" not in data and len(data) == limit:
                data += file.readline()
        whole = data.rfind(b"\n") + 1
        lines: list[tuple[float, Event]] = []
        for raw in data[:whole].split(b"\n")[:-1]:
            line, rest = _parsed(raw), raw.rfind(_BEGINNING)
            if line is None:
                at = lines[-1][0] if lines else 0.0
                lines.append((at, Note(text=_PASSED_OVER, level="warning")))
                # A torn line and the whole one that was written after it share one newline.
                line = _parsed(raw[rest:]) if rest > 0 else None
            if line is not None:
                lines.append(line)
        return lines, offset + whole


def _parsed(raw: bytes) -> tuple[float, Event] | None:
    try:
        body = json.loads(raw)
        return float(body.pop("t")), EVENT.validate_python(body)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ValidationError):
        return None
