"""Throw things away to free space: what would go, what depends on it, what can be made again; then do it.

Images and weights go that nothing else of the project needs; logs, rows, documents and people's decisions stay, so
that history can be read and Steps can be carried out again. First the journal says what is thrown away, then the files
go: a kill between the two leaves files that the next owner takes away.
"""

import json
import logging
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from synthstudio.artifacts import digest_of
from synthstudio.catalog.runs import ACTIVE, Run
from synthstudio.errors import BadInput, StudioError
from synthstudio.jobs.keeping import remaking, things
from synthstudio.jobs.keeping.things import EXPORT, REPORT, RUN, Thing
from synthstudio.jobs.keeping.wholeness import Part, parts, strings, why_not
from synthstudio.jobs.running.worker import environment
from synthstudio.step import STEPS, from_json
from synthstudio.workspace import Workspace, storage_errors

if TYPE_CHECKING:
    from synthstudio.jobs.studio import Studio

log = logging.getLogger("synthstudio")

Again = Literal["same", "alike", "no"]
_WORKING = ("queued", *ACTIVE)
_LISTED = 20
_EXACT = ("collect.", "select.")  # they copy and choose
SAME = "Its step makes the very same again, on a machine of this kind with these versions of the software."
_MOST = 1000


@dataclass(frozen=True)
class Away:
    """One thing of a plan: what of it would go, and whether it can come back."""

    id: str
    name: str
    role: str
    bytes: int  # that go with it
    shared: int  # images that stay, because others need them
    again: Again
    why: str  # in a sentence
    decided: int  # images that people decided about


@dataclass(frozen=True)
class Plan:
    """What throwing some things away would do. `digest` changes when any of it does."""

    things: tuple[Away, ...]
    bytes: int
    files: int
    kept_by: tuple[str, ...]  # names of what still needs shared images
    dependants: tuple[str, ...]  # names of what was made from these, and stays
    refused: tuple[str, ...]  # sentences; while there is one, nothing can be thrown away
    digest: str = ""

    @property
    def lost(self) -> tuple[Away, ...]:
        """What cannot be made again."""
        return tuple(one for one in self.things if one.again == "no")

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        body = {**vars(self), "things": [vars(one) for one in self.things]}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in body.items()}


def plan(studio: "Studio", chosen: Iterable[str]) -> Plan:
    """What throwing these away would free, leave and break; nothing is changed. UnknownName for what is not here."""
    wanted = list(dict.fromkeys(chosen))
    if not wanted:
        raise BadInput("Choose at least one thing to throw away.")
    if len(wanted) > _MOST:
        raise BadInput(f"Choose {_MOST:,} things at most at once.")
    known = {one.id: one for one in things.every(studio)}
    for thing in wanted:
        if thing not in known:
            things.one(studio, thing)  # says that there is none
    found = [known[thing] for thing in wanted]
    going = _going(studio, wanted)
    used = sum(_room(studio.workspace, path) for path in going)
    body = Plan(
        things=tuple(_away(studio, one, wanted, set(going), known) for one in found),
        bytes=used,
        files=len(going),
        kept_by=tuple(known[one].name for one, _ in _sharing(studio, wanted) if one in known)[:_LISTED],
        dependants=tuple(_dependants(found, known))[:_LISTED],
        refused=tuple(dict.fromkeys(_refusals(studio, found, set(going)))),
    )
    return Plan(**{**vars(body), "digest": digest_of(json.dumps(body.to_json(), sort_keys=True).encode())[:16]})


def free(
    studio: "Studio", chosen: Iterable[str], who: str, *, for_good: bool = False, digest: str | None = None
) -> Plan:
    """Throw things away; returns what went.

    Raises BadInput, and nothing is changed, where something of it is needed by work in progress, where it cannot be
    made again (unless `for_good`), and where it is not what the plan of that `digest` said.
    """
    planned = plan(studio, chosen)
    if planned.refused:
        raise BadInput(" ".join(planned.refused))
    if digest is not None and digest != planned.digest:
        raise BadInput("Since you looked, something of this has changed. Look again at what would go.")
    if planned.lost and not for_good:
        names = ", ".join(one.name for one in planned.lost[:5])
        raise BadInput(
            f"{names} cannot be made again: {planned.lost[0].why} Say that you mean it, or leave it out. (From a"
            " terminal: --for-good.)"
        )
    wanted = [one.id for one in planned.things]
    studio.catalog.freed.throw_away(wanted, who)
    _sweep(studio, wanted)
    return planned


def finish(studio: "Studio") -> None:
    """Take away the files of what was thrown away by an owner that did not live to do it."""
    working = {run.id for run in studio.catalog.runs.in_state(*_WORKING)}
    left = [
        thing for thing, mark in studio.catalog.freed.all().items()
        if not mark.swept and not working & _makers(studio, thing)
    ]  # fmt: skip
    if left:
        try:
            _sweep(studio, left)
        except (StudioError, OSError):
            log.exception("what was thrown away could not be taken away; the next opening tries again")


