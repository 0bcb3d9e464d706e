"""CSV: the images in folders, and one table of all of them, for pandas, spreadsheets and all that read nothing else."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from synthstudio.steps.export.formats.stream import Classes, Item
from synthstudio.steps.export.metadata import COLUMNS

TABLE = "images.csv"


def lay_out(folder: Path, classes: Classes, items: Iterable[Item]) -> Iterator[Item]:
    """`images.csv` names every file from where it lies; `class` says what `label` numbers. Empty cells are unknown."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / TABLE).open("w", newline="", encoding="utf-8") as out:
        rows = csv.DictWriter(out, ["file_name", "class", *(name for name in COLUMNS if name != "file_name")])
        rows.writeheader()
        for item in items:
            place = f"{item.split}/{item.name}"
            item.write(folder / place)
            rows.writerow({**item.row, "file_name": place, "class": item.label})
            yield item
