"""What pydantic says of bad values, in words for a person: what each field must be.

A phrase is the rest of a sentence that begins with the name of its field, so that a form can put its own label there
and the command line the name of the field.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from synthstudio.errors import BadInput, StudioError

_WHOLE, _NUMBER = "must be a whole number", "must be a number"


class Complained(Protocol):
    """A ValidationError of pydantic, or fastapi's of a request."""

    def errors(self) -> Sequence[Any]:
        """One mapping for each complaint, as pydantic writes it."""


_MOST = 20  # complaints that are said of one request
# By pydantic's name of the error; braces take what it says of the bound (its `ctx`).
_PHRASES = {
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "must be a number that is not infinite",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must look like {pattern}",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be names with values",
    "model_type": "must be names with values",
    "model_attributes_type": "must be names with values",
    "union_tag_not_found": "must say which {discriminator} it is",
    "union_tag_invalid": "must be one of {expected_tags}",
    "literal_error": "must be {expected}",
    "too_short": "must have at least {min_length} of them",
    "too_long": "must have at most {max_length} of them",
    "missing": "must be given",
    "extra_forbidden": "must be left out: there is no such field",
}


def phrases(error: Complained) -> Iterator[tuple[str, str, Any]]:
    """(field as a dotted path, what it must be, the value that was given) of every complaint."""
    for one in error.errors()[:_MOST]:
        loc = one["loc"][1:] if one["loc"][:1] == ("body",) else one["loc"]  # where fastapi says that it looked
        path = ".".join(str(part) for part in loc)
        yield path, _phrase(one), None if one["type"] == "missing" else one["input"]


def sentence(name: str, phrase: str) -> str:
    """'Learning rate must be at most 1', or with a phrase that is a sentence of its own 'Prompt: …'."""
    if not name:
        return phrase[:1].upper() + phrase[1:]
    return f"{name} {phrase}" if phrase.startswith("must ") else f"{name}: {phrase}"


def by_field(error: Complained, named: Callable[[str], str] | None = None) -> dict[str, str]:
    """The first complaint of every field as a sentence; `named` gives the field's words, else they are its name."""
    found: dict[str, str] = {}
    for path, phrase, _ in phrases(error):
        field = path.partition(".")[0]
        found.setdefault(field, sentence((named or label)(field), phrase) + ".")
    return found


def label(field: str) -> str:
    """A field's name as words: 'learning_rate' as 'Learning rate'."""
    return field.replace("_", " ").capitalize()


def readable(error: Complained) -> str:
    """All complaints as sentences that name field and value."""
    said = []
    for path, phrase, given in phrases(error):
        shown = "" if given is None or not path else f" (given: {repr(given)[:80]})"
        said.append(f"{sentence(path, phrase)}{shown}")
    return "; ".join(said) + "."


def refusal(error: Complained, kind: str = "") -> BadInput:
    """The error for a person: all complaints in one sentence, and by field."""
    found = BadInput(f"{kind}: {readable(error)}" if kind else readable(error))
    found.fields = by_field(error)
    return found


@contextmanager
def concerning(field: str, known: Container[str] | None = None) -> Iterator[None]:
    """Note on an error which field of a form it is about, unless that is known already. With `known`, what is said of
    other fields is about this one: it is where they were written.
    """
    try:
        yield
    except StudioError as error:
        own = {name if known is None or name in known else field: text for name, text in error.fields.items()}
        error.fields = own or {field: str(error)}
        raise


def _phrase(one: Mapping[str, Any]) -> str:
    pattern = _PHRASES.get(one["type"])
    if pattern is None:
        return str(one["msg"]).removeprefix("Value error, ")
    return pattern.format(**{name: _plain(value) for name, value in one.get("ctx", {}).items()})


def _plain(value: Any) -> str:
    """A bound without digits that say nothing: 1, not 1.0."""
    return f"{value:g}" if isinstance(value, float) else str(value)
