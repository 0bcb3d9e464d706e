"""Step: a frozen request whose id is the digest of its content."""

import functools
import hashlib
import json
import re
import typing
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from synthstudio.complaints import refusal
from synthstudio.effort import Amounts, Effort
from synthstudio.errors import UnknownName
from synthstudio.score_terms import Scale
from synthstudio.terms import Names

if TYPE_CHECKING:
    from synthstudio.events import Event
    from synthstudio.steps import Work

STEPS: dict[str, type["Step"]] = {}


class Step(BaseModel):
    """One thing to make. Inputs are named by digest, so an id covers the whole history behind it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    computes: ClassVar[bool] = True  # whether a run holds the device; False for steps that only move files
    connects: ClassVar[bool] = False  # whether its worker may reach the Hub
    memory_bytes: ClassVar[int | None] = None  # the most that its worker may hold, an engine included; None: any
    travels: ClassVar[bool] = True  # whether another machine can do it; False: it reads or writes files of this one
    reads_logs: ClassVar[bool] = False  # whether it looks up in the logs of other runs how images were made
    title: ClassVar[str] = ""  # what it does, as a phrase for people; empty: the first line of its docstring
    passing: ClassVar[Mapping[str, str]] = {}  # of a scorer: what images do that pass a filter over its score, by rule
    helping: ClassVar[Mapping[str, str]] = {}  # of a scorer: what to change of sampling where too few pass, by rule
    scale: ClassVar[Scale | None] = None  # of a scorer: what its values mean
    among: ClassVar[bool] = False  # of a scorer: whether a value depends on the other images of the set
    seconds_per_unit: ClassVar[float] = 0.01  # of `effort`, bundled model, two free cores; earlier runs replace it
    version: ClassVar[int] = 1  # raise it when the same fields would give other pixels or weights
    later: ClassVar[frozenset[str]] = frozenset()  # fields that stored Steps of this version may lack, see `to_json`

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if STEPS.setdefault(cls.kind, cls) is not cls:
            raise TypeError(f"two steps are called {cls.kind!r}")

    @classmethod
    def upgrade(cls, fields: dict[str, Any], version: int) -> dict[str, Any]:
        """Rewrite fields stored by an older version. The default knows only one version."""
        return fields

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        """How much work fields ask for; a recipe's holes may stand in them. By default: a look at each image."""
        return Effort.once(there.made or there.shots)

    @property
    def fields(self) -> dict[str, Any]:
        """The fields as JSON values, defaults included."""
        return self.model_dump(mode="json")

    def to_json(self) -> str:
        """The canonical form: what is hashed, stored and sent to a worker.

        A field that came `later` stands in it only where it has another value than its default, which is what there was
        before: so a Step without it keeps its id, and what was made from it is found.
        """
        known = type(self).model_fields
        fields = {
            name: value for name, value in self.fields.items()
            if name not in self.later or getattr(self, name) != known[name].get_default()
        }  # fmt: skip
        body = {"kind": self.kind, "version": self.version, "fields": fields}
        return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    @property
    def id(self) -> str:
        """Equal id, equal work."""
        return "step:" + hashlib.blake2b(self.to_json().encode(), digest_size=16).hexdigest()

    @property
    def rows(self) -> int:
        """How many images it plans, if any share of them can be made apart (`Work.share`); 0: made in one piece."""
        return 0

    def run(self, work: "Work") -> Iterator["Event"]:
        """Do the work, saying each result as soon as it exists; a stopped run keeps what it said."""
        raise NotImplementedError(f"{self.kind} has no run()")


def step_class(kind: str) -> type[Step]:
    """The class of `kind`; UnknownName with the nearest kinds if there is none."""
    if kind not in STEPS:
        raise UnknownName.among("step", kind, STEPS)
    return STEPS[kind]


def step_title(kind: str) -> str:
    """What a Step does, as a phrase; the name of the kind if it is not here."""
    if kind not in STEPS:
        return kind
    said = STEPS[kind].title or (STEPS[kind].__doc__ or kind).strip().splitlines()[0]
    return said.rstrip(".")


