"""Steering that only a person asks for: ending a worker that does not stop by itself."""

import psutil

from synthstudio.catalog.runs import ACTIVE
from synthstudio.errors import BadInput
from synthstudio.jobs import Studio


def end(studio: Studio, run_id: str) -> None:
    """Mark a run as stopped, ending its worker if that still lives; what is finished is kept and can be resumed."""
    run = studio.catalog.runs.get(run_id)
    if run.state not in ACTIVE:
        raise BadInput(f"Run {run.id} is {run.state}; only a running one can be marked as stopped.")
    if run.pid is not None and studio.launcher.alive(run.pid, run.pid_started or 0.0):
        psutil.Process(run.pid).kill()
    studio.catalog.runs.set_state(run.id, "stopped")
