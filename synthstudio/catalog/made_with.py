"""What the images of a view were made with, and which of them somebody has looked at."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthstudio.catalog.database import Database
from synthstudio.catalog.decisions import Chosen
from synthstudio.catalog.review import Query, Review
from synthstudio.cause_terms import DRAWN, NUMBERS, TEXTS, Condition

_PASSED = 100  # places: what lies so near to a decision before it and to one behind it was passed by
_MOST = 200_000  # images that are compared; of more, so many that lie evenly among them
_TOLD = 20  # rejected branches that are told, the newest
_READ = ("prompt", "seed", *TEXTS, *NUMBERS)  # of each image, in one pass over what its maker said
_MADE = "join runs u on u.position = t.run join images i on i.run_id = u.id and i.digest = t.digest"
_PATHS = ", ".join(f"'$.{name}'" for name in _READ)
_SAID = f"json_extract_string(i.made, [{_PATHS}])"
_PENDING = "t.verdict in ('', 'clear') and not t.held and t.origin <> 'real'"
# Acts that rejected by a cause, and acts that took one of them back or did it again.
_RULED = """
    with recursive ruled as (
        select id as root, id, first_seq, last_seq from acts where json_exists(context, '$.cause') union
        select r.root, a.id, a.first_seq, a.last_seq from acts a join ruled r on a.undoes = r.id
    )
"""
_ACTS = f"{_RULED} select distinct first_seq, last_seq from ruled"  # noqa: S608 - from above
_STANDING = f"""
    {_RULED} select arg_max(r.id, r.last_seq) as act, a.context, a.last_seq - a.first_seq + 1 as images,
                    count(*)::bigint as standing
    from ruled r join review t on t.seq between r.first_seq and r.last_seq join acts a on a.id = r.root
    where t.verdict = 'reject' and not t.held group by a.id, a.context, a.first_seq, a.last_seq
    order by a.first_seq desc limit {_TOLD}
