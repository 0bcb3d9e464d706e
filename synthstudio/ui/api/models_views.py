"""The models in the page: what is here and from where, what each needs, and downloads."""

import threading
import time
from pathlib import Path
from typing import Any

from synthstudio.catalog.runs import ACTIVE, Run
from synthstudio.errors import BadInput
from synthstudio.jobs.knowing import downloads
from synthstudio.jobs.knowing.downloads import Shelved
from synthstudio.modelfiles import Precision
from synthstudio.models import known_as
from synthstudio.ui import words
from synthstudio.ui.session.state import StudioSession

_FRESH_SECONDS = 5.0
_RUN_BYTES = 1 << 16
_looks: dict[Path, tuple[float, int, list[Shelved]]] = {}  # by project: when, the catalog's commits, what was found
_looking = threading.Lock()


def every(session: StudioSession) -> dict[str, Any]:
    """The list; whether who asks may download any model, those known by name, or none."""
    going = downloads.going(session.studio)
    found = _shelf(session)
    known = [_row(session, one, going.pop(_repository(one), None)) for one in found]
    others = [_unknown(session, repository, run) for repository, run in going.items() if run.state in _UNFINISHED]
    public = session.where.public
    may = "none" if public and not session.where.downloads else "known" if public else "any"
    return {"models": [*known, *others], "may": may}


def fetch(session: StudioSession, model: str, precision: Precision) -> dict[str, Any]:
    """Begin a download, or go on with the one that was stopped; BadInput where who asks may not."""
    if session.where.public and known_as(model) is None:
        raise BadInput("Only the models in the list can be downloaded here.")
    with session.admitting(_RUN_BYTES) as studio:
        return {"run": downloads.ask(studio, model.strip(), precision)}


_UNFINISHED = ("queued", "stopped", "failed", "lost", *ACTIVE)


def _row(session: StudioSession, one: Shelved, run: Run | None) -> dict[str, Any]:
    cpu, gpu = one.memory
    here = one.where != "not here"
    known = known_as(one.name)
    return {
        "name": one.name, "purpose": one.purpose, "where": one.where, "bytes": one.bytes, "precision": one.precision,
        "memory_cpu": cpu, "memory_gpu": gpu, "licence": one.licence, "about": one.about, "damaged": one.damaged,
        "source": one.source, "place": "" if session.where.public else one.place,
        "can_fetch": not here and known is not None,
        "download": None if here or run is None else _download(session, run),
    }  # fmt: skip


def _unknown(session: StudioSession, repository: str, run: Run) -> dict[str, Any]:
    """A repository that is being fetched and is not known by name."""
    one = Shelved(repository, "backbone", "not here", "", "", 0, "", 0, "", "From the Hub.")
    return {**_row(session, one, run), "purpose": "", "licence": "known once its card is here"}


def _download(session: StudioSession, run: Run) -> dict[str, Any]:
    rate = session.rates.per_second(run.id) if run.state in ACTIVE else None
    return {
        "run": run.id, "state": run.state, "state_words": words.STATES[run.state], "done": run.done,
        "total": run.total, "rate": rate, "left": (run.total - run.done) / rate if rate else None, "error": run.error,
    }  # fmt: skip


def _repository(one: Shelved) -> str:
    known = known_as(one.name)
    return known.hub if known else one.name


def _shelf(session: StudioSession) -> list[Shelved]:
    """As of a few seconds ago: the files of every model are looked at, and a page asks often."""
    workspace, commits = session.studio.workspace, session.studio.catalog.database.commits
    with _looking:
        at, seen, found = _looks.get(workspace.root, (0.0, -1, []))
        if time.monotonic() - at > _FRESH_SECONDS or (seen != commits and time.monotonic() - at > 1.0):
            found = downloads.shelf(workspace)
            if len(_looks) > 64:
                _looks.clear()
            _looks[workspace.root] = (time.monotonic(), commits, found)
        return found
