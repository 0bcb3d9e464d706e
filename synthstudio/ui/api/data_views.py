"""What the page says of the photos of a project: what was brought in, how it was split, whether it is ready."""

from collections import Counter
from typing import Any

from synthstudio.artifacts import ImageSet
from synthstudio.catalog.runs import Run
from synthstudio.jobs.knowing.shots import IMPORT, place_of
from synthstudio.jobs.knowing.stock import stock, title_of
from synthstudio.step import from_json
from synthstudio.steps.collect import readiness
from synthstudio.steps.collect.split import COUNTED
from synthstudio.ui.session.state import StudioSession

_LISTED = 20


def overview(session: StudioSession) -> dict[str, Any]:
    """Sources, imports and the newest split of the open project."""
    runs = session.studio.catalog.runs
    splits = runs.of_kind("collect.split", limit=1)
    return {
        "stock": [{"title": one.title, "data": one.data, "photos": one.photos} for one in stock(session.studio)],
        "imports": [_imported(session, run) for run in runs.of_kind(IMPORT, done=False, limit=_LISTED)],
        "split": _split(session, splits[0]) if splits else None,
    }


def badges(counts: dict[str, int], refused: int, warnings: list[str]) -> list[dict[str, str]]:
    """Readiness: ok, warn or block; each one sentence, and the button that helps (`action`) where one does.

    `warnings` are what the import itself said: of classes without photos it alone knows.
    """
    found = [*readiness.remarks(counts), *readiness.refused(refused)]
    known = {one.text for one in found}
    found += [readiness.Remark("warn", text) for text in warnings if text not in known]
    return [one._asdict() for one in found]


def _imported(session: StudioSession, run: Run) -> dict[str, Any]:
    catalog = session.studio.catalog
    outputs = catalog.runs.outputs(run.id)
    refused = catalog.runs.refused(run.id)
    warnings = [note["text"] for note in catalog.runs.notes(run.id) if note["level"] == "warning"]
    counts = outputs.get("counts", {})
    return {
        "run": run.id, "state": run.state, "done": run.done, "total": run.total, "created": run.created,
        "title": _title(session, run), "counts": counts, "images": sum(counts.values()),
        "refused": refused[:200], "refused_count": len(refused), "error": run.error,
        "badges": badges(counts, len(refused), warnings) if run.state == "done" else [],
    }  # fmt: skip


def _title(session: StudioSession, run: Run) -> str:
    place = place_of(session.studio, str(session.studio.catalog.runs.fields(run.id)["source"]))
    return title_of(session.studio, place) if place else "Photos whose place is not known any more"


def _split(session: StudioSession, run: Run) -> dict[str, Any]:
    """Per class: shots, validation, test; what the split said; and how often the test photos were looked at."""
    outputs = session.studio.catalog.runs.outputs(run.id)
    parts: dict[str, Counter[str]] = {}
    for name in ("shots", "validation", "test"):
        parts[name] = _counts(session, outputs.get(name))
    labels = sorted(set().union(*parts.values()))
    step = from_json(session.studio.catalog.runs.step_body(run.step_id))
    return {
        "run": run.id,
        "fold": step.fields.get("fold", 0),
        "rows": [{"label": label, **{name: parts[name][label] for name in parts}} for label in labels],
        "notes": [note for note in session.studio.catalog.runs.notes(run.id) if not note["text"].startswith(COUNTED)],
        "looks": session.studio.catalog.images.looks_at(str(outputs["test"])),
    }


def _counts(session: StudioSession, set_id: object) -> Counter[str]:
    if not isinstance(set_id, str):
        return Counter()
    found: ImageSet = session.studio.workspace.image_set(set_id)
    return Counter(member.label for member in found)
