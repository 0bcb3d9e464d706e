"""What the owner hands to a worker: one JSON file in the run's folder."""

from pathlib import Path

from pydantic import BaseModel

from synthstudio.resources import Resources
from synthstudio.workspace import write_atomically

NAME = "request.json"
STOP = "stop"
LOCK = "lock"
HEARTBEAT = "heartbeat"
LOG = "log.txt"


class Request(BaseModel):
    """A run, as a worker needs it."""

    run_id: str
    step: str  # the Step's canonical JSON
    workspace: Path
    resources: Resources

    def write(self, folder: Path) -> None:
        """Leave the request for the worker."""
        write_atomically(folder / NAME, self.model_dump_json().encode())

    @classmethod
    def read(cls, folder: Path) -> "Request":
        """Pick the request up."""
        return cls.model_validate_json((folder / NAME).read_bytes())
