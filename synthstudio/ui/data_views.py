"""What the page says of the photos of a project: what was brought in, how it was split, whether it is ready."""

from collections import Counter
from typing import Any

from synthstudio.artifacts import ImageSet
from synthstudio.catalog.runs import Run
from synthstudio.errors import StudioError
from synthstudio.step import from_json
from synthstudio.ui.session import StudioSession
from synthstudio.ui.stock import stock, title_of

_FEW, _UNEVEN = 4, 5.0


def overview(session: StudioSession) -> dict[str, Any]:
    """Sources, imports and the newest split of the open project."""
    runs = session.studio.catalog.runs.all(limit=300)
    imports = [run for run in runs if run.kind == "collect.import_images"]
    splits = [run for run in runs if run.kind == "collect.split" and run.state == "done"]
    return {
        "stock": [{"title": one.title, "data": one.data, "photos": one.photos} for one in stock(session)],
        "imports": [_imported(session, run) for run in imports[:20]],
        "split": _split(session, splits[0]) if splits else None,
    }


def badges(counts: dict[str, int], refused: int, warnings: list[str]) -> list[dict[str, str]]:
    """Readiness: ok, warn or block; each one sentence, and the button that helps (`action`) where one does."""
    if not counts:
        return [_badge("block", "No usable photo. Drop one folder of pictures per class.", "add")]
    found = []
    least, most = min(counts.values()), max(counts.values())
    name = min(counts, key=lambda label: counts[label])
    if len(counts) < 2:
        found.append(_badge("block", "Only one class: a classifier needs at least two to tell apart.", "add"))
    if least < 2:
        found.append(_badge("warn", f"“{name}” has one photo: it can be learned from but not tested.", "add"))
    elif least < _FEW:
        found.append(_badge("warn", f"“{name}” has only {least} photos: its numbers will be very uncertain.", "add"))
    if most > _UNEVEN * least:
        text = f"Uneven: {least} to {most} photos per class. Choose shots that all have."
        found.append(_badge("warn", text, "recipe"))
    if refused:
        found.append(_badge("warn", f"{refused} files were not used; each says why below."))
    found += [_badge("warn", text) for text in warnings]
    if not any(one["level"] == "block" for one in found):
        text = f"{sum(counts.values())} photos in {len(counts)} classes: ready for a recipe."
        found.insert(0, _badge("ok", text, "recipe"))
    return found


def _badge(level: str, text: str, action: str = "") -> dict[str, str]:
    return {"level": level, "text": text, "action": action}


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
    source = str(from_json(session.studio.catalog.runs.step_body(run.step_id)).fields["source"])
    digest = source.removeprefix("source:")
    if digest == "digits":
        return "Handwritten digits"
    try:
        place = session.studio.workspace.place_of(digest)
    except StudioError:
        return digest[:12]
    return title_of(session, place)


def _split(session: StudioSession, run: Run) -> dict[str, Any]:
    """Per class: shots, validation, test; and how often the test photos were looked at."""
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
        "looks": session.studio.catalog.images.looks_at(str(outputs["test"])),
    }


def _counts(session: StudioSession, set_id: object) -> Counter[str]:
    if not isinstance(set_id, str):
        return Counter()
    found: ImageSet = session.studio.workspace.image_set(set_id)
    return Counter(member.label for member in found)
