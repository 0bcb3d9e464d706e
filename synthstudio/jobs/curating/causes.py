"""Why images were rejected: settings that rejects share, rejecting all pending images that were made so, and what to
sample in their place.

A rejected branch is an act like any other, with its conditions in its context: one line of the journal, taken back by
one undo, and what was given up stays known for as long as the act stands.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthstudio.catalog.decisions import Act, Chosen, Outcome
from synthstudio.catalog.made_with import Drawn, Looked
from synthstudio.catalog.review import Query
from synthstudio.cause_terms import DRAWN, FIELDS, NUMBERS, Condition
from synthstudio.jobs.studio import Studio
from synthstudio.rules import Atom, Column, Rule, learn
from synthstudio.step import from_json
from synthstudio.steps.sample.text import Text
from synthstudio.steps.sample.until import Until
from synthstudio.steps.sample.variation import Variation
from synthstudio.steps.sample.wording import Wording

_DIFFERENT = 20_000  # prompts whose drawn words are looked up; beyond, hardly two images share one
PROMPTED = (Text.kind, Variation.kind, Until.kind)  # what draws its prompts
_IDS = ("run", "adapter", "words")
_SHOWN = 80  # characters of a text that a sentence shows


@dataclass(frozen=True)
class Cause:
    """What rejects share, in words, and how many pending images were made so. `same` says the same images."""

    conditions: tuple[Condition, ...]
    says: str
    sentence: str
    same: tuple[str, ...]
    rule: Rule
    pending: int


@dataclass(frozen=True)
class Branch:
    """What was rejected by a cause: the act to take back, how many images it took, how many of them still stand so."""

    act: str
    conditions: tuple[Condition, ...]
    says: str
    images: int
    standing: int


def found(studio: Studio, query: Query) -> list[Cause]:
    """Why images of a view were rejected, as far as that can be told; whatever standing the view asks for."""
    query = _whole(studio, query)
    return studio.catalog.database.since_commit(("causes", query.model_dump_json()), lambda: _found(studio, query))


def standing(studio: Studio) -> list[Branch]:
    """Branches that were rejected and not taken back, newest first."""
    return [
        Branch(row["act"], row["conditions"], says(studio, row["conditions"]), row["images"], row["standing"])
        for row in studio.catalog.made_with.standing()
    ]


def branch(studio: Studio, query: Query, conditions: Sequence[Condition]) -> Chosen:
    """The images of a settled view that were made so and that nobody decided about."""
    query = _whole(studio, query)
    return studio.catalog.made_with.branch(query, conditions, drawn(studio, query, conditions))


def context(conditions: Sequence[Condition]) -> dict[str, Any]:
    """What an act that rejects a branch remembers."""
    return {"cause": [one.model_dump(mode="json", exclude_defaults=True) for one in conditions]}


def reject(studio: Studio, query: Query, conditions: Sequence[Condition], who: str, tab: str = "causes") -> Outcome:
    """Reject a branch: one act."""
    act = Act(
        str(uuid.uuid4()), tab, branch(studio, query, conditions), "reject",
        why=says(studio, conditions)[:500], context=context(conditions),
    )  # fmt: skip
    (outcome,) = studio.catalog.decisions.decide([act], who)
    return outcome


def rejected_by(studio: Studio, query: Query, conditions: Sequence[Condition]) -> list[tuple[str, str, int]]:
    """(run, class, count) of the rejected images of a view that were made so, most first."""
    query = _whole(studio, query)
    return studio.catalog.made_with.rejected_by(query, conditions, drawn(studio, query, conditions))


def step_of(studio: Studio, step_id: str) -> Text | Variation:
    """A stored step that draws from prompts, without the filters that it may have drawn until."""
    step = from_json(studio.catalog.runs.step_body(step_id))
    if isinstance(step, Until):
        return step.plain
    assert isinstance(step, Text | Variation)
    return step


def says(studio: Studio, conditions: Iterable[Condition]) -> str:
    """Conditions in the words people use for things."""
    return " and ".join(one.says(named(studio, one.field, one.text)) for one in conditions)


def drawn(studio: Studio, query: Query, conditions: Iterable[Condition]) -> Drawn:
    """The prompts of a view, by run, that hold what the conditions say images drew."""
    wanted = {(one.field, one.text) for one in conditions if one.field in DRAWN}
    if not wanted:
        return {}
    wordings = _wordings(studio, studio.catalog.made_with.runs(query))
    holding = [run for run, one in wordings.items() if any(_may_draw(one, *want) for want in wanted)]
    pairs: dict[tuple[str, str], tuple[list[str], list[str]]] = {want: ([], []) for want in wanted}
    for row in studio.catalog.made_with.prompts(query, holding):
        own = _draws(wordings[row["run"]], row)
        for field, text in wanted:
            if own.get(field, "") == text:
                runs, prompts = pairs[(field, text)]
                runs.append(row["run"])
                prompts.append(row["prompt"])
    return pairs


def _whole(studio: Studio, query: Query) -> Query:
    """The view as it is decided now, whichever standing it shows."""
    now = {"standings": (), "relabelled": False, "as_of": -1}
    return studio.catalog.review.settle(query.model_copy(update=now))


def _found(studio: Studio, query: Query) -> list[Cause]:
    looked = studio.catalog.made_with.looked_at(query)
    words = _drawn_columns(studio, query, looked) if looked.rejected.any() else {}
    columns = [_column(name, looked, words) for name in FIELDS if name in looked.settings or name in words]
    rules = learn(looked.rejected, columns)
    told = [tuple(_condition(studio, atom, looked, words) for atom in rule.atoms) for rule in rules]
    pending = [studio.catalog.made_with.size(branch(studio, query, one)) for one in told]
    return [
        Cause(
            one, says(studio, one), sentence(says(studio, one), rule),
            tuple(says(studio, [_condition(studio, atom, looked, words)]) for atom in rule.same), rule, left,
        )
        for one, rule, left in zip(told, rules, pending, strict=True)
    ]  # fmt: skip


def sentence(phrase: str, rule: Rule) -> str:
    """'81 % of rejects share domain = cartoon; 12 % of the rest do.'"""
    return f"{_percent(rule.share)} of rejects share {phrase}; {_percent(rule.rest_share)} of the rest do."


def _percent(share: float) -> str:
    """Whole, but never 0 or 100 where it is not."""
    near = "< 1" if 0 < share < 0.005 else "> 99" if 0.995 <= share < 1 else f"{100 * share:.0f}"
    return f"{near} %"


def _column(name: str, looked: Looked, words: Mapping[str, "_Words"]) -> Column:
    values = words[name].codes if name in words else looked.settings[name]
    return Column(name, values, ordered=name in NUMBERS)


@dataclass(frozen=True)
class _Words:
    """What images drew: a code for each, and the texts of the codes."""

    codes: NDArray[np.intp]
    texts: list[str]


def _drawn_columns(studio: Studio, query: Query, looked: Looked) -> dict[str, _Words]:
    """Templates, words and captions of images. Of equal prompts one is asked: they drew the same."""
    _, first, codes = np.unique(looked.settings["prompt"], return_index=True, return_inverse=True)
    if len(first) > _DIFFERENT:
        return {}
    wordings = _wordings(studio, studio.catalog.made_with.runs(query))
    rows = studio.catalog.made_with.said(looked.numbers[first].tolist())
    draws = [_draws(wordings.get(row["run"]), row) for row in (rows[n] for n in looked.numbers[first].tolist())]
    columns = {}
    for name in DRAWN:
        texts: dict[str, int] = {}
        own = np.array([texts.setdefault(one.get(name, ""), len(texts)) for one in draws], np.intp)
        columns[name] = _Words(own[codes], list(texts))
    return columns


def _wordings(studio: Studio, runs: Iterable[str]) -> dict[str, Wording]:
    """How runs say their prompts; those of the steps that draw them."""
    known = studio.catalog.runs.those(runs)
    steps = {run: step_of(studio, one.step_id) for run, one in known.items() if one.kind in PROMPTED}
    return {run: Wording(step, {}) for run, step in steps.items()}


def _draws(wording: Wording | None, row: Mapping[str, Any]) -> dict[str, str]:
    if wording is None or not str(row["seed"] or "").isdecimal():
        return {}
    return wording.drawn(int(row["seed"]), row["label"])


def _may_draw(wording: Wording, field: str, text: str) -> bool:
    step = wording.step
    if field == "template":
        return text in (step.prompt, *step.templates)
    if field == "word":
        return text in step.vocabulary
    return any(line.partition("=")[2].strip() == text for line in step.captions)


def _condition(studio: Studio, atom: Atom, looked: Looked, words: Mapping[str, _Words]) -> Condition:
    """An atom of the learner with the text that its code stands for."""
    field: Any = atom.column
    if atom.op != "is":
        return Condition(field=field, op=atom.op, number=atom.value, beyond=atom.beyond)
    if field in words:
        return Condition(field=field, text=words[field].texts[int(atom.value)])
    place = int(np.argmax(looked.settings[field] == atom.value))
    number = int(looked.numbers[place])
    return Condition(field=field, text=str(studio.catalog.made_with.said([number])[number][field] or ""))


def named(studio: Studio, field: str, text: str) -> str:
    """What people call the value of a setting: a thing that it names by its id, or the beginning of a long text."""
    if field in _IDS and text:
        return studio.catalog.names.of(text)
    if field == "parent" and text:
        origins = studio.catalog.images.provenance(text)
        return next((str(one["made"]["name"]) for one in origins if one["made"].get("name")), text[:12])
    if field == "backbone":
        return text.partition("@")[0]
    return text[:_SHOWN] + ("…" if len(text) > _SHOWN else "")
