"""The plan of a sampling step: one row per image, a pure function of the step. Any subset of rows can run anywhere."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from synthstudio.errors import BadInput
from synthstudio.seeds import derived_seed

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


def plan(
    step: Sampling,
    weights: Mapping[str, str] | None = None,
    sources: Mapping[str, Sequence[str]] | None = None,
    strength: float = 1.0,
) -> list[Row]:
    """The rows of a step, label by label. Seeds hang on label and number alone: adding a class moves no image."""
    rows = []
    for place, label in enumerate(step.labels):
        parents = _parents(sources, label)
        for number in range(step.images_per_class):
            rows.append(
                Row(
                    index=place * step.images_per_class + number,
                    label=label,
                    prompt=fill(step.prompt, label, _domain(step.domains, number, len(parents))),
                    negative_prompt=fill(step.negative_prompt, label),
                    seed=derived_seed(step.seed, label, number),
                    guidance_scale=step.guidance_scale,
                    strength=strength,
                    parent=parents[number % len(parents)] if parents else None,
                    weights=_weights(weights, label),
                )
            )
    return rows


def chunks(rows: Sequence[Row], size: int) -> list[list[Row]]:
    """Rows that can share a batch, cut into batches: always the same cut, whatever has been made before."""
    batches = []
    for _, group in groupby(rows, key=lambda row: (row.weights, row.guidance_scale, row.strength)):
        members = list(group)
        batches += [members[start : start + size] for start in range(0, len(members), size)]
    return batches


def fill(template: str, label: str, domain: str = "") -> str:
    """A prompt from its template. Braces inside a class name stay text."""
    words = {"{label}": label, "{domain}": domain}
    return re.sub(r"\{label\}|\{domain\}", lambda hole: words[hole[0]], template)


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
    twice = sorted({label for label in labels if labels.count(label) > 1})
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
