"""What the prompt of every image says: templates, and what stands in their holes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from synthstudio import grammar
from synthstudio.sampling_terms import OTHERS, per_name, texts_of
from synthstudio.seeds import luck
from synthstudio.terms import fill

# Fields of prompts that the first Steps did not have.
LATER = frozenset({"templates", "prefix", "vocabulary", "domain_shares", "captions", "hypernyms", "definitions"})
_TOLD = {"caption": "captions", "hypernym": "hypernyms", "definition": "definitions"}  # holes, and the tables they need


class Worded(Protocol):
    """What prompts need of a step."""

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
    def captions(self) -> tuple[str, ...]: ...
    @property
    def hypernyms(self) -> tuple[str, ...]: ...
    @property
    def definitions(self) -> tuple[str, ...]: ...
    @property
    def domains(self) -> tuple[str, ...]: ...
    @property
    def domain_shares(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Wording:
    """The prompts of a step. `names`: what they say of a label, where that is not its name."""

    step: Worded
    names: Mapping[str, str]

    @property
    def draws(self) -> bool:
        """Whether images draw their prompts, so that their number is not known beforehand."""
        return bool(self.step.templates or self.step.vocabulary or self.by_grammar or self._asks("caption"))

    @property
    def by_grammar(self) -> bool:
        """Whether sentences come from the offline grammar."""
        return self._asks("sentence")

    @cached_property
    def turns(self) -> tuple[str, ...]:
        """One round of domains."""
        return turns(self.step.domains, per_name(self.step.domain_shares))

    def name(self, label: str) -> str:
        """What prompts say of a label."""
        return self.names.get(label, label)

    def prompt(self, seed: int, label: str, domain: str) -> str:
        """The prompt of the image with this seed."""
        step, template = self.step, self.template(seed)
        words = {"prefix": step.prefix, **dict(self._drawn(seed, label, template))}
        text = fill(template, self.name(label), domain, **words)
        return text if "{prefix}" not in template or step.prefix else " ".join(text.split())

    def template(self, seed: int) -> str:
        """The template that the image with this seed draws."""
        if not self.step.templates:
            return self.step.prompt
        return _one_of((self.step.prompt, *self.step.templates), luck(seed, "template"))

    def drawn(self, seed: int, label: str) -> dict[str, str]:
        """What that image draws: its template, and what stands in the holes that images fill in their own way."""
        template = self.template(seed)
        words = {hole: text for hole, text in self._drawn(seed, label, template) if f"{{{hole}}}" in template}
        return {"template": template, **words}

    def _drawn(self, seed: int, label: str, template: str) -> Iterator[tuple[str, str]]:
        """The holes that an image fills in its own way, or that its class does."""
        if self.step.vocabulary:
            yield "word", _one_of(self.step.vocabulary, luck(seed, "word"))
        if "{sentence}" in template:
            yield "sentence", grammar.sentence(self.name(label), luck(seed, "sentence"))
        for hole, table in self._tables.items():
            if f"{{{hole}}}" in template:
                yield hole, _one_of(table.get(label) or table[OTHERS], luck(seed, hole))

    @cached_property
    def _tables(self) -> dict[str, dict[str, list[str]]]:
        return {hole: texts_of(getattr(self.step, field)) for hole, field in _TOLD.items()}

    def _asks(self, hole: str) -> bool:
        return any(f"{{{hole}}}" in one for one in (self.step.prompt, *self.step.templates))


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


def check_wording(step: Worded) -> None:
    """ValueError unless templates, domains, vocabulary and tables fit each other."""
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
    for hole, field in _TOLD.items():
        _check_table(step, field, any(f"{{{hole}}}" in one for one in templates), hole)
    check_known("domain_shares", per_name(step.domain_shares), step.domains, "domains")


def check_domains(templates: Sequence[str], domains: Sequence[str]) -> None:
    """ValueError unless prompts and domains fit each other."""
    asked = any("{domain}" in one for one in templates)
    if domains and not asked:
        raise ValueError(
            "domains are given but the prompt has no {domain}; write for example 'a {domain} of a {label}'"
        )
    if asked and not domains:
        raise ValueError("the prompt has {domain} but no domains are given; name some, or take {domain} out")


def check_known(name: str, given: Mapping[str, object], known: Sequence[str], among: str) -> None:
    """ValueError if a table speaks of what is not there."""
    for one in given:
        if one not in known:
            raise ValueError(f"{name} speaks of {one!r}, which is not among the {among}")


def _check_table(step: Worded, field: str, asked: bool, hole: str) -> None:
    table = texts_of(getattr(step, field))
    check_known(field, table, (*step.labels, OTHERS), "labels")
    missing = [label for label in step.labels if label not in table and OTHERS not in table]
    if table and not asked:
        raise ValueError(f"{field} are given but no prompt has {{{hole}}}; put it where they go")
    if asked and missing:
        raise ValueError(
            f"a prompt has {{{hole}}} but {field} say nothing of {missing[0]!r}; add a line '{missing[0]} = …', or "
            "'* = …' for all others"
        )


def _one_of(words: Sequence[str], share: float) -> str:
    return words[int(share * len(words))]
