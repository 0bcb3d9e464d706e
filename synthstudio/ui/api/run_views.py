"""What the page says of runs: the list, one run in full, and how to ask for the same without a browser."""

import contextlib
import json
import shlex
from collections.abc import Sequence
from typing import Any

from synthstudio.catalog.runs import ACTIVE, Run
from synthstudio.errors import StorageFull
from synthstudio.jobs import Studio
from synthstudio.jobs.keeping.wholeness import strings
from synthstudio.jobs.running.log import EventLog
from synthstudio.step import Step, from_json, step_title
from synthstudio.ui import words
from synthstudio.ui.api import previews, steering
from synthstudio.ui.session.state import StudioSession

_NEWEST = 24
_CURVED = ("adapt.", "distil.experts", "distil.match")  # what says its loss while it works


def listed(session: StudioSession, run: Run, name: tuple[str, bool] | None = None) -> dict[str, Any]:
    """One row of the list. `name`: the run's name, if it has one by now, and whether a person gave it."""
    name = name or session.studio.catalog.names.of_all([run.id]).get(run.id, ("", False))
    rate = session.rates.per_second(run.id) if run.state in ACTIVE else None
    return {
        "run": run.id, "name": name[0], "named": name[1], "kind": run.kind,
        "curved": "loss" in run.measures or (run.done > 0 and run.kind.startswith(_CURVED)),
        "kind_words": step_title(run.kind), "state": run.state,
        "state_words": words.STATES[run.state], "done": run.done, "total": run.total, "unit": run.unit,
        "rate": rate, "left": (run.total - run.done) / rate if rate and run.total else None,
        "measures": run.measures, "seconds": run.seconds, "memory_mb": run.peak_memory_mb, "created": run.created,
        "finished": run.finished, "error": run.error, "device": run.device, "attempt": run.attempt,
    }  # fmt: skip


def every(session: StudioSession, limit: int) -> list[dict[str, Any]]:
    """The newest runs; those that wait carry their place in the queue."""
    with contextlib.suppress(StorageFull):  # on a full disk the list is more useful than names for what is new in it
        session.studio.catalog.names.take_in()
    found = session.studio.catalog.runs.all(limit)
    names = session.studio.catalog.names.of_all([run.id for run in found])
    runs = [listed(session, run, names.get(run.id, ("", False))) for run in found]
    waiting = [run.id for run in session.studio.catalog.runs.in_state("queued")]
    for row in runs:
        row["place"] = waiting.index(row["run"]) + 1 if row["run"] in waiting else None
    return runs


def detail(session: StudioSession, run_id: str) -> dict[str, Any]:
    """Everything about one run."""
    studio = session.studio
    run = studio.catalog.runs.get(run_id)
    step = from_json(studio.catalog.runs.step_body(run.step_id))
    count = studio.catalog.images.count(run.id)
    return {
        **listed(session, run),
        "step_id": run.step_id,
        "fields": words.exact(step.fields),
        "environment": run.environment,
        "outputs": {name: _short(value) for name, value in studio.catalog.runs.outputs(run.id).items()},
        "notes": studio.catalog.runs.notes(run.id),
        "refused": studio.catalog.runs.refused(run.id)[:200],
        "images": _images(session, run),
        "image_count": count,
        "curves": session.curves.of(run.id, EventLog(studio.workspace.run_folder(run.id))),
        "command": command_line(session, step),
        "python": python_code(session, step),
        "reusable": run.kind in ("adapt.lora", "sample.text", "sample.variation", "sample.until"),
        "previews": previews.of(studio, run.id) if run.kind.startswith("adapt.") else [],
        "samples": _samples(session, run),
        "damage": _damage(session, run),
    }  # fmt: skip