"""  # noqa: S608 - both parts stand above


@dataclass(frozen=True)
class Looked:
    """Images of a view that somebody looked at: their numbers, whether each was rejected, and its settings. Texts are
    hashes, which tell them apart (a prompt is that of its run and class), runs are positions; `MadeWith.said` gives the
    texts of single images.
    """

    numbers: NDArray[np.int64]
    rejected: NDArray[np.bool_]
    settings: dict[str, NDArray[Any]]


class MadeWith:
    """Settings of images, as their makers said them."""

    def __init__(self, database: Database, review: Review) -> None:
        self._database = database
        self._review = review

    def looked_at(self, query: Query) -> Looked:
        """The images of a view that somebody looked at one by one, photos left out: they have no settings.

        Looked at is what was decided, and what was passed by: pending, with a decision at most a hundred places before
        it and one at most a hundred behind it in the order of the view. What nobody came to yet says nothing: images
        come run by run and class by class, so that whoever begins with the first class would seem to reject that class.
        What was rejected by a cause was not looked at either, or the cause would prove itself.
        """
        numbers = self._review.order(query)
        verdicts = self._verdicts(numbers)
        seen = (verdicts > 0) | _passed(verdicts)
        places = np.flatnonzero(seen)
        if len(places) > _MOST:
            places = places[np.linspace(0, len(places) - 1, _MOST).astype(int)]
        return self._settings(numbers[places], verdicts[places] == 2)

    def _verdicts(self, numbers: NDArray[np.int64]) -> NDArray[np.int8]:
        """For each number 0: pending, 1: kept or moved, 2: rejected, -1: rejected by a cause, or nothing of ours."""
        stored, verdict, seq = self._database.columns(
            "select t.number, case when t.held or t.origin = 'real' then -1 when verdict in ('keep', 'relabel') then 1"
            " when verdict = 'reject' then 2 else 0 end::tinyint as standing, seq from review t order by t.number"
        )
        verdict = verdict.astype(np.int8)
        for first, last in self._database.rows(_ACTS):
            verdict[(seq >= first) & (seq <= last) & (verdict > 0)] = -1
        places = np.searchsorted(stored, numbers)
        return np.asarray(verdict[np.minimum(places, len(verdict) - 1)] if len(verdict) else np.zeros(0, np.int8))

    def _settings(self, numbers: NDArray[np.int64], rejected: NDArray[np.bool_]) -> Looked:
        texts = {"prompt": "hash(run, label, e[1])"}  # apart where draws may be
        texts |= {name: f"hash(coalesce(e[{_READ.index(name) + 1}], ''))" for name in TEXTS}
        floats = {name: f"coalesce(try_cast(e[{_READ.index(name) + 1}] as double), 'nan')" for name in NUMBERS}
        columns = ", ".join(f"{sql} as {name}" for name, sql in (texts | floats).items())
        found = self._database.columns(
            f"select number, run, hash(label) as label, {columns} from (select t.number, t.run, t.label, {_SAID} as e"  # noqa: S608
            f" from review t join (select unnest(?::bigint[]) as number) n using (number) {_MADE})",
            [numbers.tolist()],
        )
        # A run may make one picture twice; any of the two will do.
        stored, first = np.unique(found[0], return_index=True)
        order = np.argsort(numbers, kind="stable")
        kept = np.isin(numbers[order], stored)
        names = ("run", "label", *texts, *floats)
        settings = {name: column[first] for name, column in zip(names, found[1:], strict=True)}
        return Looked(numbers[order][kept], rejected[order][kept], settings)

    def said(self, numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
        """What was said of single images: run, class, prompt, seed and all settings, texts as texts."""
        columns = ", ".join(f"e[{place + 1}] as {name}" for place, name in enumerate(_READ))
        rows = self._database.records(
            f"select number, run, label, {columns} from (select t.number, u.id as run, t.label, {_SAID} as e"  # noqa: S608
            f" from review t join (select unnest(?::bigint[]) as number) n using (number) {_MADE})",
            [list(numbers)],
        )
        return {row.pop("number"): row for row in rows}

    def prompts(self, query: Query, runs: Sequence[str]) -> list[dict[str, Any]]:
        """What differs among the prompts of a view's images by these runs: run, class, prompt, and one seed of each."""
        listed, values = self._review.listed(query)
        return self._database.records(
            "select run, label, prompt, any_value(seed) as seed from (select u.id as run, t.label,"  # noqa: S608
            " json_extract_string(i.made, '$.prompt') as prompt, json_extract_string(i.made, '$.seed') as seed"
            f" from review t {_MADE} where u.id in (select unnest(?::text[])) and t.number in ({listed}))"
            " group by run, label, prompt",
            [list(runs), *values],
        )

    def runs(self, query: Query) -> dict[str, int]:
        """The runs that made the images of a view, with their positions."""
        listed, values = self._review.listed(query)
        return {
            str(run): int(position)
            for run, position in self._database.rows(
                "select distinct u.id, u.position from review t join runs u on u.position = t.run"  # noqa: S608
                f" where t.number in ({listed})",
                values,
            )
        }

    def branch(self, query: Query, conditions: Sequence[Condition], drawn: "Drawn | None" = None) -> Chosen:
        """The images of a view with these settings that nobody decided about, as it stands now."""
        return self._with(query, conditions, drawn, _PENDING)

    def size(self, chosen: Chosen) -> int:
        """How many images are chosen."""
        sql = f"select count(distinct number) from ({chosen.sql})"  # noqa: S608 - its own, values are bound
        return int(self._database.rows(sql, chosen.values)[0][0])

    def rejected_by(
        self, query: Query, conditions: Sequence[Condition], drawn: "Drawn | None"
    ) -> list[tuple[Any, ...]]:
        """(run, class, count) of the rejected images of a view with these settings, most first."""
        chosen = self._with(query, conditions, drawn, "t.verdict = 'reject' and not t.held")
        rows = self._database.rows(
            "select u.id, t.label, count(*) from review t join runs u on u.position = t.run"  # noqa: S608
            f" where t.number in ({chosen.sql}) group by u.id, t.label order by count(*) desc, u.id, t.label",
            chosen.values,
        )
        return [(str(run), str(label), int(count)) for run, label, count in rows]

    def standing(self) -> list[dict[str, Any]]:
        """Branches that were rejected and still are, newest first: conditions, the act to take back, how many images it
        rejected and how many of them are still rejected by it.
        """
        found = self._database.records(_STANDING)
        return [{**row, "conditions": _conditions(row.pop("context"))} for row in found]

    def _with(self, query: Query, conditions: Sequence[Condition], drawn: "Drawn | None", standing: str) -> Chosen:
        listed, values = self._review.listed(query)
        wheres, bound = [standing, f"t.number in ({listed})"], list(values)
        for one in conditions:
            sql, own = _where(one, drawn)
            wheres.append(sql)
            bound += own
        return Chosen(f"select t.number from review t {_MADE} where {' and '.join(wheres)}", bound)  # noqa: S608


# Which prompts of which runs hold what images draw: (field, text) -> (runs, prompts), side by side.
Drawn = Mapping[tuple[str, str], tuple[Sequence[str], Sequence[str]]]


def _conditions(context: str) -> tuple[Condition, ...]:
    return tuple(Condition.model_validate(one) for one in json.loads(context)["cause"])


def _where(condition: Condition, drawn: Drawn | None) -> tuple[str, list[Any]]:
    """A condition over a picture `t`, its run `u` and its row `i`, with the bound values."""
    if condition.field in DRAWN:
        runs, prompts = (drawn or {}).get((condition.field, condition.text), ((), ()))
        pairs = "select unnest(?::text[]), unnest(?::text[])"
        return f"(u.id, json_extract_string(i.made, '$.prompt')) in ({pairs})", [list(runs), list(prompts)]
    if condition.field == "run":
        return "u.id = ?", [condition.text]
    if condition.field == "label":
        return "t.label = ?", [condition.text]
    said = f"json_extract_string(i.made, '$.{condition.field}')"
    if condition.number is None:
        return f"coalesce({said}, '') = ?", [condition.text]
    return f"try_cast({said} as double) {'>=' if condition.op == 'at_least' else '<='} ?", [condition.number]


def _passed(verdicts: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Which pending images lie between decisions that are near."""
    places = np.arange(len(verdicts))
    before = np.maximum.accumulate(np.where(verdicts > 0, places, -_PASSED - 1))
    behind = np.minimum.accumulate(np.where(verdicts > 0, places, len(places) + _PASSED)[::-1])[::-1]
    return np.asarray((verdicts == 0) & (places - before <= _PASSED) & (behind - places <= _PASSED))
