"""A run's event log: one JSON line per event, appended by the worker, read by the owner from an offset."""

import json
import os
import time
from pathlib import Path

from synthstudio.events import EVENT, Event, Finished, Output
from synthstudio.workspace import storage_errors

NAME = "events.jsonl"


class EventLog:
    """`runs/<run>/events.jsonl`. A line counts only when its newline is there."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def append(self, event: Event) -> None:
        """Write one line in one call, so that a kill leaves at most one torn line at the end."""
        line = json.dumps({"t": time.time(), **event.model_dump(mode="json")}, ensure_ascii=False, allow_nan=False)
        with storage_errors(self.path.parent):
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(descriptor, line.encode() + b"\n")
                if isinstance(event, Output | Finished):
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)

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

    def read(self, offset: int = 0, limit: int = 8 << 20) -> tuple[list[tuple[float, Event]], int]:
        """Complete lines from `offset` on, at most about `limit` bytes, and the offset after the last of them."""
        if not self.path.exists():
            return [], offset
        with self.path.open("rb") as file:
            file.seek(offset)
            data = file.read(limit)
            if b"\n" not in data and len(data) == limit:
                data += file.readline()
        whole = data.rfind(b"\n") + 1
        lines = []
        for raw in data[:whole].splitlines():
            body = json.loads(raw)
            lines.append((float(body.pop("t")), EVENT.validate_python(body)))
        return lines, offset + whole
