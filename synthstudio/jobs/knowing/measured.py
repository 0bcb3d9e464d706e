"""Measured sets: which there are, with which numbers, and which of them may be compared with each other.

Numbers are only comparable where they were measured against the same real photos, through the same eye, with the same
number of neighbours. Everybody who shows a measure of a set reads it here; what it is called stands in `measure_terms`.
"""

import threading
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from synthstudio.catalog.runs import ACTIVE, Run
from synthstudio.errors import Damaged, Missing
from synthstudio.jobs.readable import Readable
from synthstudio.measure_terms import MEASURES, SIZE_MATTERS, Number, as_numbers
from synthstudio.models import MODELS

KIND = "measure.images"
_SPLIT, _COMPARE = "collect.split", "evaluate.compare"


Against = tuple[str, str, int, int]


@dataclass(frozen=True)
class Measured:
    """One measurement: a set against real photos, in the eyes of an encoder. `n`: images and photos."""

    run: str
    report: str
    created: float
    images: str
    references: str
    encoder: str
    neighbours: int
    n: tuple[int, int]
    found: Mapping[str, Number]
    classes: Mapping[str, Mapping[str, Number]]

    @property
    def against(self) -> "Against":
        """What has to be the same for two sets to be comparable; some are measured against photos of a few classes."""
        return self.references, self.encoder, self.neighbours, self.n[1]


def every(studio: Readable, sets: Collection[str] = ()) -> tuple[list[Measured], list[str]]:
    """Finished measurements, the newest first, of these sets or of all; and a sentence for each that is damaged.

    Of a set that was measured twice in the same way (by another seed) the newest counts.
    """
    found: dict[tuple[str, Against], Measured] = {}
    problems = []
    for run in studio.catalog.runs.of_kind(KIND):
        try:
            one = _kept(studio, run)
        except (Missing, Damaged) as error:
            problems.append(f"The numbers of {studio.catalog.names.of(run.id)} cannot be read. {error}")
            continue
        if not sets or one.images in sets:
            found.setdefault((one.images, one.against), one)
    return list(found.values()), problems


def comparable(found: Sequence[Measured]) -> list[list[Measured]]:
    """Measurements that may be compared with each other, together; in the order they are given."""
    groups: dict[Against, list[Measured]] = {}
    for one in found:
        groups.setdefault(one.against, []).append(one)
    return list(groups.values())


def document(studio: Readable, sets: Collection[str] = ()) -> dict[str, Any]:
    """Everything that is said of measured sets as JSON values, of these sets or of all; the numbers also in words."""
    found, problems = every(studio, sets)
    groups = comparable(found)
    eyes = _eyes(found)
    several = len({one.neighbours for one in found}) > 1
    names = _names(studio, sorted({thing for one in found for thing in (one.images, one.references)}))
    runs = studio.catalog.runs
    working = [
        str(fields["images"])
        for fields in runs.fields_of(run.id for run in runs.in_state("queued", *ACTIVE) if run.kind == KIND).values()
    ]
    return {
        "measures": [one.described() for one in MEASURES],
        "note": SIZE_MATTERS,
        "groups": [
            {
                **_against(group[0], names, eyes[group[0].encoder], neighbours=several),
                "apart": _apart(group[0], [one[0] for one in groups[:place]]),
                "rows": [_row(one, names) for one in group],
            }
            for place, group in enumerate(groups)
        ],
        "working": sorted(set(working)),
        "problems": problems,
    }


def suggested(studio: Readable, images: str) -> dict[str, str]:
    """Against which photos and through which eye to measure a set, as far as the project knows.

    The photos: validation photos of the split whose shots taught the set, else of the newest split. The eye: that of
    the newest measurement against them, else the one that compared classifiers on this split.
    """
    runs = studio.catalog.runs
    behind = studio.catalog.images.sets_behind([images]) | {images}
    splits = list(runs.outputs_of(run.id for run in runs.of_kind(_SPLIT)).values())
    fitting = [one for one in splits if one.get("validation") not in (None, images)]
    if not fitting:
        return {}
    chosen = next((one for one in fitting if one.get("shots") in behind), fitting[0])
    references = str(chosen["validation"])
    seen = [one.encoder for one in every(studio)[0] if one.references == references]
    compared = [run.id for run in runs.of_kind(_COMPARE)]
    asked = runs.fields_of(compared)
    seen += [str(asked[one]["encoder"]) for one in compared if chosen.get("test") in asked[one]["tests"]]
    known = [name for name in (one.partition("@")[0] for one in seen) if name in MODELS]
    return {"references": references} | ({"encoder": known[0]} if known else {})


