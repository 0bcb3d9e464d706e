"""How images were made, read from the run logs of a workspace: for a worker, which never opens the catalog."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthstudio.workspace import Workspace


@dataclass(frozen=True)
class Origin:
    """What the log of the run that made an image says of it."""

    made: dict[str, Any]
    created: float
    environment: dict[str, str]  # versions and hardware of the run

    @property
    def name(self) -> str:
        """The file name of an imported image, or nothing."""
        return str(self.made.get("name", ""))


def origins(workspace: Workspace, digests: Collection[str]) -> dict[str, Origin]:
    """The first known origin of each of these images, where there is one. A torn or foreign line is skipped."""
    wanted = set(digests)
    found: dict[str, Origin] = {}
    for log in sorted(workspace.runs.glob("*/events.jsonl")):
        if not wanted:
            break
        environment: dict[str, str] = {}
        for body in _bodies(log):
            if body.get("event") == "started":
                environment = dict(body.get("environment") or {})
            elif body.get("event") == "made" and body["image"]["digest"] in wanted:
                image = body["image"]
                found[image["digest"]] = Origin(dict(image.get("made") or {}), float(body.get("t", 0)), environment)
                wanted.discard(image["digest"])
    return found


def names(workspace: Workspace, digests: Collection[str]) -> dict[str, str]:
    """A name for each image that a reader would know: its file name, else the start of its digest."""
    known = origins(workspace, digests)
    return {digest: (known[digest].name if digest in known else "") or digest[:12] for digest in digests}


def _bodies(log: Path) -> Iterator[dict[str, Any]]:
    """The lines of a log that matter here, parsed."""
    with log.open("rb") as lines:
        for line in lines:
            if b'"made"' not in line and b'"started"' not in line:
                continue
            try:
                body = json.loads(line)
            except ValueError:
                continue
            if isinstance(body, dict):
                yield body
