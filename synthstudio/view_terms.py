"""The words of filters in Review: what of an image a view may be narrowed by, and one such limit."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from synthstudio import cause_terms
from synthstudio.filters import Score
from synthstudio.terms import clean_label

# How a field is asked for: between two numbers, one of some values, one of some texts that are typed, a part of a text.
Kind = Literal["number", "choice", "typed", "written"]
SCORE = "score:"  # what a scorer says of an image is a field of this and its name
LIKENESS = "likeness"  # to the image that a view names; its limits stand in the view itself
SIZES = ("width", "height")
MADE_WITH: dict[str, Kind] = {
    "prompt": "written",
    "negative_prompt": "written",
    "seed": "typed",
    **dict.fromkeys(cause_terms.NUMBERS, "number"),
    **dict.fromkeys(cause_terms.TEXTS, "choice"),
}
TAG = "tag"
KINDS: dict[str, Kind] = {TAG: "choice", **MADE_WITH, **dict.fromkeys(SIZES, "number")}
_WORDS: dict[str, str] = {name: words for name, words in cause_terms.FIELDS.items() if name in KINDS}
_LONGEST_TAG = 60
_SCORER = re.compile(r"score:[^\x00-\x1f]{1,80}")


def kind(field: str) -> Kind:
    """How a field is asked for."""
    return KINDS.get(field, "number")


def words(field: str) -> str:
    """What a person calls a field: 'guidance', 't0', 'label agreement'."""
    return _WORDS.get(field) or field.removeprefix(SCORE).replace("_", " ")


def clean_tag(text: str) -> str:
    """A tag as it is kept: one line without commas, which stand between tags; ValueError says what is wrong."""
    try:
        kept = clean_label(text)
    except ValueError as error:
        raise ValueError("a tag needs at least one visible character, and at most 60") from error
    if len(kept) > _LONGEST_TAG or "," in kept:
        raise ValueError("a tag has at most 60 characters and no comma; shorten it, or make two of it")
    return kept


Tag = Annotated[str, Field(max_length=200), AfterValidator(clean_tag)]


def _known(field: str) -> str:
    if field not in KINDS and not _SCORER.fullmatch(field):
        raise ValueError("no image has a field of this name; choose one of the list under Filter")
    return field


Named = Annotated[str, Field(max_length=90), AfterValidator(_known)]


class Limit(BaseModel):
    """What one field of an image has to be: a number within two bounds, one of some texts ('' where it has none), or a
    text that contains another, whatever its case.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: Named
    low: Score | None = None
    high: Score | None = None
    any_of: tuple[Annotated[str, Field(max_length=2000)], ...] = Field(default=(), max_length=200)
    contains: str = Field(default="", max_length=500)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        given = {
            "number": self.low is not None or self.high is not None,
            "choice": bool(self.any_of),
            "written": bool(self.contains),
        }
        asked = "choice" if kind(self.field) == "typed" else kind(self.field)
        if [name for name, there in given.items() if there] != [asked]:
            raise ValueError("give a number its bounds, a choice its values, and a prompt the words it contains")
        return self


def of_scorer(scorer: str, low: Any, high: Any) -> dict[str, Any]:
    """A limit on what a scorer says, as a view holds it."""
    return {"field": f"{SCORE}{scorer}", "low": low, "high": high}
