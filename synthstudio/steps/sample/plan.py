"""The plan of a sampling step: one row per image, a pure function of the step. Any subset of rows can run anywhere."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby, islice
from typing import NamedTuple, Protocol, overload

from synthstudio.errors import BadInput
from synthstudio.sampling_terms import per_name
from synthstudio.seeds import derived_seed, luck
from synthstudio.steps.sample import wording
from synthstudio.steps.sample.wording import Worded, Wording, check_known, check_wording
from synthstudio.terms import fill

EVERY = "*"  # the label under which an adapter keeps weights that serve all labels
_BY_SHOTS = {16: 0.15, 8: 0.2, 4: 0.35, 2: 0.4, 1: 0.5}  # Real Guidance (He et al. 2023, arXiv:2210.07574)
LATER = wording.LATER | {
    *("guidance_to", "guidance_begin", "guidance_end", "guidance_per_label"),
    *("lack", "lack_strength", "words", "only"),
}
_PAIRED = 5_000  # rows that are looked through for those made with the same two files
_LOOKED_AT = 10_000  # rows whose prompts are counted where images draw them


class Sampling(Worded, Protocol):
    """What a plan reads of a step."""

    @property
    def negative_prompt(self) -> str: ...
    @property
    def guidance_scale(self) -> float: ...
    @property
    def guidance_to(self) -> float | None: ...
    @property
    def guidance_per_label(self) -> tuple[str, ...]: ...
    @property
    def images_per_class(self) -> int: ...
    @property
    def seed(self) -> int: ...


@dataclass(frozen=True)
class Second:
    """What is mixed into an image: another source of its class, its prompt, and its share."""

    parent: str
    prompt: str
    share: float


@dataclass(frozen=True)
class Between:
    """What stands in the place of a prompt: a photo's vectors, a share of the way to another's, with noise."""

    photo: str
    other: str | None
    share: float
    noise: float


@dataclass(frozen=True)
class Row:
    """One image to make. `weights` is the digest of the LoRA file, `parent` that of the source image.

    `beside` is a second LoRA file: then each has half its weight (LoFT).
    """

    index: int
    label: str
    prompt: str
    negative_prompt: str
    seed: int
    guidance_scale: float
    strength: float = 1.0
    parent: str | None = None
    weights: str | None = None
    domain: str = ""
    second: Second | None = None
    between: Between | None = None
    beside: str | None = None
    grammar: bool = False  # whether its sentence comes from the offline grammar


class Counted(Protocol):
    """What the length of a plan follows from."""

    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def images_per_class(self) -> int: ...


class Rows(Sequence[Row]):
    """The rows of a step, label by label; each is worked out when it is asked for, so that a million cost nothing.

    Seeds hang on label and number alone: adding a class moves no image. Whatever an image draws hangs on its seed.
    """

    @property
    @abstractmethod
    def counts(self) -> Counted:
        """The step."""

    @abstractmethod
    def row(self, index: int) -> Row:
        """The row of this index."""

    def __len__(self) -> int:
        return len(self.counts.labels) * self.counts.images_per_class

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self.row(one) for one in range(len(self))[index]]
        return self.row(range(len(self))[index])


@dataclass(frozen=True)
class Start:
    """How much of its source each image keeps (t0), and how much of a second one is mixed in.

    One t0 for all; or drawn between two, or among several (DA-Fusion's stacking, arXiv:2302.07944); or by the number
    of shots of the class.
    """

    strength: float = 1.0
    to: float | None = None
    among: tuple[float, ...] = ()
    by_shots: bool = False
    mix: float = 0.0

    def of(self, seed: int, shots: int) -> float:
        """t0 of the image with this seed, whose class has so many shots."""
        if self.by_shots:
            return next((t0 for count, t0 in _BY_SHOTS.items() if shots >= count), self.strength)
        if self.among:
            return self.among[int(luck(seed, "t0") * len(self.among))]
        return self.strength if self.to is None else _between(self.strength, self.to, luck(seed, "t0"))


@dataclass(frozen=True)
class Plan(Rows):
    """The rows of a step that draws from prompts, with sources or without."""

    step: Sampling
    weights: Mapping[str, Sequence[str]]  # the LoRA files of a label: none, one, or several that are fused by twos
    parents: Mapping[str, Sequence[str]]
    start: Start
    names: Mapping[str, str] = field(default_factory=dict)  # what prompts say of a label, where that is not its name

    @property
    def counts(self) -> Counted:
        """See `Rows.counts`."""
        return self.step

    def prompts(self) -> Iterator[str]:
        """The prompts of every label, each once, in order; where images draw them, those of the first images."""
        if self.wording.draws:
            yield from dict.fromkeys(row.prompt for row in islice(self, _LOOKED_AT))
            return
        for label in self.step.labels:
            for domain in self.domains_used():
                yield self.wording.prompt(0, label, domain)

    def domains_used(self) -> list[str]:
        """The domains that come up, which are fewer than all where few images are made."""
        parents = len(next(iter(self.parents.values())))
        numbers = range(min(self.step.images_per_class, len(self.wording.turns) * max(1, parents) or 1))
        return list(dict.fromkeys(_domain(self.wording.turns, number, parents) for number in numbers))

    @cached_property
    def wording(self) -> Wording:
        """What their prompts say."""
        return Wording(self.step, self.names)

    @cached_property
    def _guidance(self) -> dict[str, float]:
        return per_name(self.step.guidance_per_label)

    def row(self, index: int) -> Row:
        """See `Rows.row`."""
        place, number = divmod(index, self.step.images_per_class)
        step, label = self.step, self.step.labels[place]
        parents = self.parents[label]
        domain = _domain(self.wording.turns, number, len(parents))
        seed = derived_seed(step.seed, label, number)
        weights, beside = pair(self.weights[label], number)
        return Row(
            index=index,
            label=label,
            prompt=self.wording.prompt(seed, label, domain),
            negative_prompt=fill(step.negative_prompt, self.wording.name(label)),
            seed=seed,
            guidance_scale=self._scale(seed, label),
            strength=self.start.of(seed, len(parents)),
            parent=parents[number % len(parents)] if parents else None,
            weights=weights,
            beside=beside,
            grammar=self.wording.by_grammar,
            domain=domain,
            second=self._second(seed, label, number) if self.start.mix else None,
        )

    def _scale(self, seed: int, label: str) -> float:
        step = self.step
        if label in self._guidance:
            return self._guidance[label]
        return drawn_guidance(seed, step.guidance_scale, step.guidance_to)

    def _second(self, seed: int, label: str, number: int) -> Second:
        """Another source of the label, with the prompt of the next domain."""
        parents = self.parents[label]
        further = 1 + int(luck(seed, "partner") * (len(parents) - 1))
        turns = self.wording.turns
        domain = turns[(number + number // len(parents) + 1) % len(turns)] if turns else ""
        prompt = self.wording.prompt(seed, label, domain)
        return Second(parents[(number + further) % len(parents)], prompt, self.start.mix)


def drawn_guidance(seed: int, scale: float, to: float | None) -> float:
    """The guidance of the image with this seed: between the two, where there are two."""
    return scale if to is None else _between(scale, to, luck(seed, "guidance"))


class Expansion(NamedTuple):
    """What the prompts of a plan become. `complete`: every image was looked at, or none draws its prompt."""

    images: int
    prompts: list[str]
    distinct: int
    complete: bool


def expand(rows: Plan, shown: int = 20) -> Expansion:
    """The first distinct prompts of a plan, and how many there are."""
    if not rows.wording.draws:
        distinct = len(rows.step.labels) * len(rows.domains_used())
        return Expansion(len(rows), list(islice(rows.prompts(), shown)), distinct, True)
    found = list(rows.prompts())
    return Expansion(len(rows), found[:shown], len(found), len(rows) <= _LOOKED_AT)


def plan(
    step: Sampling,
    weights: Mapping[str, str | Sequence[str]] | None = None,
    sources: Mapping[str, Sequence[str]] | None = None,
    strength: float | Start = 1.0,
    names: Mapping[str, str] | None = None,
) -> Plan:
    """The rows of a step; BadInput if a label has no source (or, to be mixed, no second), or the adapter no weights."""
    start = strength if isinstance(strength, Start) else Start(strength)
    parents = {label: _parents(sources, label) for label in step.labels}
    if start.mix:
        for label, given in parents.items():
            if len(given) < 2:
                raise BadInput(f"Mixing needs two source images of {label!r}. Add one, or set mix to 0.")
    return Plan(step, {label: _weights(weights, label) for label in step.labels}, parents, start, names or {})


def pair(files: Sequence[str], number: int) -> tuple[str | None, str | None]:
    """The two of a label's files that image `number` is made with; one alone, or none, where there are no two.

    Every pair comes up before one comes again, and in as many numbers as there are files each file comes twice.
    """
    count = len(files)
    if count < 2:
        return (files[0] if files else None), None
    further, first = divmod(number % (count * (count - 1) // 2), count)
    return files[first], files[(first + further + 1) % count]


def chunks(rows: Sequence[Row], size: int) -> Iterator[list[Row]]:
    """Rows that can share a batch, cut into batches: always the same cut, whatever has been made before."""
    for fused, group in groupby(rows, key=lambda row: row.label if row.beside else (row.weights,)):
        for some in _alike(group) if isinstance(fused, str) else (group,):
            while batch := list(islice(some, size)):
                yield batch


def _alike(rows: Iterator[Row]) -> Iterator[Iterator[Row]]:
    """Rows of one label by their pairs of files, some thousands at a time."""
    while window := list(islice(rows, _PAIRED)):
        pairs: dict[tuple[str | None, str | None], list[Row]] = {}
        for row in window:
            pairs.setdefault((row.weights, row.beside), []).append(row)
        yield from map(iter, pairs.values())


def check_prompts(step: Sampling) -> None:
    """ValueError unless prompts and what fills them, and guidance of single labels, fit each other."""
    check_wording(step)
    check_known("guidance_per_label", per_name(step.guidance_per_label), step.labels, "labels")
    check_guidance(step.guidance_scale, step.guidance_to)


def check_start(start: Start) -> None:
    """ValueError if t0 is asked for in two ways."""
    if sum([start.to is not None, bool(start.among), start.by_shots]) > 1:
        raise ValueError("t0 is asked for in several ways; leave one of strength_to, strengths and strength_by_shots")
    if start.to is not None and start.to < start.strength:
        raise ValueError("strength_to is the upper end: make it at least strength")


def check_guidance(scale: float, to: float | None) -> None:
    """ValueError unless guidance is drawn upwards."""
    if to is not None and to < scale:
        raise ValueError("guidance_to is the upper end: make it at least guidance_scale")


def check_labels(labels: Sequence[str]) -> None:
    """ValueError if a class is named twice: its images would be the same images."""
    twice = sorted(label for label, count in Counter(labels).items() if count > 1)
    if twice:
        raise ValueError(f"{twice[0]!r} is named twice")


def check_only(only: int | None, images: int) -> None:
    """ValueError unless the plan has an image of this number."""
    if only is not None and only >= images:
        raise ValueError(f"only asks for image {only}, but the plan has {images}, counted from 0")


def check_interval(begin: float, end: float) -> None:
    """ValueError unless guidance has a part of the schedule."""
    if begin >= end:
        raise ValueError("guidance must begin before it ends; to switch it off, set guidance_scale to 1")


def check_lack(classifier: str | None, strength: float) -> None:
    """ValueError if there is a strength and nothing that could be unsure."""
    if strength and classifier is None:
        raise ValueError("lack_strength needs a classifier; name one as lack, or set it to 0")


def _between(low: float, high: float, share: float) -> float:
    """A number that can be read again: three decimals."""
    return round(low + (high - low) * share, 3)


def _domain(domains: Sequence[str], number: int, parents: int) -> str:
    """Domains in turn; each round over the parents starts one further, so that every pair comes up."""
    if not domains:
        return ""
    return domains[(number + (number // parents if parents else 0)) % len(domains)]


def _parents(sources: Mapping[str, Sequence[str]] | None, label: str) -> Sequence[str]:
    if sources is None:
        return ()
    if not sources.get(label):
        raise BadInput(f"There is no source image of {label!r}. Add one, or leave the class out of labels.")
    return sources[label]


def _weights(weights: Mapping[str, str | Sequence[str]] | None, label: str) -> Sequence[str]:
    if weights is None:
        return ()
    serving = EVERY if EVERY in weights else label
    if serving not in weights:
        raise BadInput(f"The adapter has no weights for {label!r}; it knows {', '.join(sorted(weights))}.")
    found = weights[serving]
    return (found,) if isinstance(found, str) else found