def curves(session: StudioSession, run_ids: Sequence[str]) -> list[dict[str, Any]]:
    """The curves of some runs, to be drawn over each other."""
    studio = session.studio
    runs = [studio.catalog.runs.get(run_id) for run_id in dict.fromkeys(run_ids)]
    names = studio.catalog.names.of_all([run.id for run in runs])
    return [
        {"run": run.id, "name": names.get(run.id, ("",))[0], "kind_words": step_title(run.kind), "unit": run.unit,
         "total": run.total, "curves": session.curves.of(run.id, EventLog(studio.workspace.run_folder(run.id)))}
        for run in runs
    ]  # fmt: skip


def _damage(session: StudioSession, run: Run) -> str:
    """That something a finished run made is not there any more; looked up now and then, not at every question."""
    if run.state != "done":
        return ""
    studio = session.studio
    absent = studio.wholeness.glance(run.id, studio.catalog.runs.outputs(run.id))
    if absent and _thrown_away(session, run):
        return "Thrown away to free space; its log and its numbers are here. Make it again when you need it."
    files = "1 file" if absent == 1 else f"{absent} files"
    return f"{files} of this result missing or damaged. Make it again: what is still here is kept." if absent else ""


def _thrown_away(session: StudioSession, run: Run) -> bool:
    marks = session.studio.catalog.freed.all()
    return run.id in marks or any(value in marks for value in strings(session.studio.catalog.runs.outputs(run.id)))


def _samples(session: StudioSession, run: Run) -> dict[str, Any] | None:
    """What "sample now" made of a finished adapter, or is making; none if nobody asked."""
    studio = session.studio
    if not run.kind.startswith("adapt.") or run.state != "done":
        return None
    found = studio.catalog.runs.of_step(steering.sample_step(studio, run.id).id)
    if not found:
        return None
    return {"run": found[0].id, "state": found[0].state, "error": found[0].error,
            "images": _images(session, found[0])}  # fmt: skip


def _images(session: StudioSession, run: Run) -> list[dict[str, Any]]:
    """The newest images of a run, every class in turn."""
    return newest(session.studio, run.id, _NEWEST)


def newest(studio: Studio, run_id: str, limit: int) -> list[dict[str, Any]]:
    """The newest images of a run as tiles, every class in turn."""
    return [
        {"digest": one["digest"], "label": one["label"], "prompt": one["made"].get("prompt", "")}
        for one in studio.catalog.images.newest_of_each(run_id, limit)
        if studio.workspace.has(one["digest"])  # what was thrown away cannot be shown
    ]


def command_line(session: StudioSession, step: Step) -> str:
    """The same run from a terminal; only what differs from the defaults is written out."""
    words_of = ["python", "-m", "synthstudio", "step", step.kind]
    for name, value in _chosen(step).items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        words_of += [f"--{name.replace('_', '-')}", text]
    words_of += ["--home", str(session.home)]
    if session.project != "default":
        words_of += ["--project", session.project]
    return " ".join(shlex.quote(word) for word in words_of)


def python_code(session: StudioSession, step: Step) -> str:
    """The same run from Python."""
    fields = "\n".join(f"    {name!r}: {value!r}," for name, value in _chosen(step).items())
    return (
        "from pathlib import Path\n\nfrom synthstudio.jobs import Studio\nfrom synthstudio.step import build\n"
        "import synthstudio.steps\n\n"
        f"step = build({step.kind!r}, {{\n{fields}\n}})\n"
        f"with Studio(Path({str(session.home)!r}), {session.project!r}) as studio:\n"
        "    run, reused = studio.submit(step)\n    studio.wait(run)\n    print(studio.catalog.runs.outputs(run))\n"
    )


def _chosen(step: Step) -> dict[str, Any]:
    fields = type(step).model_fields
    kept = step.model_dump(mode="json", exclude_defaults=True)
    return {name: value for name, value in step.fields.items() if name in kept or fields[name].is_required()}


def _short(value: Any) -> Any:
    """Long lists and dictionaries are cut: the page shows that they are there, the catalog keeps them."""
    text = json.dumps(value, ensure_ascii=False)
    return value if len(text) <= 2000 else text[:2000] + "…"
