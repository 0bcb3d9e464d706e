"""Taking in the runs of a project whose catalog and journal are gone: their folders say all but how they stand."""

import logging

from synthstudio.catalog import Catalog
from synthstudio.errors import StudioError
from synthstudio.jobs.running.run_folder import Request
from synthstudio.step import from_json
from synthstudio.workspace import Workspace

log = logging.getLogger("synthstudio")


def adopt(workspace: Workspace, catalog: Catalog) -> None:
    """Add every run whose folder is here but which the catalog does not know, if anything of it may be missing."""
    if not catalog.incomplete and catalog.runs.all(limit=1):
        return
    known = catalog.runs.ids()
    for file in sorted(workspace.runs.glob("*/request.json"), key=lambda file: file.stat().st_mtime):
        if file.parent.name in known:
            continue
        try:
            request = Request.read(file.parent)
            step = from_json(request.step)
        except (ValueError, StudioError):
            log.exception("the run of %s cannot be taken in", file.parent)
            continue
        made = file.stat().st_mtime
        # Its log says how it ended; if it does not, nobody works on it and the next tick says so.
        catalog.runs.add(request.run_id, step, request.resources, state="running", created=made)
