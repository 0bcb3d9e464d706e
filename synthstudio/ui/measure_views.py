"""What the page says of measured sets: one row per measurement, so that sets can be compared with each other."""

from collections.abc import Mapping
from typing import Any

from synthstudio.catalog.runs import Run
from synthstudio.ui.session import StudioSession

KIND = "measure.images"
_LISTED = 200


def every(session: StudioSession) -> list[dict[str, Any]]:
    """Finished measurements, the newest first: which set, against which photos, through which eye, and its numbers."""
    catalog = session.studio.catalog
    done = [run for run in catalog.runs.of_kind(KIND, limit=_LISTED) if "measures" in catalog.runs.outputs(run.id)]
    return [_row(session, run) for run in done]


def _row(session: StudioSession, run: Run) -> dict[str, Any]:
    studio = session.studio
    body = studio.workspace.document(studio.catalog.runs.outputs(run.id)["measures"])
    images, references = str(body["images"]), str(body["references"])
    return {
        "run": run.id, "created": run.created, "eye": str(body["encoder"]).partition("@")[0],
        "images": images, "images_name": studio.catalog.names.of(images),
        "references": references, "references_name": studio.catalog.names.of(references),
        "n": body["n"], "all": _numbers(body["all"]),
        "classes": {label: _numbers(found) for label, found in body["classes"].items() if found},
    }  # fmt: skip


def _numbers(found: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """Every measure as value, low and high; where there is no interval both ends are missing."""
    triples = {name: said if isinstance(said, list) else [said, None, None] for name, said in found.items()}
    return {name: dict(zip(("value", "low", "high"), said, strict=True)) for name, said in triples.items()}
