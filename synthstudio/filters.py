"""Filters over scores. Each says SQL for the machine and English for the reader.

A filter narrows a relation with the columns (image, label); it reads a relation scores(image, scorer, value).
Filters apply in order, so a "best of" after a threshold counts only what passed.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Score = Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False)]


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
    value: Score

    def where(self, candidates: str) -> tuple[str, list[object]]:
        return _exists(">="), [self.scorer, self.value]

    def says(self) -> str:
        return f"{self.scorer} of at least {self.value:g}"


class AboveChance(_Filter):
    """Keep images whose share of an answer reaches what guessing among the classes would give: p ≥ factor / C.

    C counts the classes that reach this filter, so the same filter is as strict with two classes as with a hundred;
    with two, factor 1 asks that no other class is more likely (CLIP filtering as published: p > 1/C).
    """

    rule: Literal["above_chance"] = "above_chance"
    factor: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] = 1.0

    def where(self, candidates: str) -> tuple[str, list[object]]:
        return _exists(f">= (1 - 1e-9) / (select count(distinct label) from {candidates}) *"), [
            self.scorer,
            self.factor,
        ]

    def says(self) -> str:
        times = "" if self.factor == 1 else f" times {self.factor:g}"
        return f"{self.scorer} above chance{times}"


class AtMost(_Filter):
    """Keep images whose score does not exceed a value."""

    rule: Literal["at_most"] = "at_most"
    value: Score

    def where(self, candidates: str) -> tuple[str, list[object]]:
        return _exists("<="), [self.scorer, self.value]

    def says(self) -> str:
        return f"{self.scorer} of at most {self.value:g}"


class TopPerLabel(_Filter):
    """Keep the best images of each class; ties are broken by digest, so the answer is always the same."""

    rule: Literal["top_per_label"] = "top_per_label"
    count: Annotated[int, Field(ge=1, le=1_000_000)]

    def where(self, candidates: str) -> tuple[str, list[object]]:
        return (
            f"(c.image, c.label) in (select t.image, t.label from {candidates} t join scores s on s.image = t.image"
            " where s.scorer = ?"
            " qualify row_number() over (partition by t.label order by s.value desc, t.image) <= ?)",
            [self.scorer, self.count],
        )

    def says(self) -> str:
        return f"the best {self.count} per class by {self.scorer}"


Condition = AtLeast | AboveChance | AtMost | TopPerLabel
Filter = Annotated[Condition, Field(discriminator="rule")]


def sentence(filters: tuple[Condition, ...]) -> str:
    """All filters as one sentence."""
    return "Keep images with " + ", then ".join(f.says() for f in filters) + "." if filters else "Keep every image."


def _exists(comparison: str) -> str:
    return (
        "exists (select 1 from scores s where s.image = c.image and s.scorer = ?"
        f" and not isnan(s.value) and s.value {comparison} ?)"
    )
