"""What the owner hands to a worker, and what the worker says of itself: JSON files in the run's folder."""

import os
from pathlib import Path

import psutil
from pydantic import BaseModel, ValidationError

from synthstudio.resources import Resources
from synthstudio.workspace import write_atomically

NAME = "request.json"
STOP = "stop"
LOCK = "lock"
HEARTBEAT = "heartbeat"
LOG = "log.txt"
_HOLDER = "worker.json"


class Request(BaseModel):
    """A run, as a worker needs it."""

    run_id: str
    step: str  # the Step's canonical JSON
    workspace: Path
    resources: Resources
    shared: bool = False  # of its plan the worker makes the shares that it is given, see `shares.py`
    guardian: tuple[int, float] | None = None  # process id and start time of whoever it works for; without it, it ends

    def write(self, folder: Path) -> None:
        """Leave the request for the worker."""
        write_atomically(folder / NAME, self.model_dump_json().encode())

    @classmethod
    def read(cls, folder: Path) -> "Request":
        """Pick the request up."""
        return cls.model_validate_json((folder / NAME).read_bytes())


class Holder(BaseModel):
    """The process that holds a run, as it says itself: an owner may die between starting it and writing it down."""

    pid: int
    started: float

    @classmethod
    def write(cls, folder: Path) -> None:
        """Say that this process holds the run; only who has the run's lock may."""
        here = cls(pid=os.getpid(), started=psutil.Process().create_time())
        write_atomically(folder / _HOLDER, here.model_dump_json().encode())

    @classmethod
    def read(cls, folder: Path) -> "Holder | None":
        """Who last held the run, living or not; none where nobody said."""
        try:
            return cls.model_validate_json((folder / _HOLDER).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
