"""Turn Steps into Runs: queue, worker, events, launchers, recipes."""

from synthstudio.jobs.studio import Studio

__all__ = ["Studio"]
