"""What a sweep tries of a field: listed values, or any between two ends."""

import functools
import math
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator

from synthstudio.terms import AdapterScale, GuidanceScale, InferenceSteps, Strength

Tuned = Literal["guidance_scale", "inference_steps", "strength", "adapter_scale"]
TUNED: tuple[str, ...] = get_args(Tuned)
Settings = dict[str, float | int]

_TERMS: dict[str, TypeAdapter[Any]] = {
    "guidance_scale": TypeAdapter(GuidanceScale),
    "inference_steps": TypeAdapter(InferenceSteps),
    "strength": TypeAdapter(Strength),
    "adapter_scale": TypeAdapter(AdapterScale),
}
_WHOLE = frozenset({"inference_steps"})
_PARTS = 100  # of one: so fine are values between two ends
_HOW = "write field=1,2,4 or field=1:6, and behind it “from 2” for the value to begin with"
_Value = Annotated[float, Field(ge=-1000, le=1000, allow_inf_nan=False)]


class Range(BaseModel):
    """The values of one field: `values`, or all from `low` to `high`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: Tuned
    values: Annotated[tuple[_Value, ...], Field(max_length=50)] = ()
    low: _Value | None = None
    high: _Value | None = None
    first: Annotated[
        _Value | None, Field(description="Of the first trial; none: the first of the values, or the lower end.")
    ] = None

    @model_validator(mode="after")
    def _holds_values(self) -> Self:
        ends = [one for one in (self.low, self.high) if one is not None]
        if len(ends) != (0 if self.values else 2):
            raise ValueError(f"{self.field} needs values to try; {_HOW}")
        if ends and not ends[0] < ends[1]:
            raise ValueError(f"the range of {self.field} is empty; its lower end comes first")
        if len(set(self.values)) < len(self.values):
            raise ValueError(f"{self.field} names a value twice")
        if self.whole and any(one != round(one) for one in (*self.values, *ends, self.first or 0)):
            raise ValueError(f"{self.field} takes whole numbers")
        for value in (*self.values, *ends, *(() if self.first is None else (self.first,))):
            self._check(value)
        return self

    def _check(self, value: float) -> None:
        try:
            _TERMS[self.field].validate_python(value)
        except ValueError:
            raise ValueError(f"{value:g} cannot be {self.field}; see its range with: steps sample.variation") from None

    @property
    def start(self) -> float | int:
        """The value of the first trial."""
        found = next(one for one in (self.first, *self.values, self.low) if one is not None)
        return round(found) if self.whole else found

    @property
    def whole(self) -> bool:
        """Whether only whole numbers can be tried."""
        return self.field in _WHOLE

    @functools.cached_property
    def every(self) -> tuple[float | int, ...]:
        """All values there are to try: between two ends those of two decimals, or whole ones, and the ends."""
        if self.low is None or self.high is None:
            return tuple(round(one) if self.whole else one for one in self.values)
        parts = 1 if self.whole else _PARTS
        inside = (one / parts for one in range(math.ceil(self.low * parts), math.floor(self.high * parts) + 1))
        ends = () if self.whole else (self.low, self.high)
        return tuple(sorted({*map(round if self.whole else float, inside), *ends}))

    def near(self, value: float) -> float | int:
        """The value to try that is closest, so that what is proposed twice is equal."""
        return min(self.every, key=lambda one: abs(one - value))


def _read(given: object) -> object:
    """A range as it is typed: 'guidance_scale=1:6', 'inference_steps=10,20,50 from 20'."""
    if not isinstance(given, str):
        return given
    named, _, first = given.partition(" from ")
    field, equals, text = (part.strip() for part in named.partition("="))
    if not equals or not text:
        raise ValueError(f"{given[:80]!r} names no values; {_HOW}")
    if field not in TUNED:
        raise ValueError(f"{field[:80]!r} cannot be swept; choose among {', '.join(TUNED)}")
    found: dict[str, Any] = {"field": field} | ({"first": _number(first)} if first else {})
    if ":" not in text:
        return found | {"values": [_number(one) for one in text.split(",") if one.strip()]}
    low, _, high = text.partition(":")
    return found | {"low": _number(low), "high": _number(high)}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text.strip()[:40]!r} is no number; {_HOW}") from None


def _once_each(ranges: tuple[Range, ...]) -> tuple[Range, ...]:
    if len({one.field for one in ranges}) < len(ranges):
        raise ValueError("every field is swept once; put its values into one range")
    return ranges


Ranges = Annotated[
    tuple[Annotated[Range, BeforeValidator(_read)], ...],
    Field(min_length=1, max_length=len(TUNED), description="The fields that change, each with what is tried of it."),
    AfterValidator(_once_each),
]


def first_of(ranges: tuple[Range, ...]) -> Settings:
    """The settings of the first trial: those that everything is compared with."""
    return {one.field: one.start for one in ranges}


def how_many(ranges: tuple[Range, ...]) -> int:
    """How many different trials these ranges have room for, the first one included."""
    inside = all(one.start in one.every for one in ranges)
    return math.prod(len(one.every) for one in ranges) + (0 if inside else 1)
