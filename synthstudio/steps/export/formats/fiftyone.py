"""FiftyOne's `FiftyOneImageClassificationDataset`: a folder per split with `data/` and `labels.json`."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from synthstudio.steps.export.formats.stream import Classes, Growing, Item, as_json, per_split


def lay_out(folder: Path, classes: Classes, items: Iterable[Item]) -> Iterator[Item]:
    """The label of an image carries as attributes how it was made."""
    begin = f'{{"classes": {as_json(classes.names)},\n"labels": {{'
    with per_split(lambda split: Growing(folder / split / "labels.json", begin, "}}\n")) as labels_of:
        for item in items:
            item.write(folder / item.split / "data" / item.name)
            about = {name: value for name, value in item.known.items() if name not in ("file_name", "label", "id")}
            label = {"label": item.row["label"], "attributes": {**about, "sha256": item.row["id"]}}
            labels_of(item.split).add(f"{as_json(item.key)}: {as_json(label)}")
            yield item