def _sweep(studio: "Studio", wanted: Collection[str]) -> None:
    """Delete the files that only these hold; a second time changes nothing."""
    with storage_errors(studio.workspace.root):
        for path in _going(studio, wanted):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    studio.wholeness.forget_all()
    studio.catalog.freed.swept(wanted)


def _going(studio: "Studio", wanted: Collection[str]) -> list[Path]:
    """The files and folders that go with these things, as far as they are there."""
    workspace = studio.workspace
    images = sorted(one for one in studio.catalog.freed.only_in(wanted) if remaking.is_digest(one))
    found = [workspace.path(digest) for digest in images]
    found += [workspace.weight_path(digest) for digest in sorted(_weights(studio, wanted))]
    for small in sorted((workspace.root / "cache").glob("thumbs-*")):
        found += [small / digest[:2] / f"{digest}.webp" for digest in images]
    for run_id in sorted(set().union(*(_makers(studio, thing) for thing in wanted))):
        found += things.working_files(workspace, run_id)
    found += _folders(studio, wanted)
    return [path for path in found if path.is_symlink() or path.exists()]


def _weights(studio: "Studio", wanted: Collection[str]) -> set[str]:
    """Digests of weights that these name and nothing else does that is not thrown away."""
    gone = {*wanted, *studio.catalog.freed.all()}
    mine: set[str] = set()
    others: set[str] = set()
    for one in studio.catalog.names.all(remaking.WEIGHTS):
        named = {part.digest for part in parts(studio.workspace, {"": one.id}) if part.kind == "weights"}
        if one.id in wanted:
            mine |= named
        elif one.id not in gone:
            others |= named
    return mine - others


def _folders(studio: "Studio", wanted: Collection[str]) -> list[Path]:
    """Folders of exports that no other export wrote too."""
    written: dict[Path, set[str]] = {}
    gone = {*wanted, *studio.catalog.freed.all()}
    writers = studio.catalog.runs.with_output("folder")
    for run in studio.catalog.runs.in_state("done", *_WORKING):
        folder = things.export_folder(studio, run) if run.id in writers else None
        if folder is not None:
            written.setdefault(folder, set()).add(run.id)
    return [folder for folder, runs in written.items() if runs & set(wanted) and runs <= gone]


def _makers(studio: "Studio", thing: str) -> set[str]:
    """The runs that said this artifact; of a run or an export, itself."""
    return {run.id for run in studio.catalog.runs.saying(thing)} if ":" in thing else {thing}


def _room(workspace: Workspace, path: Path) -> int:
    assert path.is_relative_to(workspace.root)
    return things.tree_bytes(path)


# ---- what a person wants to know before


def _away(studio: "Studio", one: Thing, wanted: Collection[str], going: set[Path], known: dict[str, Thing]) -> Away:
    own = _own_files(studio, one)
    mine = [path for path in own if path in going]
    there = sum(path.exists() for path in own)
    again, why = comeback(studio, one.id, frozenset(wanted), known)
    decided = studio.catalog.review.decided_in(one.id) if one.role in remaking.SETS else {}
    return Away(
        id=one.id, name=one.name, role=one.role, bytes=sum(things.tree_bytes(path) for path in mine),
        shared=there - sum(path.exists() for path in mine) if one.role in (*remaking.SETS, RUN) else 0,
        again=again, why=why, decided=sum(bool(verdict) for verdict, _ in decided.values()),
    )  # fmt: skip


def _own_files(studio: "Studio", one: Thing) -> list[Path]:
    workspace = studio.workspace
    if one.role in remaking.SETS:
        return [workspace.path(digest) for digest in sorted({m.image for m in workspace.image_set(one.id)})]
    if one.role == RUN:
        made = studio.catalog.images.made_by(one.run, limit=1_000_000)
        return [workspace.path(row["digest"]) for row in made] + things.working_files(workspace, one.run)
    if one.role == EXPORT:
        folder = things.export_folder(studio, studio.catalog.runs.get(one.run))
        return [] if folder is None else [folder]
    return [workspace.weight_path(part.digest) for part in parts(workspace, {"": one.id}) if part.kind == "weights"]


def _sharing(studio: "Studio", wanted: Collection[str]) -> list[tuple[str, int]]:
    return studio.catalog.freed.sharing([one for one in wanted if one.startswith(("set:", "test:", "pool:"))])


