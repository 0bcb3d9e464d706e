"""Draw until enough images of every class pass filters, or a budget is used up (filtering as He et al. 2023).

The plan is that of `sample.text` or `sample.variation` with the budget as `images_per_class`; what is not needed is not
drawn. So an image hangs on its class and its number alone, however many were accepted before it.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, ValidationInfo, model_validator

from synthstudio.artifacts import Image, ImageSet, Member
from synthstudio.effort import Amounts, Effort
from synthstudio.errors import BadInput
from synthstudio.events import Event, Output, Progress
from synthstudio.filters import AboveChance, Filter, TopPerLabel
from synthstudio.step import STEPS, Step, build, step_class
from synthstudio.steps import Work, encoding
from synthstudio.steps.sample import denoising_named
from synthstudio.steps.sample.fields import FromPhotos, Prompted
from synthstudio.steps.sample.making import Ready, ready
from synthstudio.steps.sample.passing import Passing
from synthstudio.steps.sample.plan import LATER, Plan, Row, chunks
from synthstudio.steps.sample.text import Text
from synthstudio.steps.sample.variation import Variation
from synthstudio.terms import ImageSetId, ModelRef, Slider

_SCORES = "score."
_COMPARED = ("label_agreement", "margin")  # what compares classes: one class alone always wins
_FIRST = 20  # images of every class whose prompts are looked at before the first is drawn


class Until(FromPhotos, Prompted, Step):
    """Synthetic images, scored and filtered while they are made; a class that has enough is drawn no more."""

    kind: ClassVar[str] = "sample.until"
    title: ClassVar[str] = "Make images until enough are accepted"
    seconds_per_unit: ClassVar[float] = 0.03  # a denoising step of one image
    later: ClassVar[frozenset[str]] = LATER

    sources: ImageSetId | None = None
    accepted: Annotated[
        int, Field(ge=1, le=100_000, description="A class is complete with so many accepted images."), Slider(1, 200, 1)
    ] = 50
    images_per_class: Annotated[
        int, Field(ge=1, le=1_000_000, description="The budget: images made per class at most, accepted or not."),
        Slider(1, 1000, 1),
    ] = 200  # fmt: skip
    filters: Annotated[
        tuple[Filter, ...], Field(min_length=1, max_length=50, description="What an image must pass, in order.")
    ]
    encoder: Annotated[ModelRef | None, Field(description="What the scores look with; none: they need no eye.")] = None
    references: Annotated[
        ImageSetId | None, Field(description="Real images that the scores compare with; none: words only.")
    ] = None

    @model_validator(mode="after")
    def _can_end(self, info: ValidationInfo) -> Self:
        if (info.context or {}).get("stored"):
            return self
        if self.accepted > self.images_per_class:
            raise ValueError(f"{self.accepted} accepted of at most {self.images_per_class} cannot be; raise the budget")
        started = [name for name in FromPhotos.model_fields if getattr(self, name) != Until._default(name)]
        if self.sources is None and started:
            raise ValueError(f"{started[0]} starts from photos; name sources, or leave it out")
        self._check_filters()
        return self

    def _check_filters(self) -> None:
        for one in self.filters:
            if isinstance(one, TopPerLabel):
                raise ValueError("top_per_label compares images with each other; filter the result by it afterwards")
            self._check_scorer(one.scorer)
        alone = len(self.labels) == 1 and [one for one in self.filters if one.scorer in _COMPARED]
        if alone and (self.references is None or any(isinstance(one, AboveChance) for one in alone)):
            raise ValueError(
                f"{alone[0].scorer} of one class alone says nothing; name more labels, or at_least with references of"
                " others"
            )

    def _check_scorer(self, name: str) -> None:
        known = [kind.removeprefix(_SCORES) for kind in STEPS if kind.startswith(_SCORES)]
        if name not in known:
            raise ValueError(f"there is no score called {name!r}; there are {', '.join(sorted(known))}")
        if step_class(_SCORES + name).among:
            raise ValueError(f"{name} compares images with each other; filter the result by it afterwards")
        for field, info in step_class(_SCORES + name).model_fields.items():
            if info.is_required() and field != "images" and self._given.get(field) is None:
                raise ValueError(f"{name} needs {field}; name some, or leave its filter out")

    @classmethod
    def _default(cls, name: str) -> object:
        return cls.model_fields[name].get_default()

    @property
    def _given(self) -> dict[str, Any]:
        """What scorers are told, where they have such fields."""
        return {"encoder": self.encoder, "references": self.references, "labels": self.labels}

    @property
    def plain(self) -> Text | Variation:
        """What draws the whole budget and filters nothing."""
        kind = Text if self.sources is None else Variation
        names = kind.model_fields.keys() & type(self).model_fields.keys()
        step = build(kind.kind, {name: getattr(self, name) for name in names}, stored=True)  # its rules were kept here
        assert isinstance(step, Text | Variation)
        return step

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        return denoising_named(fields, there)

    def run(self, work: Work) -> Iterator[Event]:
        """Yield one image at a time and scores after every round; then what passed."""
        rows, made = self.plain.plan(work), dict(work.done)
        yield Progress(done=len(made), total=1 if self.only is not None else self.images, unit="images")
        if self.encoder is not None and self.only is None:
            encoding.encoder(work, self.encoder)  # first, so that images take the memory that it leaves
        shown = [row for place in range(len(self.labels)) for row in self._turn(rows, place, 0, _FIRST)]
        able = yield from ready(work, self.plain, shown)
        size = min(able.size, self.accepted)
        if self.only is not None:
            yield from self._one(able, rows, size, self.only)
            return
        passing = Passing(work, self.filters, self._scorers(work))
        for start in range(0, self.images_per_class, size):
            thin = [place for place, label in enumerate(self.labels) if len(passing.of(label)) < self.accepted]
            if not thin:
                break
            turns = [self._turn(rows, place, start, size) for place in thin]
            for turn in turns:  # a batch holds one class: no image rounds otherwise because another class has enough
                for batch in chunks(turn, able.size):
                    yield from able.draw(batch, made, self.images)
            new = [Member(row.label, made[row.index].digest) for turn in turns for row in turn]
            yield from passing.look(new, len(made), self.images)
        yield from self._outcome(work, passing, made)

    def _turn(self, rows: Plan, place: int, start: int, count: int) -> list[Row]:
        """So many rows of the class at this place, or what its budget leaves of them."""
        first, most = place * self.images_per_class, self.images_per_class
        return rows[first + start : first + min(start + count, most)]

    def _one(self, able: Ready, rows: Plan, size: int, index: int) -> Iterator[Event]:
        """The image of this number, in the batch that it belongs to."""
        place, number = divmod(index, self.images_per_class)
        made = dict(able.work.done)
        for batch in chunks(self._turn(rows, place, number - number % size, size), able.size):
            if index in (row.index for row in batch):
                yield from able.draw(batch, made, 1, index)
        found = ImageSet.of("set", [Member(self.labels[place], made[index].digest)])
        yield Output(name="images", value=able.work.workspace.put_set(found))

    def _scorers(self, work: Work) -> dict[str, dict[str, Any]]:
        """The kind of every scorer that filters name, and its fields but for the images."""
        given, known = dict(self._given), list(self.labels)
        if self.references is not None:
            known += work.workspace.image_set(self.references).labels
        given["labels"] = tuple(dict.fromkeys(known))  # judged among all classes there are, whichever are drawn
        kinds = dict.fromkeys(_SCORES + one.scorer for one in self.filters)
        return {kind: {name: value for name, value in given.items() if name in step_class(kind).model_fields}
                for kind in kinds}  # fmt: skip

    def _outcome(self, work: Work, passing: Passing, made: Mapping[int, Image]) -> Iterator[Event]:
        """The sets and numbers that were made; BadInput where no image passed."""
        workspace = work.workspace
        chosen = [Member(label, image) for label in self.labels for image in passing.of(label)[: self.accepted]]
        yield Progress(done=len(made), total=len(made), unit="images")
        yield from passing.told(self.labels, self.accepted)
        if chosen:
            yield Output(name="images", value=workspace.put_set(ImageSet.of("set", chosen)))
        everything = ImageSet.of("set", (Member(image.label, image.digest) for image in made.values()))
        yield Output(name="made", value=workspace.put_set(everything))
        yield from passing.documents(self.encoder)
        if not chosen:
            raise BadInput(passing.none(self.labels))
