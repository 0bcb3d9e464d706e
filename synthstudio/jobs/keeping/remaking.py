"""Making again what was thrown away on purpose: which runs, in which order, and what has to wait for them.

A document that names weights and the list of a set's images stay when a thing is thrown away. So what is missing are
images and weights; each is made again by the run that made it, once that run has what it was given itself.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from synthstudio.catalog.runs import ACTIVE, Run
from synthstudio.errors import BadInput, Damaged, Missing
from synthstudio.jobs.keeping.wholeness import Part, parts, strings, why_not
from synthstudio.step import Step, from_json

if TYPE_CHECKING:
    from synthstudio.jobs.studio import Studio

SETS = ("set", "test", "pool")
WEIGHTS = ("adapter", "classifier", "experts")
_NAMED = re.compile(r"(?:set|test|pool|adapter|classifier|experts|selection):[0-9a-f]{64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def named_in(step: Step | str) -> list[str]:
    """The artifacts a Step, or the stored JSON of one, is given whose images or weights it may read, once each."""
    return list(dict.fromkeys(_NAMED.findall(step if isinstance(step, str) else step.to_json())))


def has_files(text: str) -> bool:
    """Whether a text names an artifact that consists of images or weights."""
    return _NAMED.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Whether a text can be the name of a file of ours."""
    return _DIGEST.fullmatch(text) is not None


def files_of(studio: "Studio", artifact: str) -> list[Part]:
    """The images and weights of an artifact, there or not; nothing where its document cannot be read."""
    if not artifact.startswith("selection:"):
        return list(parts(studio.workspace, {"": artifact}))
    try:
        return [Part("blob", one) for one in strings(studio.workspace.document(artifact)) if is_digest(one)]
    except (Missing, Damaged):
        return []


def absent(studio: "Studio", artifact: str) -> list[Part]:
    """Images and weights of an artifact that are not there."""
    if not artifact.startswith("selection:"):
        return studio.wholeness.absent({"": artifact})
    return [part for part in dict.fromkeys(files_of(studio, artifact)) if not studio.workspace.has(part.digest)]


def runs_for(studio: "Studio", artifacts: Iterable[str]) -> list[Run]:
    """The runs to carry out again so that these are whole, each after those that make what it is given.

    None where nothing is missing, or what is missing was not thrown away (that is damage, and mended otherwise).
    Raises BadInput if something cannot be made again.
    """
    found: dict[str, Run] = {}
    _collect(studio, artifacts, found, set())
    return list(found.values())


def _collect(studio: "Studio", artifacts: Iterable[str], found: dict[str, Run], seen: set[str]) -> None:
    for artifact in artifacts:
        for run in _makers(studio, artifact):
            if run.id in seen or run.state in ("queued", *ACTIVE):
                continue
            seen.add(run.id)
            name = studio.catalog.names.of(artifact)
            if run.state == "done" and studio.complete(run.id):
                raise BadInput(
                    f"{name} was thrown away, and what {studio.catalog.names.of(run.id)} made again is not the very"
                    " same: software or hardware are others now. Use what was made again in its place."
                )
            step = from_json(studio.catalog.runs.step_body(run.step_id))
            reason = why_not(studio.workspace, step)
            if reason:
                raise BadInput(f"{name} was thrown away and cannot be made again: {reason}")
            _collect(studio, named_in(step), found, seen)
            found[run.id] = run


def _makers(studio: "Studio", artifact: str) -> list[Run]:
    """The runs that made what of an artifact was thrown away and is missing, oldest first."""
    missing = absent(studio, artifact)
    if not missing:
        return []
    runs, images = studio.catalog.runs, studio.catalog.freed.images()
    blobs = [part.digest for part in missing if part.kind == "blob" and part.digest in images]
    made_by = set(studio.catalog.images.makers_of(blobs).values())
    if any(part.kind == "weights" for part in missing) and artifact in studio.catalog.freed.all():
        made_by.update(run.id for run in runs.saying(artifact)[:1])
    return sorted((runs.get(run_id) for run_id in made_by), key=lambda run: run.position)


def waits(studio: "Studio", run: Run) -> bool:
    """Whether a queued run has to wait because something it is given is being made again."""
    working = ("queued", *ACTIVE)
    return any(
        maker.state in working and maker.id != run.id
        for artifact in named_in(studio.catalog.runs.step_body(run.step_id))
        for maker in _makers(studio, artifact)
    )


def came_back(studio: "Studio", run_id: str) -> list[str]:
    """Things thrown away that are whole again now that this run has ended."""
    touched = studio.catalog.freed.touched_by(run_id)
    return [thing for thing in touched if thing == run_id or (":" in thing and not absent(studio, thing))]
