"""The pictures an adaptation draws of itself: which there are, one of them, and asking for some now."""

import re
from pathlib import Path
from typing import Any

from synthstudio.artifacts import digest_of
from synthstudio.errors import Missing
from synthstudio.jobs import Studio
from synthstudio.steps.adapt.previews import ASKED, FOLDER, rows_in
from synthstudio.workspace import Workspace, storage_errors

_NAME = re.compile(r"[0-9]{8}-[0-9]\.png")


def of(studio: Studio, run_id: str) -> list[dict[str, Any]]:
    """Rows of pictures by training step, the newest first; each picture with its address below that of the project."""
    rows = []
    for row in reversed(rows_in(_folder(studio.workspace, run_id))):
        images = row["images"]
        assert isinstance(images, list)
        shown = [
            {"src": f"/runs/{run_id}/previews/{one['file']}", "label": one["label"], "prompt": one["prompt"],
             "seed": str(one["seed"])}
            for one in images
        ]  # fmt: skip
        rows.append({"step": row["step"], "images": shown})
    return rows


def picture(studio: Studio, run_id: str, name: str) -> tuple[bytes, str]:
    """(bytes, digest) of one of them. The name is one of ours, and neither it nor its folder may be a link."""
    folder = _folder(studio.workspace, studio.catalog.runs.get(run_id).id)
    path = folder / name
    here = _NAME.fullmatch(name) and path.is_file() and path.resolve() == studio.workspace.root.resolve() / (
        path.relative_to(studio.workspace.root)
    )  # fmt: skip
    if not here:
        raise Missing("There is no such picture.")
    data = path.read_bytes()
    return data, digest_of(data)


def ask(workspace: Workspace, run_id: str) -> None:
    """Ask the worker of a run for a row of pictures; it looks after every training step."""
    folder = _folder(workspace, run_id)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ASKED).touch()


def _folder(workspace: Workspace, run_id: str) -> Path:
    return workspace.run_folder(run_id) / "scratch" / FOLDER
