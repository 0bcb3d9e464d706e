"""What `doctor` looks at. Each check says what it found and what to do about it."""

import os
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import Literal, NamedTuple

from synthstudio.artifacts import digest_of
from synthstudio.catalog.runs import ACTIVE
from synthstudio.errors import CatalogBusy, StudioError
from synthstudio.jobs import Studio
from synthstudio.jobs.worker import environment
from synthstudio.models import MODELS, Model
from synthstudio.resources import cpu_count
from synthstudio.workspace import Workspace

_LOW_DISK = 2 << 30
_HUB_SECONDS = 3.0


class Check(NamedTuple):
    """One finding. `warn` may be fine for you; `bad` needs doing something."""

    name: str
    state: Literal["ok", "warn", "bad"]
    finding: str
    advice: str = ""


def examine(home: Path, project: str) -> list[Check]:
    """Every check, in the order in which problems usually explain each other."""
    checks = [_versions(), *_devices(), *(_model(model) for model in MODELS.values()), _hub(), _disk(home)]
    try:
        workspace = Workspace.open(home, project)
    except StudioError as error:
        return [*checks, Check("home", "bad", str(error))]
    return [*checks, _catalog(home, project), _blobs(workspace), _unfinished(workspace)]


def _versions() -> Check:
    found = environment()
    absent = [name for name, version in found.items() if version == "not installed"]
    text = ", ".join(f"{name} {version}" for name, version in found.items())
    if absent:
        return Check("versions", "bad", text, "Install what is missing: pip install -r requirements.txt")
    return Check("versions", "ok", text)


def _devices() -> list[Check]:
    from synthstudio.engine.devices import accelerators

    found = accelerators()
    checks = [Check("cpu", "ok", f"{cpu_count()} cores"), *(Check(name, "ok", about) for name, about in found.items())]
    if not found:
        checks.append(Check("gpu", "warn", "none found", "pico runs on the CPU; Stable Diffusion wants a GPU."))
    return checks


def _model(model: Model) -> Check:
    name = f"{model.purpose} {model.name}"
    if model.folder is not None:
        if any(model.folder.rglob("*.safetensors")):
            return Check(name, "ok", f"bundled; {model.licence}")
        return Check(name, "bad", f"missing at {model.folder}", "Check out the repository again.")
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        cached = {repository.repo_id for repository in scan_cache_dir().repos}
    except CacheNotFound:
        cached = set()
    if model.hub in cached:
        return Check(name, "ok", f"{model.hub} is on this machine; {model.licence}")
    return Check(name, "warn", f"{model.hub} is not on this machine; {model.licence}", "It is fetched when first used.")


def _hub() -> Check:
    address = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    try:
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=_HUB_SECONDS).close()
    except (urllib.error.URLError, TimeoutError, ValueError) as error:
        advice = "Bundled and already fetched models work; others need a connection once."
        return Check("hub", "warn", f"{address} cannot be reached ({getattr(error, 'reason', error)})", advice)
    return Check("hub", "ok", f"{address} answers")


def _disk(home: Path) -> Check:
    place = home.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if not os.access(place, os.W_OK):
        return Check("disk", "bad", f"{place} cannot be written", "Choose another folder with --home.")
    state: Literal["ok", "warn"] = "ok" if free > _LOW_DISK else "warn"
    return Check("disk", state, f"{free >> 20} MB free at {place}", "" if state == "ok" else "Free some space.")


def _catalog(home: Path, project: str) -> Check:
    try:
        with Studio(home, project) as studio:
            studio.tick()
            runs = studio.catalog.runs.all()
            lost = [run.id for run in runs if run.state == "lost"]
            active = [run.id for run in runs if run.state in ACTIVE]
    except CatalogBusy as error:
        return Check("catalog", "warn", str(error))
    except StudioError as error:
        return Check("catalog", "bad", str(error), "Restore the catalog from a copy, or start a new project.")
    finding = f"{len(runs)} runs, {len(active)} active, {len(lost)} lost"
    advice = f"Resume with: python -m synthstudio resume {lost[0]}" if lost else ""
    return Check("catalog", "warn" if lost else "ok", finding, advice)


def _blobs(workspace: Workspace) -> Check:
    files = [path for path in workspace.blobs.glob("??/*") if not path.name.startswith(".")]
    damaged = [path for path in files if digest_of(path.read_bytes()) != path.name]
    if damaged:
        advice = "Delete these files and run the steps that made them again: " + ", ".join(map(str, damaged[:5]))
        return Check("blobs", "bad", f"{len(damaged)} of {len(files)} do not match their digest", advice)
    return Check("blobs", "ok", f"{len(files)} blobs match their digests")


def _unfinished(workspace: Workspace) -> Check:
    parts = list(workspace.root.rglob(".*.part"))
    if not parts:
        return Check("leftovers", "ok", "no half-written files")
    size = sum(part.stat().st_size for part in parts)
    advice = f"Safe to delete when nothing runs: find '{workspace.root}' -name '.*.part' -delete"
    return Check("leftovers", "warn", f"{len(parts)} half-written files of killed processes, {size >> 10} kB", advice)