def _dependants(found: Collection[Thing], known: dict[str, Thing]) -> Iterator[str]:
    """Names of what was made from these, directly or not, and is still there."""
    gone = {one.id for one in found}
    seen, todo = set(gone), set(gone)
    while todo:
        next_ones = [one for one in known.values() if one.id not in seen and todo & set(one.made_from)]
        for one in next_ones:
            seen.add(one.id)
            if one.state == "here":
                yield one.name
        todo = {one.id for one in next_ones}


def comeback(
    studio: "Studio", thing: str, gone: frozenset[str], known: dict[str, Thing], seen: frozenset[str] = frozenset()
) -> tuple[Again, str]:
    """Whether a thing could be made again if `gone` were away too, and a sentence that says how or why not."""
    one = known.get(thing)
    if one is None or thing in seen:
        return "same", ""
    level: Again = "same"
    said = ""
    runs = [studio.catalog.runs.get(run) for run in _remakers(studio, one)]
    for run in runs:
        now, why = _run_again(studio, run)
        if now == "no":
            return "no", why
        if now == "alike":
            level, said = now, why
        for given in remaking.named_in(studio.catalog.runs.step_body(run.step_id)):
            if given in gone or remaking.absent(studio, given):
                below, why = comeback(studio, given, gone, known, seen | {thing})
                if below == "no":
                    return "no", f"It is made from {known[given].name}, and that cannot be made again. {why}"
                level, said = (below, why) if below == "alike" else (level, said)
    return level, said or SAME


def _remakers(studio: "Studio", one: Thing) -> set[str]:
    """The runs that would have to be carried out again: those that made the images of a set, else its own."""
    if one.role not in remaking.SETS:
        return {one.run}
    images = {member.image for member in studio.workspace.image_set(one.id)}
    return set(studio.catalog.images.makers_of(images).values()) or {one.run}


def _run_again(studio: "Studio", run: Run) -> tuple[Again, str]:
    try:
        step = from_json(studio.catalog.runs.step_body(run.step_id))
    except StudioError as error:
        return "no", f"The step that made it cannot be read: {error}"
    reason = why_not(studio.workspace, step)
    if reason:
        return "no", reason
    now = environment()
    if not STEPS[run.kind].computes or run.kind.startswith(_EXACT) or _agree(run.environment, now):
        return "same", ""
    return "alike", (
        "It can be made again, but perhaps not the very same: it was computed with other versions of the software,"
        " which may round differently."
    )


def _agree(then: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Whether what both know is the same: a later version looks at more."""
    return all(now.get(name, value) == value for name, value in then.items())


# ---- what forbids it


def _refusals(studio: "Studio", found: Collection[Thing], going: set[Path]) -> Iterator[str]:
    if studio.catalog.freed.unlisted_sets():
        yield (
            "Some sets of this project cannot be read, so nobody knows which images they need. Mend that first:"
            " python -m synthstudio doctor --repair"
        )
    for one in found:
        if one.role == REPORT:
            yield f"{one.name} is a report of a few kilobytes. It stays: it is what is known of the things it compared."
    needed = _needed(studio)
    for one in found:
        files = {str(path) for path in _own_files(studio, one) if path in going}
        why = needed.get(one.id) or next((needed[path] for path in files & needed.keys()), None)
        if why:
            yield f"{one.name} is needed: {why} Stop that, or wait for its end."


def _needed(studio: "Studio") -> dict[str, str]:
    """Why work in progress needs something, by the id of a thing and by the path of a file."""
    found: dict[str, str] = {}
    names = studio.catalog.names
    for run in studio.catalog.runs.in_state(*_WORKING):
        body = studio.catalog.runs.step_body(run.step_id)
        reads = f"{names.of(run.id)}, which is {run.state}, reads it."
        _need(studio, remaking.named_in(body), reads, found)
        made = studio.catalog.runs.outputs(run.id)
        _need(studio, strings(made), f"{names.of(run.id)}, which is {run.state}, is making it.", found)
        found.setdefault(run.id, f"it is {run.state}.")
    for pipeline in studio.catalog.pipelines.running():
        why = f"the recipe {names.of(pipeline.id)}, which is running, may still read it."
        for node in studio.catalog.pipelines.nodes(pipeline.id):
            outputs = studio.catalog.runs.outputs(node.run_id) if node.run_id else {}
            _need(studio, [*strings(node.template), *strings(outputs)], why, found)
    return found


def _need(studio: "Studio", artifacts: Iterable[str], why: str, found: dict[str, str]) -> None:
    for artifact in artifacts:
        if not remaking.has_files(artifact):
            continue
        found.setdefault(artifact, why)
        for part in remaking.files_of(studio, artifact):
            found.setdefault(str(_path(studio.workspace, part)), why)


def _path(workspace: Workspace, part: Part) -> Path:
    return workspace.weight_path(part.digest) if part.kind == "weights" else workspace.path(part.digest)
