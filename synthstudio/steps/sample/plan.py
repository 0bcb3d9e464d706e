"""The plan of a sampling step: one row per image, a pure function of the step. Any subset of rows can run anywhere."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby, islice
from typing import NamedTuple, Protocol, overload

from synthstudio.errors import BadInput
from synthstudio.sampling_terms import per_name
from synthstudio.seeds import derived_seed, luck
from synthstudio.terms import fill

EVERY = "*"  # the label under which an adapter keeps weights that serve all labels
_BY_SHOTS = {16: 0.15, 8: 0.2, 4: 0.35, 2: 0.4, 1: 0.5}  # Real Guidance (He et al. 2023, arXiv:2210.07574)
LATER = frozenset(  # fields of sampling that the first Steps did not have
    {"templates", "prefix", "vocabulary", "domain_shares", "guidance_to", "guidance_begin", "guidance_end",
     "guidance_per_label", "words", "only"}
)  # fmt: skip
_LOOKED_AT = 10_000  # rows whose prompts are counted where images draw them


class Sampling(Protocol):
    """What a plan reads of a step."""

    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def prompt(self) -> str: ...
    @property
    def templates(self) -> tuple[str, ...]: ...
    @property
    def prefix(self) -> str: ...
    @property
    def vocabulary(self) -> tuple[str, ...]: ...
    @property
    def domains(self) -> tuple[str, ...]: ...
    @property
    def domain_shares(self) -> tuple[str, ...]: ...
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
class Row:
    """One image to make. `weights` is the digest of the LoRA file, `parent` that of the source image."""

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
class Plan(Sequence[Row]):
    """The rows of a step, label by label; each is worked out when it is asked for, so that a million cost nothing.

    Seeds hang on label and number alone: adding a class moves no image. Whatever an image draws hangs on its seed.
    """

    step: Sampling
    weights: Mapping[str, str | None]
    parents: Mapping[str, Sequence[str]]
    start: Start
    names: Mapping[str, str] = field(default_factory=dict)  # what prompts say of a label, where that is not its name

    def __len__(self) -> int:
        return len(self.step.labels) * self.step.images_per_class

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self._row(one) for one in range(len(self))[index]]
        return self._row(range(len(self))[index])

    @property
    def draws(self) -> bool:
        """Whether images draw their prompts, so that their number is not known beforehand."""
        return bool(self.step.templates or self.step.vocabulary)

    def prompts(self) -> Iterator[str]:
        """The prompts of every label, each once, in order; where images draw them, those of the first images."""
        if self.draws:
            yield from dict.fromkeys(row.prompt for row in islice(self, _LOOKED_AT))
            return
        for label in self.step.labels:
            for domain in self.domains_used():
                yield self._prompt(0, label, domain)

    def domains_used(self) -> list[str]:
        """The domains that come up, which are fewer than all where few images are made."""
        parents = len(next(iter(self.parents.values())))
        numbers = range(min(self.step.images_per_class, len(self._turns) * max(1, parents) or 1))
        return list(dict.fromkeys(_domain(self._turns, number, parents) for number in numbers))

    @cached_property
    def _turns(self) -> tuple[str, ...]:
        return turns(self.step.domains, per_name(self.step.domain_shares))

    @cached_property
    def _guidance(self) -> dict[str, float]:
        return per_name(self.step.guidance_per_label)

    def _row(self, index: int) -> Row:
        place, number = divmod(index, self.step.images_per_class)
        step, label = self.step, self.step.labels[place]
        parents = self.parents[label]
        domain = _domain(self._turns, number, len(parents))
        seed = derived_seed(step.seed, label, number)
        return Row(
            index=index,
            label=label,
            prompt=self._prompt(seed, label, domain),
            negative_prompt=fill(step.negative_prompt, self.names.get(label, label)),
            seed=seed,
            guidance_scale=self._scale(seed, label),
            strength=self.start.of(seed, len(parents)),
            parent=parents[number % len(parents)] if parents else None,
            weights=self.weights[label],
            domain=domain,
            second=self._second(seed, label, number) if self.start.mix else None,
        )

    def _prompt(self, seed: int, label: str, domain: str) -> str:
        """The prompt of the image with this seed."""
        step, template, word = self.step, self.step.prompt, ""
        if step.templates:
            template = _one_of((step.prompt, *step.templates), luck(seed, "template"))
        if step.vocabulary:
            word = _one_of(step.vocabulary, luck(seed, "word"))
        text = fill(template, self.names.get(label, label), domain, prefix=step.prefix, word=word)
        return text if "{prefix}" not in template or step.prefix else " ".join(text.split())

    def _scale(self, seed: int, label: str) -> float:
        step = self.step
        if label in self._guidance or step.guidance_to is None:
            return self._guidance.get(label, step.guidance_scale)
        return _between(step.guidance_scale, step.guidance_to, luck(seed, "guidance"))

    def _second(self, seed: int, label: str, number: int) -> Second:
        """Another source of the label, with the prompt of the next domain."""
        parents = self.parents[label]
        further = 1 + int(luck(seed, "partner") * (len(parents) - 1))
        domain = self._turns[(number + number // len(parents) + 1) % len(self._turns)] if self._turns else ""
        return Second(parents[(number + further) % len(parents)], self._prompt(seed, label, domain), self.start.mix)


class Expansion(NamedTuple):
    """What the prompts of a plan become. `complete`: every image was looked at, or none draws its prompt."""

    images: int
    prompts: list[str]
    distinct: int
    complete: bool


def expand(rows: Plan, shown: int = 20) -> Expansion:
    """The first distinct prompts of a plan, and how many there are."""
    if not rows.draws:
        distinct = len(rows.step.labels) * len(rows.domains_used())
        return Expansion(len(rows), list(islice(rows.prompts(), shown)), distinct, True)
    found = list(rows.prompts())
    return Expansion(len(rows), found[:shown], len(found), len(rows) <= _LOOKED_AT)


def plan(
    step: Sampling,
    weights: Mapping[str, str] | None = None,
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


def chunks(rows: Sequence[Row], size: int) -> Iterator[list[Row]]:
    """Rows that can share a batch, cut into batches: always the same cut, whatever has been made before."""
    for _, group in groupby(rows, key=lambda row: row.weights):
        while batch := list(islice(group, size)):
            yield batch


def turns(domains: Sequence[str], shares: Mapping[str, float]) -> tuple[str, ...]:
    """One round of domains, each as often as its share says and spread evenly over the round."""
    weights = [int(shares.get(domain, 1)) for domain in domains]
    total, credit, round_ = sum(weights), [0] * len(weights), []
    for _ in range(total if len(set(weights)) > 1 else len(weights)):
        credit = [one + weight for one, weight in zip(credit, weights, strict=True)]
        place = max(range(len(credit)), key=credit.__getitem__)
        credit[place] -= total
        round_.append(domains[place])
    return tuple(round_)


def check_prompts(step: Sampling) -> None:
    """ValueError unless templates, domains, vocabulary and guidance of single labels fit each other."""
    templates = (step.prompt, *step.templates)
    check_domains(templates, step.domains)
    if step.vocabulary and not any("{word}" in one for one in templates):
        raise ValueError("a vocabulary is given but no prompt has {word}; write for example 'a {label} and {word}'")
    if not step.vocabulary and any("{word}" in one for one in templates):
        raise ValueError("a prompt has {word} but the vocabulary is empty; name some words, or take {word} out")
    if step.prefix and not any("{prefix}" in one for one in templates):
        raise ValueError(
            "a prefix is given but no prompt has {prefix}; write for example 'a {prefix} photo of a {label}'"
        )
    _check_known("domain_shares", per_name(step.domain_shares), step.domains, "domains")
    _check_known("guidance_per_label", per_name(step.guidance_per_label), step.labels, "labels")
    if step.guidance_to is not None and step.guidance_to < step.guidance_scale:
        raise ValueError("guidance_to is the upper end: make it at least guidance_scale")


def check_domains(templates: Sequence[str], domains: Sequence[str]) -> None:
    """ValueError unless prompts and domains fit each other."""
    asked = any("{domain}" in one for one in templates)
    if domains and not asked:
        raise ValueError(
            "domains are given but the prompt has no {domain}; write for example 'a {domain} of a {label}'"
        )
    if asked and not domains:
        raise ValueError("the prompt has {domain} but no domains are given; name some, or take {domain} out")


def check_start(start: Start) -> None:
    """ValueError if t0 is asked for in two ways."""
    if sum([start.to is not None, bool(start.among), start.by_shots]) > 1:
        raise ValueError("t0 is asked for in several ways; leave one of strength_to, strengths and strength_by_shots")
    if start.to is not None and start.to < start.strength:
        raise ValueError("strength_to is the upper end: make it at least strength")


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


def _check_known(name: str, given: Mapping[str, float], known: Sequence[str], among: str) -> None:
    for one in given:
        if one not in known:
            raise ValueError(f"{name} speaks of {one!r}, which is not among the {among}")


def _between(low: float, high: float, share: float) -> float:
    """A number that can be read again: three decimals."""
    return round(low + (high - low) * share, 3)


def _one_of(words: Sequence[str], share: float) -> str:
    return words[int(share * len(words))]


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


def _weights(weights: Mapping[str, str] | None, label: str) -> str | None:
    if weights is None:
        return None
    if EVERY in weights:
        return weights[EVERY]
    if label not in weights:
        raise BadInput(f"The adapter has no weights for {label!r}; it knows {', '.join(sorted(weights))}.")
    return weights[label]
