"""Frozen selections in the page: which there are, and what a review was worth."""

import time
from typing import Any

from synthstudio.catalog.runs import ACTIVE
from synthstudio.complaints import concerning
from synthstudio.errors import BadInput, Missing
from synthstudio.jobs.curating import accepted, review_helped
from synthstudio.jobs.curating.freeze import freeze_accepted
from synthstudio.jobs.studio import Studio
from synthstudio.steps.collect.freeze import Freeze
from synthstudio.ui.api.image_routes import Opened

_SET_BYTES, _SET_FILES = 1 << 20, 8
_PATIENCE_SECONDS, _LOOK_SECONDS = 20.0, 0.1


def frozen(studio: Studio) -> list[dict[str, Any]]:
    """Every set that somebody froze or named, with its name and size, the newest first.

    A selection that is what a filter kept is that very set, and was made by the filter.
    """
    return [
        {"id": one.id, "name": one.name, "size": one.size}
        for one in studio.catalog.names.all(("set",))
        if (one.given or one.kind == Freeze.kind) and one.size is not None
    ]


def ask_helped(session: Opened, name: str) -> str:
    """Ask what a review was worth, or join who asks the same; returns the pipeline's id.

    `name` is a frozen selection's name or id; without one, what is accepted now is frozen first. BadInput where there
    is no finished recipe, or nothing was rejected, moved or added.
    """
    with concerning("name"):
        known = session.studio.catalog.names
        chosen = known.find(name.strip(), ("set",)) if name.strip() else _freeze_accepted(session)
        _wait_until_written(session, chosen)
        with session.admitting(_SET_BYTES, _SET_FILES) as studio:
            accepted.pipeline(studio)  # says first of all if there is no finished recipe
            return review_helped.start(studio, chosen, changed=True)


def _freeze_accepted(session: Opened) -> str:
    """The id of a set of what is accepted of the newest finished recipe."""
    with session.admitting(_SET_BYTES, _SET_FILES) as studio:
        if not any(part.decided for part in accepted.of(studio, accepted.pipeline(studio).id)):
            raise BadInput(review_helped.UNCHANGED)
        return freeze_accepted(studio, None).image_set


def _wait_until_written(session: Opened, chosen: str) -> None:
    """Until the catalog knows the members of a set: who looked at a test photo is only found out with them."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while not session.studio.catalog.images.knows_set(chosen):
        if not any(run.kind == Freeze.kind for run in session.studio.catalog.runs.in_state("queued", *ACTIVE)):
            raise Missing("This selection is not there. Freeze it again, or choose another.")
        if time.monotonic() > until:
            raise BadInput("The selection is still being written. Ask again as soon as it is done; see Runs.")
        time.sleep(_LOOK_SECONDS)
