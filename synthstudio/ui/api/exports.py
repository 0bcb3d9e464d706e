"""Write a finished recipe's dataset, adapter and classifier for other tools, and stream the folders as zips."""

import functools
import os
from pathlib import Path
from typing import Any

from zipstream import ZipStream

from synthstudio.catalog.runs import Run
from synthstudio.complaints import concerning
from synthstudio.errors import BadInput, Missing
from synthstudio.jobs import Studio
from synthstudio.jobs.curating import by_hand, delivery, sweep
from synthstudio.jobs.knowing.stock import title_of
from synthstudio.step import from_json
from synthstudio.steps.export.formats import FORMATS
from synthstudio.ui.api import selections
from synthstudio.ui.session.state import StudioSession

_KINDS = ("export.image_folder", "export.adapter", "export.classifier")


def overview(session: StudioSession) -> dict[str, Any]:
    """Recipes that can be exported, and what was written so far."""
    studio = session.studio
    without = (by_hand.RECIPE, sweep.RECIPE)  # they make no set to deliver
    done = [one for one in studio.catalog.pipelines.all() if one.state == "done" and one.recipe not in without]
    runs = studio.catalog.runs.of_kind(*_KINDS, done=False)
    return {
        "recipes": [
            {"id": one.id, "recipe": one.recipe, "preset": one.request["preset"], "folds": one.request["folds"],
             "data": title_of(session.studio, one.request["data"]), "finished": one.finished}
            for one in done
        ],
        "selections": selections.frozen(studio),
        "formats": [[name, one.title] for name, one in FORMATS.items()],
        "exports": [_listed(session, run) for run in runs],
    }  # fmt: skip


def begin(
    session: StudioSession, pipeline_id: str, fold: int, name: str, classifier: str, selection: str = "", **written: Any
) -> list[str]:
    """Queue the exports of a finished recipe: dataset, adapter, and the classifier of this arm; returns their runs.

    The dataset holds the frozen set `selection` (name or id), without one what is accepted now, `written` as the fields
    of its Step say.
    """
    delivery.check_name(name)
    with session.acting() as studio:
        chosen = _chosen(studio, selection.strip())
        steps = delivery.steps(studio, pipeline_id, fold, name.strip(), classifier, chosen, **written)
        return [studio.submit(step)[0] for step in steps.values()]


def _chosen(studio: Studio, selection: str) -> str | None:
    """The id of a frozen set; none for what is accepted now."""
    with concerning("selection"):
        return studio.catalog.names.find(selection, ("set",)) if selection else None


def folder_of(session: StudioSession, run_id: str) -> Path:
    """The folder an export wrote, inside the project's exports and nowhere else."""
    studio = session.studio
    run = studio.catalog.runs.get(run_id)
    outputs = studio.catalog.runs.outputs(run.id)
    if run.kind not in _KINDS or "folder" not in outputs:
        raise BadInput(f"Run {run.id} wrote no export.")
    root = studio.workspace.exports.resolve()
    folder = (studio.workspace.root / str(outputs["folder"])).resolve()
    if not folder.is_relative_to(root) or not folder.is_dir():
        raise Missing("This export is gone. Export again.")
    return folder


def zipped(folder: Path) -> ZipStream:
    """The folder as a zip, made while it is sent: nothing is written, however large it is; its length is known."""
    stream = ZipStream(sized=True)
    for path in files(folder):
        stream.add_path(path, f"{folder.name}/{path.relative_to(folder)}", recurse=False)
    return stream


def files(folder: Path) -> list[Path]:
    """Plain files below a folder, links left out."""
    found = [Path(here) / name for here, _, names in os.walk(folder, followlinks=False) for name in names]
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def _listed(session: StudioSession, run: Run) -> dict[str, Any]:
    fields = from_json(session.studio.catalog.runs.step_body(run.step_id)).fields
    found = {
        "run": run.id, "kind": run.kind, "name": fields.get("name", ""), "state": run.state, "error": run.error,
        "done": run.done, "total": run.total, "unit": run.unit, "created": run.created, "folder": None,
        "counted": None, "images": fields.get("synthetic"),
    }  # fmt: skip
    if run.state == "done":
        try:
            folder = folder_of(session, run.id)
        except (Missing, BadInput) as error:
            return found | {"error": str(error)}
        count, size = _measured(folder, run.id)
        found |= {"folder": str(folder), "files": count, "bytes": size}
        if run.kind == _KINDS[0]:
            found["loading"] = FORMATS[fields["format"]].loaded_from(str(folder))
        counts = session.studio.catalog.runs.outputs(run.id).get("counts")
        found["counted"] = {when: sum(each.values()) for when, each in counts.items()} if counts else None
    return found


@functools.lru_cache(maxsize=256)
def _measured(folder: Path, run_id: str) -> tuple[int, int]:
    """(files, bytes) of a finished export, counted once: it does not change any more."""
    inside = files(folder)
    return len(inside), sum(path.stat().st_size for path in inside)
