"""The Library in the page: everything a project holds, what can be done with it, and making room."""

import threading
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from synthstudio.errors import BadInput
from synthstudio.jobs import Studio
from synthstudio.jobs.keeping import freeing, things
from synthstudio.jobs.keeping.things import EXPORT, RUN, Thing
from synthstudio.step import step_title
from synthstudio.steps.collect.freeze import Freeze
from synthstudio.ui.api.image_routes import Opened

_READERS = 12
_KINDS = {
    "set": "Set", "pool": "Photos", "test": "Test photos", "adapter": "Adapter", "classifier": "Classifier",
    "experts": "Experts", "report": "Report", EXPORT: "Export", RUN: "Unfinished run",
}  # fmt: skip
_looks: WeakKeyDictionary[Studio, tuple[int, list[Thing]]] = WeakKeyDictionary()
_looking = threading.Lock()


def every(session: Opened) -> dict[str, Any]:
    """The list, and the kinds it can be filtered by."""
    studio = session.studio
    found = _known(studio)
    used = {one.role for one in found}
    return {
        "things": [_listed(one) for one in found],
        "kinds": [{"role": role, "words": said} for role, said in _KINDS.items() if role in used],
    }


def detail(session: Opened, thing: str) -> dict[str, Any]:
    """One thing: where it came from, what read it, what can be done with it."""
    studio = session.studio
    known = {one.id: one for one in _known(studio)}
    one = known.get(thing) or things.one(studio, thing)
    readers = studio.catalog.runs.those(one.used_by)
    shown = [readers[run] for run in one.used_by[-_READERS:][::-1] if run in readers]
    names = studio.catalog.names
    named = names.of_all([run.id for run in shown])
    return {
        **_listed(one),
        "from": [{"id": known[given].id, "name": known[given].name} for given in one.made_from if given in known],
        "run_name": studio.catalog.names.of(one.run),
        "used_by": [
            {"run": run.id, "words": step_title(run.kind),
             "name": named[run.id][0] if run.id in named else names.of(run.id)}
            for run in shown
        ],
        "used_count": len(readers),
        "actions": actions(studio, one),
    }  # fmt: skip


def actions(studio: Studio, one: Thing) -> list[dict[str, Any]]:
    """What can be done with a thing: words, and the place in the page with its form filled."""
    run = {"words": "See its log", "go": {"tab": "runs", "show": one.run}}
    if one.state == "working":
        return [run]
    return [*_OFFERED.get(one.role, lambda *_: [])(studio, one), run]


def _for_photos(_: Studio, one: Thing) -> list[dict[str, Any]]:
    return [{"words": "See them under Data", "go": {"tab": "data"}}, _review(one)]


def _for_set(_: Studio, one: Thing) -> list[dict[str, Any]]:
    arm = "real" if one.kind == "collect.split" else "synthetic"
    found = [_review(one), {"words": "Train a classifier with it", "go": {"tab": "train", arm: one.id}}]
    if arm == "real":
        found.append({"words": "Adapt a model to it", "go": {"tab": "adapt", "images": one.id}})
    found.append({"words": "Measure it against photos", "go": {"tab": "evaluate", "measure": one.id}})
    if one.given or one.kind == Freeze.kind:
        found.append({"words": "Export it", "go": {"tab": "export", "selection": one.id}})
    return found


def _for_adapter(studio: Studio, one: Thing) -> list[dict[str, Any]]:
    return [{"words": "Make images with it", "go": {"tab": "sample", "adapter": one.id}}, *_export(studio, one)]


def _for_classifier(studio: Studio, one: Thing) -> list[dict[str, Any]]:
    readers = studio.catalog.runs.those(one.used_by)
    asked = [run for run in one.used_by if run in readers and readers[run].kind.startswith("evaluate.")]
    report = [{"words": "See how well it does", "go": {"tab": "evaluate", "report": asked[-1]}}] if asked else []
    return [*report, *_export(studio, one)]


def _for_report(_: Studio, one: Thing) -> list[dict[str, Any]]:
    return [{"words": "Read it", "go": {"tab": "evaluate", "report": one.run}}]


def _for_export(_: Studio, one: Thing) -> list[dict[str, Any]]:
    return [{"words": "Download it", "go": {"tab": "export"}}]


def _review(one: Thing) -> dict[str, Any]:
    return {"words": "Review its images", "go": {"tab": "review", "only": one.id}}


def _export(studio: Studio, one: Thing) -> list[dict[str, Any]]:
    """To the form of its recipe run, which exports it with the data; nothing for what no finished recipe made."""
    done = {pipeline.id for pipeline in studio.catalog.pipelines.all() if pipeline.state == "done"}
    held = [pipeline for pipeline in studio.catalog.pipelines.holding(one.run) if pipeline in done]
    return [{"words": "Export it", "go": {"tab": "export", "recipe": held[-1]}}] if held else []


_OFFERED: dict[str, Callable[[Studio, Thing], list[dict[str, Any]]]] = {
    "pool": _for_photos, "set": _for_set, "adapter": _for_adapter, "classifier": _for_classifier,
    "report": _for_report, EXPORT: _for_export,
}  # fmt: skip


def plan(session: Opened, chosen: Sequence[str]) -> dict[str, Any]:
    """What throwing these away would do."""
    return freeing.plan(session.studio, chosen).to_json()


def free(session: Opened, chosen: Sequence[str], who: str, for_good: bool, digest: str) -> dict[str, Any]:
    """Throw them away as planned."""
    with session.acting() as studio:
        studio.tick()  # what a worker has said by now is needed by it
        return freeing.free(studio, chosen, who, for_good=for_good, digest=digest).to_json()


def again(session: Opened, thing: str) -> dict[str, Any]:
    """Make a thing again that was thrown away, and what that needs."""
    with session.acting() as studio:
        one = things.one(studio, thing)
        if one.role == RUN:
            return {"runs": [studio.resume(one.run)]}
        runs = [studio.make_again(one.run)] if one.role == EXPORT else studio.bring_back([one.id])
        if not runs:
            raise BadInput(f"{one.name} is there, or is being made again already. Look at the list.")
        return {"runs": runs}


def rename(session: Opened, thing: str, name: str) -> dict[str, str]:
    """Another name for a thing; BadInput if it is taken or cannot be one."""
    with session.acting() as studio:
        return {"name": studio.catalog.names.give(things.one(studio, thing).id, name)}


def _listed(one: Thing) -> dict[str, Any]:
    return {
        "id": one.id, "role": one.role, "kind": _KINDS[one.role], "name": one.name, "images": one.images,
        "bytes": one.bytes, "state": one.state, "freed_at": one.freed_at, "run": one.run, "run_state": one.run_state,
        "made": step_title(one.kind), "created": one.created,
    }  # fmt: skip


def _known(studio: Studio) -> list[Thing]:
    """The list as of the last change of the catalog: a page asks every few seconds."""
    with _looking:
        commits = studio.catalog.database.commits
        kept = _looks.get(studio)
        if kept is None or kept[0] != commits:
            found = things.every(studio)  # may name what has no name yet, which is a change
            kept = _looks[studio] = (studio.catalog.database.commits, found)
        return kept[1]