def build(kind: str, fields: dict[str, Any], *, stored: bool = False) -> Step:
    """Validate `fields` into a Step of `kind`; BadInput says which field is wrong and why.

    A `stored` Step was asked for under the rules of its day.
    """
    cls = step_class(kind)
    for name in fields:
        if name not in cls.model_fields:
            raise UnknownName.among(f"field of {kind}", name, cls.model_fields)
    try:
        return cls.model_validate(fields, context={"stored": stored})
    except ValidationError as error:
        raise refusal(error, kind) from error


def from_json(text: str) -> Step:
    """Read a stored Step of any version back."""
    body = json.loads(text)
    cls = step_class(body["kind"])
    return build(body["kind"], cls.upgrade(body["fields"], body["version"]), stored=True)


def stated(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as a recipe states them, holes and all, and for the rest the Step's own defaults."""
    known = step_class(kind).model_fields.items()
    return {name: info.default for name, info in known if not info.is_required()} | dict(fields)


def fields_naming(cls: type[Step], what: str) -> list[str]:
    """The fields of a Step class whose type is marked `Names(what)`, inside of unions and lists too."""
    return [
        name for name, info in cls.model_fields.items() if Names(what) in (*info.metadata, *_marks(info.annotation))
    ]


def _marks(annotation: Any) -> Iterator[Any]:
    yield from getattr(annotation, "__metadata__", ())
    for inner in typing.get_args(annotation):
        yield from _marks(inner)


class FieldInfo(typing.NamedTuple):
    """What a form, a command line and a manual need to know of one field."""

    name: str
    type: str
    default: Any
    required: bool
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...]
    help: str


@functools.cache
def describe(cls: type[Step]) -> tuple[FieldInfo, ...]:
    """Read the fields of a Step class off its JSON schema, once."""
    schema = cls.model_json_schema()
    definitions = schema.get("$defs", {})
    required = set(schema.get("required", ()))
    return tuple(_field_info(name, body, definitions, required) for name, body in schema.get("properties", {}).items())


@functools.cache
def roles_of(cls: type[Step], field: str) -> tuple[tuple[str, ...], bool]:
    """Which artifacts a field names, by the prefixes of their ids, if any; and whether it takes a list."""
    schema = cls.model_json_schema()
    body = schema.get("properties", {}).get(field, {})
    found = re.findall(r'"pattern": "\^([a-z]+):', json.dumps(body))
    return tuple(dict.fromkeys(found)), is_list(cls, field)


@functools.cache
def is_list(cls: type[Step], field: str) -> bool:
    """Whether a field takes a list."""
    body = cls.model_json_schema().get("properties", {}).get(field, {})
    return any(option.get("type") == "array" for option in (body, *body.get("anyOf", ())))


def _field_info(name: str, body: dict[str, Any], definitions: dict[str, Any], required: set[str]) -> FieldInfo:
    options = [body, *(_resolve(option, definitions) for option in body.get("anyOf", ()))]
    kinds = [option["type"] for option in options if option.get("type") not in (None, "null")]
    bounds = [option.get("minimum", option.get("exclusiveMinimum")) for option in options]
    tops = [option.get("maximum", option.get("exclusiveMaximum")) for option in options]
    choices = next((option["enum"] for option in options if "enum" in option), ())
    optional = any(option.get("type") == "null" for option in options)
    return FieldInfo(
        name=name,
        type=(kinds[0] if kinds else "object") + (" or none" if optional else ""),
        default=body.get("default"),
        required=name in required,
        minimum=next((bound for bound in bounds if bound is not None), None),
        maximum=next((top for top in tops if top is not None), None),
        choices=tuple(str(choice) for choice in choices),
        help=next((option["description"] for option in options if option.get("description")), ""),
    )


def _resolve(option: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    reference = option.get("$ref")
    return definitions[reference.rsplit("/", 1)[1]] if reference else option
