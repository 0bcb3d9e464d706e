"""One image under many settings, side by side: what a knob does before an hour is spent on it.

With `x` t0 and one photo it is a ladder of t0; with `x` and `y` a grid. All cells share their seeds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby, product
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from synthstudio.effort import Amounts, Effort
from synthstudio.errors import BadInput
from synthstudio.events import Event, Output
from synthstudio.sampling_terms import MixShare
from synthstudio.step import Step, build
from synthstudio.steps import Work
from synthstudio.steps.sample import denoising_named
from synthstudio.steps.sample.fields import Prompted
from synthstudio.steps.sample.making import Part, adapter_weights, make_parts, names_of
from synthstudio.steps.sample.plan import LATER, Row, plan
from synthstudio.steps.sample.text import Text
from synthstudio.steps.sample.variation import Variation
from synthstudio.terms import DIGEST, ImageSetId, ImagesPerClass, ModelRef, Strength

_LARGEST = 2.0**53  # beyond it whole numbers of JSON are rounded
MOST_CELLS, MOST_IMAGES = 225, 2_000
# What a batch cannot mix: cells that differ in one of these are drawn apart.
_APART = (
    "inference_steps", "sampler", "adapter_scale", "guidance_begin", "guidance_end", "lack_strength", "resolution",
)  # fmt: skip
_OF_SHOTS = ("strength", "mix")

Axis = Literal[
    "strength", "guidance_scale", "inference_steps", "sampler", "adapter_scale", "prompt", "negative_prompt", "prefix",
    "guidance_begin", "guidance_end", "lack_strength", "mix", "resolution", "seed",
]  # fmt: skip


def _numbers(given: object) -> object:
    """Values as they are typed: what reads as a number is one."""
    return (
        [_number(one) if isinstance(one, str) else one for one in given] if isinstance(given, list | tuple) else given
    )


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


Values = Annotated[
    tuple[Annotated[float, Field(ge=-_LARGEST, le=_LARGEST)] | Annotated[str, Field(max_length=500)], ...],
    Field(max_length=MOST_CELLS, description="The values of a grid’s axis, each once."),
    BeforeValidator(_numbers),
]


class Grid(Prompted, Step):
    """The same images for every pair of values of two fields; with `sources`, from a photo of each class."""

    kind: ClassVar[str] = "sample.grid"
    title: ClassVar[str] = "Compare settings side by side"
    seconds_per_unit: ClassVar[float] = 0.03  # a denoising step of one image
    later: ClassVar[frozenset[str]] = LATER

    sources: ImageSetId | None = None
    shot: Annotated[
        str | None, Field(pattern=f"^{DIGEST}$", description="The photo that every cell starts from; none: the first.")
    ] = None
    strength: Strength = 0.5
    mix: MixShare = 0.0
    images_per_class: ImagesPerClass = 1
    x: Annotated[Axis, Field(description="The field that changes from left to right.")] = "strength"
    x_values: Values = ()
    y: Annotated[Axis | None, Field(description="The field that changes from top to bottom; none: one row.")] = None
    y_values: Values = ()
    encoder: Annotated[
        ModelRef | None, Field(description="Scores every image beside the photos it starts from; none: no scores.")
    ] = None

    @model_validator(mode="after")
    def _cells_fit(self) -> Self:
        if not self.x_values or bool(self.y) != bool(self.y_values):
            raise ValueError("a field needs values and values need a field: give x_values, and y with y_values")
        if self.x == self.y:
            raise ValueError(f"both sides of the grid change {self.x}; choose two fields")
        for name, values in (("x_values", self.x_values), ("y_values", self.y_values)):
            if len(set(values)) < len(values):
                raise ValueError(f"{name} names a value twice")
        if self.sources is None and {self.x, self.y} & set(_OF_SHOTS):
            raise ValueError("t0 and mixing start from photos; name sources, or change another field")
        if self.encoder and self.sources is None:
            raise ValueError("scores compare with photos; name sources, or leave encoder out")
        if self.cells > MOST_CELLS or self.images > MOST_IMAGES:
            raise ValueError(
                f"{self.cells} cells with {self.images} images are too many; at most {MOST_CELLS} and {MOST_IMAGES}"
            )
        list(self.steps())  # each cell must be one that could be asked for alone
        return self

    @property
    def cells(self) -> int:
        """How many pairs of values there are."""
        return len(self.x_values) * max(1, len(self.y_values))

    @property
    def images(self) -> int:
        return super().images * self.cells

    def steps(self) -> Iterator[Text | Variation]:
        """What each cell would be if it were asked for alone: row by row, from left to right."""
        kind = Text if self.sources is None else Variation
        names = (kind.model_fields.keys() & type(self).model_fields.keys()) - {"only"}
        shared = {name: getattr(self, name) for name in names}
        for y, x in product(self.y_values or ("",), self.x_values):
            changed = {self.x: x} | ({self.y: y} if self.y else {})
            step = build(kind.kind, shared | {name: _whole(value) for name, value in changed.items()})
            assert isinstance(step, Text | Variation)
            yield step

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        return denoising_named(fields, there)

    def run(self, work: Work) -> Iterator[Event]:
        """Yield one image at a time; the set of all when they are complete."""
        sources = self._sources(work)
        parts: list[tuple[Text | Variation, list[Row]]] = []
        for cell, step in enumerate(self.steps()):
            weights, names = adapter_weights(work, step), names_of(work, step, self.labels)
            rows = plan(step, weights, sources, step.start if isinstance(step, Variation) else 1.0, names)
            parts.append((step, [replace(row, index=cell * len(rows) + row.index) for row in rows]))
        images = ""
        for event in make_parts(work, _together(parts), self.only):
            images = event.value if isinstance(event, Output) else images
            yield event
        if self.encoder and self.only is None:
            yield from self._looked_at(work, images)

    def _looked_at(self, work: Work, images: str) -> Iterator[Event]:
        """How near each image is to a photo, and how much like its class: the scores a filter would ask about."""
        given = {"images": images, "references": self.sources, "encoder": self.encoder}
        classes = work.workspace.image_set(str(self.sources)).labels
        scorers = [build("score.nearest_real", given)]
        if len(classes) > 1:
            scorers.append(build("score.label_agreement", given | {"labels": classes}))
        for scorer in scorers:
            for event in scorer.run(work):
                if isinstance(event, Output):
                    yield Output(name=scorer.kind.partition(".")[2], value=event.value)
                else:
                    yield event

    def _sources(self, work: Work) -> dict[str, list[str]] | None:
        if self.sources is None:
            return None
        groups = work.workspace.image_set(self.sources).by_label()
        found = {label: [member.image for member in groups.get(label, ())] for label in self.labels}
        if self.shot is None:
            return found
        if not any(self.shot in images for images in found.values()):
            raise BadInput("The photo to start from is none of these sources. Choose one of them.")
        return {label: [self.shot] if self.shot in images else images for label, images in found.items()}


def _together(parts: list[tuple[Text | Variation, list[Row]]]) -> list[Part]:
    """Cells that can share batches as one part."""

    def apart(part: tuple[Text | Variation, list[Row]]) -> str:
        return repr([getattr(part[0], name) for name in _APART])

    found: list[Part] = []
    for _, cells in groupby(sorted(parts, key=apart), key=apart):
        some = list(cells)
        rows = [row for _, rows in some for row in rows]
        found.append((some[0][0], sorted(rows, key=lambda row: (row.label, row.index))))
    return found


def _whole(value: float | str) -> float | int | str:
    """JSON knows one kind of number; fields of whole numbers do not."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
