"""Names of what a project holds: sets, adapters, classifiers, runs, recipe runs. People type and change them.

A name is unique in its project, whatever it names. What nobody named gets a name from its origin as soon as somebody
looks, so projects from before there were names have them too.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import duckdb

from synthstudio.catalog.database import Database, insert
from synthstudio.errors import BadInput, UnknownName
from synthstudio.terms import clean_label

_ARTIFACT = re.compile(r"[a-z]+:[0-9a-f]{64}")
_BEGINNING = re.compile(r"[a-z]+:[0-9a-f]{6,64}")
_LONGEST_ORIGIN = 40
_TAKEN = "select id from names where name = ? and id <> ?"
COLUMNS = ("named", "role", "name", "given", "run_id", "named_at")  # of a name's line in the journal
RUN, PIPELINE = "run", "recipe run"
# What to call an output, where the output's own name does not say it; the kind may end in a dot.
_WORDS = {
    "collect.import_images.images": "photos",
    "collect.freeze.images": "selection",
    "sample.text.images": "samples",
    "sample.variation.images": "variations",
    "sample.grid.images": "comparison",
    "sample.until.images": "accepted",
    "sample.until.made": "made-until-accepted",
    "sample.vectors.images": "inversions",
    "select.filter.images": "kept",
    "select.random.images": "random",
    "select.union.images": "together",
    "train.finetune.classifier": "finetuned",
    "train.linear_probe.classifier": "probe",
}
_UNNAMED_OUTPUTS = """
    with made as (
        select json_extract_string(o.value, '$') as id, o.name as output, r.id as run, r.kind, r.position,
               o.position as place
        from outputs o join runs r on r.id = o.run_id
        where r.state = 'done' and json_type(o.value) = 'VARCHAR'
        qualify row_number() over (partition by json_extract_string(o.value, '$') order by r.position, o.position) = 1
    )
    select m.id, m.output, m.run, m.kind from made m anti join names n on n.id = m.id order by m.position, m.place
"""
_PIPELINES_OF_RUNS = """
    select n.run_id, n.name, n.fold, p.recipe, json_extract_string(p.request, '$.data')
    from nodes n join pipelines p on p.id = n.pipeline_id where n.run_id is not null
    qualify row_number() over (partition by n.run_id order by p.created, n.position) = 1
"""


@dataclass(frozen=True)
class Named:
    """Something of the project with its name. `size` counts the images of a set; `run` made it."""

    id: str
    role: str  # set, test, pool, adapter, classifier, …; run; recipe run
    name: str
    given: bool  # by a person
    size: int | None
    run: str | None
    kind: str | None
    created: float


class Names:
    """Giving names and finding what they name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def give(self, thing: str, name: str, run: str | None = None) -> str:
        """Name a thing, or name it anew; returns the name as it is kept. BadInput if the name is taken or cannot be.

        An artifact that a run is still making is named with its `run`.
        """
        kept = self.check(name, thing)
        with self._database.transaction() as cursor:
            _refuse_taken(cursor.execute(_TAKEN, [kept, thing]).fetchall(), kept)  # somebody may have been quicker
            found = cursor.execute("select role, run_id from names where id = ?", [thing]).fetchall()
            if not found and run is None:
                raise UnknownName(f"Nothing in this project has the id {_short(thing)}.")
            role, made_by = found[0] if found else (thing.partition(":")[0], run)
            self._write(cursor, [(thing, role, kept, True, made_by, time.time())])
        return kept

    def check(self, name: str, thing: str = "") -> str:
        """The name as it would be kept for a thing; BadInput if it is taken by another, or cannot be a name."""
        kept = checked(name)
        self.take_in()
        _refuse_taken(self._database.rows(_TAKEN, [kept, thing]), kept)
        return kept

    def given(self, thing: str) -> str | None:
        """The name a person gave to a thing, if somebody did."""
        found = self._database.rows("select name from names where id = ? and given", [thing])
        return str(found[0][0]) if found else None

    def of(self, thing: str) -> str:
        """The name of a thing; its shortened id if it has none."""
        self.take_in()
        found = self._database.rows("select name from names where id = ?", [thing])
        return str(found[0][0]) if found else _short(thing)

    def of_all(self, things: Sequence[str]) -> dict[str, tuple[str, bool]]:
        """(name, whether a person gave it) of those things that have one by now, by id; only reads."""
        rows = self._database.rows(
            "select id, name, given from names where id in (select unnest(?::text[]))", [list(things)]
        )
        return {str(thing): (str(name), bool(given)) for thing, name, given in rows}

    def find(self, text: str, roles: Sequence[str] = ()) -> str:
        """The id that a person means: an id, the beginning of one (six digits at least), or a name.

        BadInput if it names something of another role, UnknownName with near names if it names nothing.
        """
        if _ARTIFACT.fullmatch(text) and (not roles or text.partition(":")[0] in roles):
            return text
        known = self.all()
        found = [one for one in known if text in (one.name, one.id)]
        if not found and _BEGINNING.fullmatch(text):
            found = [one for one in known if one.id.startswith(text)]
        fitting = [one for one in found if not roles or one.role in roles]
        if len(fitting) == 1:
            return fitting[0].id
        role = found[0].role if found else text.partition(":")[0] if _ARTIFACT.fullmatch(text) else ""
        if role and role not in roles:
            raise BadInput(
                f"{_short(text)!r} is a {role}; a {' or a '.join(roles)} is needed.{_hint(role, text, roles)}"
            )
        offered = [one.name for one in known if not roles or one.role in roles]
        what = " or ".join(roles) or "thing"
        if not offered:
            raise UnknownName(f"There is no {what} called {text!r}: this project has no {what} yet. {_FIRST}")
        raise UnknownName.among(what, text, offered)

    def all(self, roles: Sequence[str] = ()) -> list[Named]:
        """Everything that has a name, the newest first."""
        return [one for one in self._database.since_commit("names", self._all) if not roles or one.role in roles]

    def _all(self) -> list[Named]:
        self.take_in()
        rows = self._database.rows(
            "select n.id, n.role, n.name, n.given, s.size, n.run_id, r.kind, coalesce(r.created, n.named_at)"
            " from names n left join image_sets s on s.id = n.id left join runs r on r.id = n.run_id"
            " order by coalesce(r.position, 0) desc, n.named_at desc, n.name"
        )
        return [Named(*row) for row in rows]

    def take_in(self) -> None:
        """Name what has no name yet."""
        outputs = [row for row in self._database.rows(_UNNAMED_OUTPUTS) if _ARTIFACT.fullmatch(str(row[0]))]
        runs = self._database.rows("select id, kind from runs where id not in (select id from names) order by position")
        pipelines = self._database.rows(
            "select id, recipe, json_extract_string(request, '$.data') from pipelines"
            " where id not in (select id from names) order by created"
        )
        if not (outputs or runs or pipelines):
            return
        origins = {str(run): rest for run, *rest in self._database.rows(_PIPELINES_OF_RUNS)}
        wanted = [(thing, str(thing).partition(":")[0], _output_words(kind, output, origins.get(run)), run)
                  for thing, output, run, kind in outputs]  # fmt: skip
        wanted += [(run, RUN, _run_words(kind, origins.get(run)), run) for run, kind in runs]
        wanted += [(one, PIPELINE, _joined(recipe, _data(data)), None) for one, recipe, data in pipelines]
        with self._database.transaction() as cursor:
            known = cursor.execute("select id, name from names").fetchall()
            taken, done = {str(name) for _, name in known}, {thing for thing, _ in known}
            rows = []
            for thing, role, words, run in wanted:
                if thing in done:
                    continue  # somebody was quicker, and may have given a name of their own
                name = _free(words, taken)
                taken.add(name)
                rows.append((thing, role, name, False, run, time.time()))
            if rows:
                self._write(cursor, rows)

    def _write(self, cursor: duckdb.DuckDBPyConnection, rows: Sequence[tuple[Any, ...]]) -> None:
        for row in rows:
            self._database.keep(dict(zip(COLUMNS, row, strict=True)))
        store_names(cursor, rows)


