"""The map of a project: which one is shown, what a new one is made of, and where made images are missing on it."""

import threading
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from synthstudio import models
from synthstudio.catalog.review import Query
from synthstudio.catalog.runs import ACTIVE, Run
from synthstudio.errors import BadInput, Damaged, Leak, Missing, StudioError
from synthstudio.jobs.asking import leaks
from synthstudio.jobs.studio import Studio
from synthstudio.steps.measure.map import MeasureMap, read

_EYES = ("score.nearest_real", "score.label_agreement", "measure.images", MeasureMap.kind)
_FIRST_EYE = "pico-clip"
_SPLIT = "collect.split"
_MAX_SETS = 200
_LEAST = 3  # photos of a class, as `measure.images` needs them
_LOOKED_AT = 5  # newest maps that are tried where files are missing


@dataclass(frozen=True)
class Map:
    """A finished map. `rows`: image, x, y, anchor."""

    id: str
    run: str
    encoder: str
    method: str
    rows: NDArray[np.void]


@dataclass(frozen=True)
class Hole:
    """A validation photo without a made image near it; `far`: how many radii away the closest of its class is."""

    image: str
    label: str
    far: float


def newest(studio: Studio) -> Map | None:
    """The newest finished map whose files are there."""
    for run in studio.catalog.runs.of_kind(MeasureMap.kind, limit=_LOOKED_AT):
        try:
            return _kept(studio, run)
        except (Missing, Damaged):
            continue
    return None


def working(studio: Studio) -> Run | None:
    """The run that makes a map now, or the last one where that has not ended well."""
    runs = studio.catalog.runs
    waiting = [run for run in runs.in_state("queued", *ACTIVE) if run.kind == MeasureMap.kind]
    last = waiting or runs.of_kind(MeasureMap.kind, done=False, limit=1)
    return last[0] if last and last[0].state != "done" else None


def step(studio: Studio, *, anew: bool) -> MeasureMap:
    """The map to ask for: all photos and made images of the project on the newest one, or fitted anew."""
    known = None if anew else newest(studio)
    photos, images = seen_sets(studio)
    if not photos and not images:
        raise BadInput("There are no images to lay out yet. Import photos under Data, or make images under Sample.")
    encoder = known.encoder if known else eye(studio) or models.reference(_FIRST_EYE, "encoder", studio.workspace)
    return MeasureMap(photos=photos, images=images, encoder=encoder, fitted=known.id if known else None)


def seen_sets(studio: Studio) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The newest sets of photos, and those of made images, that an encoder may look at for a person."""
    sets = studio.catalog.images.sets_by_origin(_MAX_SETS)
    photos, images = (tuple(one for one in sets[real] if _may_be_seen(studio, one)) for real in (True, False))
    return photos, images


def missing(studio: Studio, known: Map) -> int:
    """How many images of the sets that a map is made of have no place on it yet."""

    def counted() -> int:
        sets = studio.catalog.images.sets_by_origin(_MAX_SETS)
        members = studio.catalog.images.by_set()
        wanted = {image for some in sets.values() for one in some for image in members[one]}
        return len(wanted - {image.decode() for image in known.rows["image"].tolist()})

    return studio.catalog.database.since_commit(("not on the map", known.id), counted)


def holes(studio: Studio, known: Map, query: Query) -> list[Hole]:
    """Photos of the newest split's validation set with no made image of their class as near as their neighbours are,
    the loneliest first. What is rejected counts for nothing; of the query, run and sets count.
    """
    from synthstudio import measures

    reals = _validation(studio)
    made = query.model_copy(update={
        "labels": (), "origins": ("synthetic", "distilled"), "standings": ("pending", "accepted"),
        "relabelled": False, "scorer": "", "similar_to": "", "words": "", "low": None, "high": None, "sort": "arrival",
        "as_of": studio.catalog.decisions.last(),
    })  # fmt: skip
    photos, photo_labels, photo_vectors = _seen(studio, known.encoder, list(reals), list(reals.values()))
    _, labels, vectors = _seen(studio, known.encoder, *studio.catalog.points.standing_images(made))
    found: list[Hole] = []
    for label in sorted(set(photo_labels.tolist())):
        own = photo_labels == label
        if own.sum() >= _LEAST:
            made_of_it = vectors[labels == label].reshape(-1, photo_vectors.shape[1])
            far = measures.gaps(photo_vectors[own], made_of_it)
            found += [
                Hole(str(image), label, float(one)) for image, one in zip(photos[own], far, strict=True) if one > 1
            ]
    return sorted(found, key=lambda hole: (-hole.far, hole.label, hole.image))


def shots(studio: Studio) -> str | None:
    """The shots of the newest split: what images for a hole are made from, since validation photos teach nothing."""
    made = _newest_split(studio)
    return str(made["shots"]) if made.get("shots") else None


def _seen(
    studio: Studio, encoder: str, images: list[str], labels: list[str]
) -> tuple[NDArray[np.str_], NDArray[np.str_], NDArray[np.float32]]:
    """Those of some images that an encoder has looked at: their names, classes and vectors."""
    known, vectors = studio.catalog.vectors.among(encoder, images)
    return np.array(images, np.str_)[known], np.array(labels, np.str_)[known], vectors


def _validation(studio: Studio) -> dict[str, str]:
    """The photos of the newest split's validation set, and their classes."""
    set_id = _newest_split(studio).get("validation")
    try:
        return {m.image: m.label for m in studio.workspace.image_set(str(set_id))} if set_id else {}
    except (Missing, Damaged):
        return {}


def _newest_split(studio: Studio) -> dict[str, Any]:
    found = studio.catalog.runs.of_kind(_SPLIT, limit=1)
    return studio.catalog.runs.outputs(found[0].id) if found else {}


def _may_be_seen(studio: Studio, set_id: str) -> bool:
    """Whether a set may be named by a Step: not where its images were made from what is a test photo by now."""
    try:
        leaks.refuse_test_images(studio.catalog.images, MeasureMap.kind, [set_id])
    except Leak:
        return False
    return True


def eye(studio: Studio) -> str:
    """The encoder that the newest scores and measures were made by, since it has looked already; '' if none has."""
    runs = [run.id for run in studio.catalog.runs.of_kind(*_EYES, limit=20)]
    fields = studio.catalog.runs.fields_of(runs)
    for ref in (str(fields[run].get("encoder") or "") for run in runs):
        try:
            if ref and models.folder_of(ref, "encoder", studio.workspace):
                return ref
        except StudioError:
            continue
    return ""


_read: WeakKeyDictionary[Studio, Map] = WeakKeyDictionary()
_reading = threading.Lock()


def _kept(studio: Studio, run: Run) -> Map:
    """A finished map, read once while it is the newest."""
    with _reading:
        kept = _read.get(studio)
        if kept is None or kept.run != run.id:
            kept = _read[studio] = _map(studio, run)
        return kept


def _map(studio: Studio, run: Run) -> Map:
    outputs = studio.catalog.runs.outputs(run.id)
    if "map" not in outputs:
        raise Missing("Its log does not name a map. Fit it anew.")
    body, rows = read(studio.workspace, str(outputs["map"]))
    return Map(str(outputs["map"]), run.id, str(body["encoder"]), str(body["method"]), rows)
