"""What a running Step and its worker can say. One event is one line of a run's log, which the catalog indexes."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from synthstudio.artifacts import Image


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Made(_Event):
    """An image exists and its blob is stored. `index` is its place in the plan: unique within the run."""

    event: Literal["made"] = "made"
    index: int
    image: Image


class Scored(_Event):
    """Numbers of one scorer for some images: (image digest, value). NaN is said as none."""

    event: Literal["scored"] = "scored"
    scorer: str
    values: tuple[tuple[str, float | None], ...]


class Measured(_Event):
    """A number about a model or a set, with its interval, its n and the split it is from."""

    event: Literal["measured"] = "measured"
    name: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    split: str = ""
    arm: str = ""
    label: str = ""
    fold: int | None = None


class Progress(_Event):
    """How far the run is. `rate` is per second; `loss` and the like go into `values`."""

    event: Literal["progress"] = "progress"
    done: int
    total: int
    unit: str
    values: dict[str, float] = Field(default_factory=dict)


class Refused(_Event):
    """An input that was not used, and why."""

    event: Literal["refused"] = "refused"
    name: str
    reason: str


class Note(_Event):
    """A sentence for the person who reads the log; warnings are shown beside the result."""

    event: Literal["note"] = "note"
    text: str
    level: Literal["info", "warning"] = "info"


class Output(_Event):
    """A named result: an artifact id, or a plain JSON value. A run without its outputs is not done."""

    event: Literal["output"] = "output"
    name: str
    value: Any


class Started(_Event):
    """The worker began an attempt."""

    event: Literal["started"] = "started"
    attempt: int
    pid: int
    environment: dict[str, str]


class _LastWord(_Event):
    """What an attempt cost: wall-clock seconds and the largest resident size. A killed attempt cannot say it."""

    seconds: float = 0.0
    peak_memory_mb: float = 0.0


class Stopped(_LastWord):
    """The worker stopped because it was asked to; the run can be resumed."""

    event: Literal["stopped"] = "stopped"


class Failed(_LastWord):
    """The worker gave up; `error` is for people, the traceback is in the run's log."""

    event: Literal["failed"] = "failed"
    error: str


class Finished(_LastWord):
    """Everything was said."""

    event: Literal["finished"] = "finished"


Said = Made | Scored | Measured | Progress | Refused | Note | Output
Event = Annotated[Said | Started | Stopped | Failed | Finished, Field(discriminator="event")]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
