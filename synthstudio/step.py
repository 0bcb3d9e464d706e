"""Step: a frozen request whose id is the digest of its content."""

import hashlib
import json
import typing
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from synthstudio.errors import BadInput, UnknownName

if TYPE_CHECKING:
    from synthstudio.events import Event
    from synthstudio.steps import Work

STEPS: dict[str, type["Step"]] = {}


class Step(BaseModel):
    """One thing to make. Inputs are named by digest, so an id covers the whole history behind it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    computes: ClassVar[bool] = True  # whether a run holds the device; False for steps that only move files
    version: ClassVar[int] = 1  # raise it when the same fields would give other pixels or weights

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if STEPS.setdefault(cls.kind, cls) is not cls:
            raise TypeError(f"two steps are called {cls.kind!r}")

    @classmethod
    def upgrade(cls, fields: dict[str, Any], version: int) -> dict[str, Any]:
        """Rewrite fields stored by an older version. The default knows only one version."""
        return fields

    @property
    def fields(self) -> dict[str, Any]:
        """The fields as JSON values, defaults included."""
        return self.model_dump(mode="json")

    def to_json(self) -> str:
        """The canonical form: what is hashed, stored and sent to a worker."""
        body = {"kind": self.kind, "version": self.version, "fields": self.fields}
        return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    @property
    def id(self) -> str:
        """Equal id, equal work."""
        return "step:" + hashlib.blake2b(self.to_json().encode(), digest_size=16).hexdigest()

    def run(self, work: "Work") -> Iterator["Event"]:
        """Do the work, saying each result as soon as it exists; a stopped run keeps what it said."""
        raise NotImplementedError(f"{self.kind} has no run()")


def step_class(kind: str) -> type[Step]:
    """The class of `kind`; UnknownName with the nearest kinds if there is none."""
    if kind not in STEPS:
        raise UnknownName.among("step", kind, STEPS)
    return STEPS[kind]


def build(kind: str, fields: dict[str, Any]) -> Step:
    """Validate `fields` into a Step of `kind`; BadInput says which field is wrong and why."""
    cls = step_class(kind)
    for name in fields:
        if name not in cls.model_fields:
            raise UnknownName.among(f"field of {kind}", name, cls.model_fields)
    try:
        return cls(**fields)
    except ValidationError as error:
        raise BadInput(f"{kind}: {readable(error)}") from error


def from_json(text: str) -> Step:
    """Read a stored Step of any version back."""
    body = json.loads(text)
    cls = step_class(body["kind"])
    return build(body["kind"], cls.upgrade(body["fields"], body["version"]))


def readable(error: ValidationError) -> str:
    """The complaints of pydantic as one sentence each, naming field and value."""
    sentences = []
    for one in error.errors():
        name = ".".join(str(part) for part in one["loc"]) or "the request"
        given = "" if one["type"] == "missing" else f" (given: {str(one['input'])[:80]!r})"
        sentences.append(f"{name}: {one['msg'].removeprefix('Value error, ')}{given}")
    return "; ".join(sentences) + "."


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


def describe(cls: type[Step]) -> list[FieldInfo]:
    """Read the fields of a Step class off its JSON schema."""
    schema = cls.model_json_schema()
    definitions = schema.get("$defs", {})
    required = set(schema.get("required", ()))
    return [_field_info(name, body, definitions, required) for name, body in schema.get("properties", {}).items()]


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
