"""The words of causes: what a setting of an image may be, as a person says it and as a form or a query reads it."""

from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

# What images are told apart by, the most telling first: of settings that mean the same images, the first is named.
Drawn = Literal["template", "word", "caption"]  # what an image drew of the lists of its Step
Text = Literal["domain", "sampler", "parent", "adapter", "words", "backbone"]
Number = Literal["guidance_scale", "strength", "inference_steps", "adapter_scale"]
Setting = Literal[Drawn, Text, Number, "label", "run"]
DRAWN, TEXTS, NUMBERS = (get_args(one) for one in (Drawn, Text, Number))
FIELDS: dict[Setting, str] = {
    "domain": "domain",
    "template": "prompt",
    "word": "word",
    "caption": "caption",
    "guidance_scale": "guidance",
    "strength": "t0",
    "sampler": "solver",
    "inference_steps": "steps",
    "adapter_scale": "adapter scale",
    "parent": "source",
    "label": "class",
    "adapter": "adapter",
    "words": "learned words",
    "backbone": "backbone",
    "run": "run",
}
_SIGNS = {"is": "=", "at_least": "≥", "at_most": "≤"}
_Finite = Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False)]


class Condition(BaseModel):
    """One setting of an image: a text that it is ('' where it has none), or a number on one side of a bound.

    `beyond` is the closest number that was seen on the other side: how far a form may go without it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: Setting
    op: Literal["is", "at_least", "at_most"] = "is"
    text: Annotated[str, Field(max_length=2000)] = ""
    number: _Finite | None = None
    beyond: _Finite | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        bounded = self.op != "is"
        if bounded != (self.field in NUMBERS) or bounded != (self.number is not None):
            raise ValueError("a number is asked for by at_least or at_most, a text by is")
        return self

    def says(self, named: str = "") -> str:
        """The condition as a phrase; `named` is what people call the thing whose id it holds."""
        shown = (named or self.text or "none") if self.number is None else f"{self.number:g}"
        return f"{FIELDS[self.field]} {_SIGNS[self.op]} {shown}"
