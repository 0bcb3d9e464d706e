"""How images were made, read from the run logs of a workspace: for a worker, which never opens the catalog."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synthstudio.errors import StudioError
from synthstudio.step import from_json
from synthstudio.workspace import Workspace


@dataclass(frozen=True)
class Origin:
    """What the log of the run that made an image says of it."""

    made: dict[str, Any]
    created: float
    environment: dict[str, str]  # versions and hardware of the run
    kind: str = "synthetic"  # real, synthetic, distilled
    request: dict[str, Any] = field(default_factory=dict)  # kind and fields of the step that made it, and its id
    index: int | None = None  # its number in the plan of that step

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
        request: dict[str, Any] = {}
        for body in _bodies(log, b'"made"', b'"started"'):
            if body.get("event") == "started":
                environment = dict(body.get("environment") or {})
            elif body.get("event") == "made" and body["image"]["digest"] in wanted:
                image = body["image"]
                made, kind = dict(image.get("made") or {}), str(image.get("origin") or "synthetic")
                request = request or _request(log.with_name("request.json"))
                found[image["digest"]] = Origin(
                    made, float(body.get("t", 0)), environment, kind, request, body.get("index")
                )
                wanted.discard(image["digest"])
    return found


def names(workspace: Workspace, digests: Collection[str]) -> dict[str, str]:
    """A name for each image that a reader would know: its file name, else the start of its digest."""
    known = origins(workspace, digests)
    return {digest: (known[digest].name if digest in known else "") or digest[:12] for digest in digests}


@dataclass(frozen=True)
class Maker:
    """A run that made an artifact: the kind and the fields of its Step, and what all its attempts took."""

    kind: str
    fields: dict[str, Any]
    seconds: float


def makers(workspace: Workspace, artifact_id: str) -> list[Maker]:
    """The runs that said this artifact as an output, the oldest first. A torn or foreign file is skipped."""
    found = []
    for log in sorted(workspace.runs.glob("*/events.jsonl")):
        if artifact_id.encode() not in log.read_bytes():
            continue
        bodies = list(_bodies(log, b'"output"', b'"finished"'))
        if not any(body.get("event") == "output" and body.get("value") == artifact_id for body in bodies):
            continue
        try:
            step = json.loads(json.loads(log.with_name("request.json").read_bytes())["step"])
            maker = Maker(step["kind"], step["fields"], sum(float(body.get("seconds", 0)) for body in bodies))
        except (OSError, ValueError, KeyError):
            continue
        found.append(maker)
    return found


def _request(file: Path) -> dict[str, Any]:
    """What a run was asked for; nothing where that cannot be read."""
    try:
        step = from_json(json.loads(file.read_bytes())["step"])
    except (OSError, ValueError, KeyError, StudioError):
        return {}
    return {"kind": step.kind, "step": step.id, "fields": step.fields}


def _bodies(log: Path, *events: bytes) -> Iterator[dict[str, Any]]:
    """The lines of a log about these events, parsed."""
    with log.open("rb") as lines:
        for line in lines:
            if not any(event in line for event in events):
                continue
            try:
                body = json.loads(line)
            except ValueError:
                continue
            if isinstance(body, dict):
                yield body