_FIRST = "Start with: python -m synthstudio step collect.import_images --source PHOTOS"


def store_names(cursor: duckdb.DuckDBPyConnection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Let names stand, whatever the same things were called before; columns as in `COLUMNS`."""
    cursor.execute("delete from names where id in (select unnest(?::text[]))", [[row[0] for row in rows]])
    insert(cursor, "names", ("id", *COLUMNS[1:]), rows)


def _refuse_taken(found: Sequence[tuple[Any, ...]], name: str) -> None:
    if found:
        raise BadInput(f"{name!r} is the name of {_short(found[0][0])} already. Choose another name.")


def checked(name: str) -> str:
    """The name as it would be kept; BadInput if it cannot be one."""
    try:
        kept = clean_label(name)
    except ValueError as error:
        raise BadInput(str(error).replace("class name", "name").replace("the class", "it")) from error
    if _BEGINNING.match(kept):
        raise BadInput(f"{kept!r} looks like an id. Choose a name without a colon and digits.")
    return kept


def _output_words(kind: str, output: str, origin: Sequence[Any] | None) -> str:
    word = _WORDS.get(f"{kind}.{output}", output)
    if kind.startswith("score."):
        word = kind.removeprefix("score.").replace("_", "-")
    if kind.startswith("distil.") and output == "images":
        word = "small"
    if origin is None:
        return word
    node, fold, recipe, data = origin
    if kind.startswith("train."):
        word = f"{word}-{str(node).replace('_', '-')}"
    if kind.startswith("collect.") and fold is None:
        return _joined(word, _data(data))  # the photos belong to no recipe
    return _joined(word, recipe, _data(data), "" if fold is None else f"fold{fold + 1}")


def _run_words(kind: str, origin: Sequence[Any] | None) -> str:
    if origin is None:
        return _joined("run", kind)
    node, fold, recipe, data = origin
    return _joined("run", str(node).replace("_", "-"), recipe, _data(data), "" if fold is None else f"fold{fold + 1}")


def _joined(*parts: str) -> str:
    """Words without spaces, so that a terminal needs no quotes."""
    return "-".join("-".join(part.split()) for part in parts if part)


def _data(text: str | None) -> str:
    """A name for photos: that of their folder or file."""
    return PurePath(text or "").stem[:_LONGEST_ORIGIN]


def _free(words: str, taken: set[str]) -> str:
    """The words, with a number if they are taken."""
    name, number = words, 1
    while name in taken:
        number += 1
        name = f"{words}-{number}"
    return name


def _short(thing: str) -> str:
    return f"{thing[:16]}…" if _ARTIFACT.fullmatch(thing) else thing


def _hint(role: str, text: str, roles: Sequence[str]) -> str:
    if role == "pool" and "set" in roles:
        return f" Split it first: python -m synthstudio step collect.split --images {text!r}"
    if role == "test":
        return " Test images stay untouched: only evaluation and export take them."
    return ""
