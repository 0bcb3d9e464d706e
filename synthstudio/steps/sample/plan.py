"""The plan of a sampling step: one row per image, a pure function of the step. Any subset of rows can run anywhere."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Protocol, overload

from synthstudio.errors import BadInput
from synthstudio.seeds import derived_seed
from synthstudio.terms import fill

EVERY = "*"  # the label under which an adapter keeps weights that serve all labels


class Sampling(Protocol):
    """What a plan reads of a step."""

    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def prompt(self) -> str: ...
    @property
    def domains(self) -> tuple[str, ...]: ...
    @property
    def negative_prompt(self) -> str: ...
    @property
    def guidance_scale(self) -> float: ...
    @property
    def images_per_class(self) -> int: ...
    @property
    def seed(self) -> int: ...


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


@dataclass(frozen=True)
class Plan(Sequence[Row]):
    """The rows of a step, label by label; each is worked out when it is asked for, so that a million cost nothing.

    Seeds hang on label and number alone: adding a class moves no image.
    """

    step: Sampling
    weights: Mapping[str, str | None]
    parents: Mapping[str, Sequence[str]]
    strength: float

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

    def prompts(self) -> Iterator[str]:
        """The prompts of every label, each once, in order."""
        for label in self.step.labels:
            for domain in self.domains_used():
                yield fill(self.step.prompt, label, domain)

    def domains_used(self) -> list[str]:
        """The domains that come up, which are fewer than all where few images are made."""
        parents = len(next(iter(self.parents.values())))
        numbers = range(min(self.step.images_per_class, len(self.step.domains) * max(1, parents) or 1))
        return list(dict.fromkeys(_domain(self.step.domains, number, parents) for number in numbers))

    def _row(self, index: int) -> Row:
        place, number = divmod(index, self.step.images_per_class)
        step, label = self.step, self.step.labels[place]
        parents = self.parents[label]
        domain = _domain(step.domains, number, len(parents))
        return Row(
            index=index,
            label=label,
            prompt=fill(step.prompt, label, domain),
            negative_prompt=fill(step.negative_prompt, label),
            seed=derived_seed(step.seed, label, number),
            guidance_scale=step.guidance_scale,
            strength=self.strength,
            parent=parents[number % len(parents)] if parents else None,
            weights=self.weights[label],
            domain=domain,
        )


def plan(
    step: Sampling,
    weights: Mapping[str, str] | None = None,
    sources: Mapping[str, Sequence[str]] | None = None,
    strength: float = 1.0,
) -> Plan:
    """The rows of a step; BadInput if a label has no source, or the adapter no weights for it."""
    return Plan(
        step,
        {label: _weights(weights, label) for label in step.labels},
        {label: _parents(sources, label) for label in step.labels},
        strength,
    )


def chunks(rows: Sequence[Row], size: int) -> Iterator[list[Row]]:
    """Rows that can share a batch, cut into batches: always the same cut, whatever has been made before."""
    for _, group in groupby(rows, key=lambda row: (row.weights, row.guidance_scale, row.strength)):
        while batch := list(islice(group, size)):
            yield batch


def check_domains(prompt: str, domains: Sequence[str]) -> None:
    """ValueError unless prompt and domains fit each other."""
    if domains and "{domain}" not in prompt:
        raise ValueError(
            "domains are given but the prompt has no {domain}; write for example 'a {domain} of a {label}'"
        )
    if "{domain}" in prompt and not domains:
        raise ValueError("the prompt has {domain} but no domains are given; name some, or take {domain} out")


def check_labels(labels: Sequence[str]) -> None:
    """ValueError if a class is named twice: its images would be the same images."""
    twice = sorted(label for label, count in Counter(labels).items() if count > 1)
    if twice:
        raise ValueError(f"{twice[0]!r} is named twice")


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
