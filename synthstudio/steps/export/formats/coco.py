"""COCO's JSON. It knows no class of a whole image, so every image has one box, which is the image."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from synthstudio.steps.export.formats.stream import Classes, Growing, Item, as_json, per_split

FOLDER = "annotations"


def lay_out(folder: Path, classes: Classes, items: Iterable[Item]) -> Iterator[Item]:
    """`annotations/train.json` with the images below `train/`; categories count from 1, as COCO's do."""
    with per_split(lambda split: _Split(folder / FOLDER / f"{split}.json", classes)) as split_of:
        for number, item in enumerate(items, start=1):
            item.write(folder / item.split / item.name)
            split_of(item.split).add(number, item)
            yield item


class _Split:
    """The two lists of a split grow side by side and are joined at the end."""

    def __init__(self, file: Path, classes: Classes) -> None:
        categories = [
            {"id": number, "name": name, "supercategory": ""} for number, name in enumerate(classes.names, start=1)
        ]
        self._file, self._aside = file, file.with_suffix(".part")
        self._images = Growing(file, f'{{"categories": {as_json(categories)},\n"images": [', "],\n")
        self._boxes = Growing(self._aside, '"annotations": [', "]}\n")

    def add(self, number: int, item: Item) -> None:
        """One image and its box."""
        wide, high = item.row["width"], item.row["height"]
        self._images.add(as_json({**item.known, "sha256": item.row["id"], "id": number}))
        box = {"bbox": [0, 0, wide, high], "area": wide * high, "iscrowd": 0}
        self._boxes.add(as_json({"id": number, "image_id": number, "category_id": item.row["label"] + 1, **box}))

    def close(self) -> None:
        """Put the second list behind the first."""
        self._images.close()
        self._boxes.close()
        with self._file.open("ab") as out, self._aside.open("rb") as rest:
            shutil.copyfileobj(rest, out)
        self._aside.unlink()
