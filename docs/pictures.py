"""Make the pictures of the page Concepts with the bundled model: `python docs/pictures.py`, about a minute on a laptop.

Each row keeps its seed and changes one number, so what differs between two pictures is that number alone.
"""

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import synthstudio
from synthstudio.models import reference
from synthstudio.notebook import Project
from synthstudio.step import build

FOLDER = Path(__file__).parent / "pictures"
LABELS = ("3", "5", "8")
STRENGTHS = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
GUIDANCE = (1.0, 2.0, 4.0, 7.0, 12.0, 20.0)
_SIDE, _GAP, _HEAD = 96, 6, 20


def main() -> None:
    """Sample, and write `t0.webp` and `guidance.webp`."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home, synthstudio.open(home, progress=False) as project:
        backbone = reference("pico", "backbone", project.workspace)
        photos = _photos(project)
        common = {"backbone": backbone, "labels": LABELS, "images_per_class": 1, "inference_steps": 30, "seed": 7}
        near = {**common, "sources": photos, "guidance_scale": 4}
        varied = [_sampled(project, "sample.variation", {**near, "strength": one}) for one in STRENGTHS]
        _write("t0", ["photo", *(f"t0 {s:g}" for s in STRENGTHS)], [_of_set(project, photos), *varied])
        drawn = [_sampled(project, "sample.text", {**common, "guidance_scale": g}) for g in GUIDANCE]
        _write("guidance", [f"{g:g}" for g in GUIDANCE], drawn)


def _photos(project: Project) -> str:
    """One photo of each class of the bundled digits, as a set that may be learned from."""
    pool = _made(project, "collect.import_images", {"source": "source:digits"})["images"]
    split = _made(project, "collect.split", {"images": pool, "shots": 1, "validation_per_class": 0})
    return str(split["shots"])


def _made(project: Project, kind: str, fields: dict[str, object]) -> dict[str, object]:
    return project.outputs(project.submit(build(kind, fields)))


def _sampled(project: Project, kind: str, fields: dict[str, object]) -> dict[str, bytes]:
    return _of_set(project, str(_made(project, kind, fields)["images"]))


def _of_set(project: Project, images: str) -> dict[str, bytes]:
    """PNG files by class."""
    found = project.workspace.image_set(images)
    return {one.label: project.workspace.get(one.image) for one in found if one.label in LABELS}


def _write(name: str, heads: Sequence[str], columns: Sequence[dict[str, bytes]]) -> None:
    """A row for each class, a column for each value."""
    step = _SIDE + _GAP
    sheet = Image.new("RGB", (step * len(columns) - _GAP, _HEAD + step * len(LABELS) - _GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for x, (head, column) in enumerate(zip(heads, columns, strict=True)):
        pen.text((x * step + _SIDE / 2, _HEAD / 2), head, fill="black", font=font, anchor="mm")
        for y, label in enumerate(LABELS):
            picture = (
                Image.open(io.BytesIO(column[label])).convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
            )
            sheet.paste(picture, (x * step, _HEAD + y * step))
    sheet.save(FOLDER / f"{name}.webp", quality=85, method=6)


if __name__ == "__main__":
    main()