_read: WeakKeyDictionary[Readable, dict[str, Measured]] = WeakKeyDictionary()
_reading = threading.Lock()


def _kept(studio: Readable, run: Run) -> Measured:
    """A finished measurement, read once: it does not change any more."""
    with _reading:
        known = _read.setdefault(studio, {})
    if run.id not in known:
        known[run.id] = _measured(studio, run)
    return known[run.id]


def _measured(studio: Readable, run: Run) -> Measured:
    outputs = studio.catalog.runs.outputs(run.id)
    if "measures" not in outputs:
        raise Missing("Its log does not name them. Ask for the measurement again.")
    body = studio.workspace.document(str(outputs["measures"]))
    return Measured(
        run=run.id, report=str(outputs["measures"]), created=run.created,
        images=str(body["images"]), references=str(body["references"]),
        encoder=str(body["encoder"]), neighbours=int(studio.catalog.runs.fields(run.id)["neighbours"]),
        n=(body["n"][0], body["n"][1]), found=as_numbers(body["all"]),
        classes={label: as_numbers(said) for label, said in body["classes"].items() if said},
    )  # fmt: skip


def _eyes(found: Sequence[Measured]) -> dict[str, str]:
    """What to call each eye: its name; where two eyes share it, with the beginning of the digest of its weights."""
    encoders = {one.encoder for one in found}
    shared = Counter(one.partition("@")[0] for one in encoders)
    return {
        one: name if shared[name] == 1 else f"{name} ({digest[:8]})"
        for one, (name, _, digest) in ((one, one.partition("@")) for one in encoders)
    }


def _names(studio: Readable, things: Sequence[str]) -> dict[str, str]:
    named = studio.catalog.names.of_all(things)
    return {thing: named[thing][0] if thing in named else studio.catalog.names.of(thing) for thing in things}


def _against(one: Measured, names: Mapping[str, str], eye: str, *, neighbours: bool) -> dict[str, Any]:
    """What a group was measured against, in words too; `neighbours`: whether their number tells groups apart."""
    name, photos = names[one.references], one.n[1]
    count = f"{photos:,} photo{'' if photos == 1 else 's'}"
    near = f", with {one.neighbours} neighbours" if neighbours else ""
    return {
        "heading": f"Against {name} ({count}), in the eyes of {eye}{near}",
        "references": one.references, "references_name": name, "photos": photos, "eye": eye, "encoder": one.encoder,
        "neighbours": one.neighbours,
    }  # fmt: skip


def _apart(one: Measured, others: Sequence[Measured]) -> str:
    """Why a group cannot be compared with those above it; nothing where it is the first."""
    different = {
        "other real photos": any(one.references != other.references for other in others),
        "photos of other classes": any(
            one.n[1] != other.n[1] for other in others if one.references == other.references
        ),
        "another eye": any(one.encoder != other.encoder for other in others),
        "another number of neighbours": any(one.neighbours != other.neighbours for other in others),
    }
    reasons = [words for words, holds in different.items() if holds]
    return f"Not comparable with the sets above: {' or '.join(reasons)}." if reasons else ""


def _row(one: Measured, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "run": one.run, "created": one.created, "images": one.images,
        "images_name": names[one.images], "n": list(one.n),
        "all": _values(one.found), "classes": {label: _values(found) for label, found in one.classes.items()},
        "said": {measure.name: measure.said(one.found) for measure in MEASURES if measure.name in one.found},
    }  # fmt: skip


def _values(found: Mapping[str, Number]) -> dict[str, dict[str, float | None]]:
    return {name: dict(zip(("value", "low", "high"), said, strict=True)) for name, said in found.items()}
