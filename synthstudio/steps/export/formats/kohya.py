"""The folder that kohya's scripts train on: `img/<repeats>_<class>/`, and a caption beside every image."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from synthstudio.steps.export.formats.stream import Classes, Item

FOLDER = "img"


def lay_out(folder: Path, classes: Classes, items: Iterable[Item]) -> Iterator[Item]:
    """A class is repeated as often as brings it near the largest one. The caption is the prompt an image was made with;
    of a photo it is the class.
    """
    largest = max(classes.trained.values(), default=1)
    for item in items:
        repeats = round(largest / classes.trained[item.label])
        file = folder / FOLDER / f"{repeats}_{item.name}"
        item.write(file)
        file.with_suffix(".txt").write_text(_caption(item), encoding="utf-8")
        yield item


def _caption(item: Item) -> str:
    return str(item.row["prompt"] or item.label)
