"""Measured sets in the page: the document that every place reads, and what the form of a measurement begins with."""

import time
from collections.abc import Mapping
from typing import Any

from synthstudio.catalog.runs import ACTIVE
from synthstudio.jobs.knowing import measured
from synthstudio.steps.collect.freeze import Freeze
from synthstudio.ui.session.choices import everything
from synthstudio.ui.session.state import StudioSession

ADDRESS = "measure"  # an address says so which set to measure
_PATIENCE_SECONDS, _LOOK_SECONDS = 10.0, 0.1


def every(session: StudioSession) -> dict[str, Any]:
    """Measured sets by what they may be compared with, the newest first, with their numbers and in words."""
    return measured.document(session.studio)


def begun(session: StudioSession, query: Mapping[str, str]) -> dict[str, str]:
    """The fields that the form begins with: the set that the address names, else the newest; photos and eye to suit."""
    named = str(query.get(ADDRESS, ""))
    offered = _offered(session, named)
    images = named if named in offered else next(iter(offered), "")
    return {"images": images, **measured.suggested(session.studio, images)} if images else {}


def _offered(session: StudioSession, named: str) -> list[str]:
    """The sets there are; while selections are being frozen, one that is named is waited for."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        active = session.studio.catalog.runs.in_state("queued", *ACTIVE)
        offered = [set_id for _, set_id in everything(session, ("set",))]
        freezing = any(run.kind == Freeze.kind for run in active)
        if not named or named in offered or not freezing or time.monotonic() > until:
            return offered
        time.sleep(_LOOK_SECONDS)
