"""Filters over scores. Each says SQL for the machine and English for the reader.

A filter narrows a relation with the columns (image, label); it reads a relation scores(image, scorer, value).
Filters apply in order, so a "best of" after a threshold counts only what passed.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Filter(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    scorer: Annotated[str, Field(min_length=1, max_length=80, description="The scorer's name.")]

    def where(self, candidates: str) -> tuple[str, list[object]]:
        """A condition on `c.image` over the relation named `candidates`, with its bound values."""
        raise NotImplementedError

    def says(self) -> str:
        """The condition as a phrase."""
        raise NotImplementedError


class AtLeast(_Filter):
    """Keep images whose score reaches a value."""

    rule: Literal["at_least"] = "at_least"
    value: float

    def where(self, candidates: str) -> tuple[str, list[object]]:
        return _exists(">="), [self.scorer, self.value]

    def says(self) -> str:
        return f"{self.scorer} of at least {self.value:g}"


class AtMost(_Filter):
    """Keep images whose score does not exceed a value."""

    rule: Literal["at_most"] = "at_most"
    value: float

    def where(self, candidates: str) -> tuple[str, list[object]]:
        return _exists("<="), [self.scorer, self.value]

    def says(self) -> str:
        return f"{self.scorer} of at most {self.value:g}"


class TopPerLabel(_Filter):
    """Keep the best images of each class; ties are broken by digest, so the answer is always the same."""

    rule: Literal["top_per_label"] = "top_per_label"
    count: Annotated[int, Field(ge=1)]

    def where(self, candidates: str) -> tuple[str, list[object]]:
        return (
            f"(c.image, c.label) in (select t.image, t.label from {candidates} t join scores s on s.image = t.image"
            " where s.scorer = ?"
            " qualify row_number() over (partition by t.label order by s.value desc, t.image) <= ?)",
            [self.scorer, self.count],
        )

    def says(self) -> str:
        return f"the best {self.count} per class by {self.scorer}"


Filter = Annotated[AtLeast | AtMost | TopPerLabel, Field(discriminator="rule")]


def sentence(filters: tuple[AtLeast | AtMost | TopPerLabel, ...]) -> str:
    """All filters as one sentence."""
    return "Keep images with " + ", then ".join(f.says() for f in filters) + "." if filters else "Keep every image."


def _exists(comparison: str) -> str:
    return (
        "exists (select 1 from scores s where s.image = c.image and s.scorer = ?"
        f" and not isnan(s.value) and s.value {comparison} ?)"
    )
