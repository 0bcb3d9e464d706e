"""Until enough are accepted: the newest `sample.until`, class by class, while it draws and when it has ended."""

from typing import Any

from synthstudio.step import from_json
from synthstudio.steps.sample.until import Until
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.words import STATES, filter_words

_LOOKED_AT = 20  # newest runs; the others are images made again
_CLASSES = 200


def newest(session: StudioSession) -> dict[str, Any] | None:
    """What the newest run has made and accepted so far; nothing where none was asked for."""
    catalog = session.studio.catalog
    for run in catalog.runs.of_kind(Until.kind, done=False, limit=_LOOKED_AT):
        step = from_json(catalog.runs.step_body(run.step_id))
        if not isinstance(step, Until) or step.only is not None:
            continue
        counts = catalog.images.passing(run.id, step.filters)
        made, passed = ({label: counts.get(label, (0, 0))[n] for label in step.labels} for n in (0, 1))
        return {
            "run": run.id,
            "state": run.state,
            "state_words": STATES.get(run.state, run.state),
            "error": run.error,
            "filters": filter_words(step.filters),
            "wanted": step.accepted,
            "budget": step.images_per_class,
            "made": sum(made.values()),
            "accepted": sum(min(count, step.accepted) for count in passed.values()),
            "classes": [
                {"id": label, "made": made[label], "passed": passed[label]} for label in step.labels[:_CLASSES]
            ],
            "more": max(0, len(step.labels) - _CLASSES),
            "all": len(step.labels),
            "said": [note["text"] for note in catalog.runs.notes(run.id) if note["level"] == "warning"],
        }
    return None
