"""How images were made, read from the run logs of a workspace: for a worker, which never opens the catalog."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthstudio.workspace import Workspace


@dataclass(frozen=True)
class Origin:
    """What the log of the run that made an image says of it."""

    made: dict[str, Any]
    created: float
    step: dict[str, Any]  # the canonical form of the run's Step; empty if its request cannot be read

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
        step = _step(log.parent)
        with log.open("rb") as lines:
            for line in lines:
                body = _made(line)
                digest = body["image"]["digest"] if body else None
                if body and digest in wanted:
                    found[digest] = Origin(body["image"].get("made", {}), float(body.get("t", 0)), step)
                    wanted.discard(digest)
    return found


def names(workspace: Workspace, digests: Collection[str]) -> dict[str, str]:
    """A name for each image that a reader would know: its file name, else the start of its digest."""
    known = origins(workspace, digests)
    return {digest: (known[digest].name if digest in known else "") or digest[:12] for digest in digests}


def _made(line: bytes) -> dict[str, Any] | None:
    if b'"made"' not in line or not line.endswith(b"\n"):
        return None
    try:
        body = json.loads(line)
    except ValueError:
        return None
    return body if isinstance(body, dict) and body.get("event") == "made" and "digest" in body["image"] else None


def _step(folder: Path) -> dict[str, Any]:
    try:
        step = json.loads((folder / "request.json").read_bytes())["step"]
        return dict(json.loads(step) if isinstance(step, str) else step)
    except (OSError, ValueError, KeyError, TypeError):
        return {}
