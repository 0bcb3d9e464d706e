"""An export that was looked through with other programs and is read again: moved and deleted files are decisions."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from synthstudio.errors import BadInput
from synthstudio.intake import exported
from synthstudio.intake.decisions import Decided, problem

_TEST = "test"  # nobody decides about test photos
_TABLES = ("*/metadata.parquet", "images.csv")
_COLUMNS = ["file_name", "label", "split", "id", "review_status"]


def read(folder: Path) -> list[Decided]:
    """A decision for every image that the export held: kept where it still lies, moved to the class of the folder in
    which it lies now, rejected where it is gone. BadInput names what fits no image, and then nothing is taken in.
    """
    classes = _classes(folder)
    rows = {str(row["id"]): row for row in _rows(folder) if row["split"] != _TEST}
    held = {image[:16]: image for image in rows}
    here = _lying(folder)
    strangers = [name for name in here if name not in held]
    twice = [name for name, places in here.items() if len(places) > 1]
    said = [problem(len(strangers), "not of this export", strangers)] if strangers else []
    said += [problem(len(twice), "in more than one class", twice)] if twice else []
    if said:
        raise BadInput(f"{folder.name} was not taken in, nothing is changed. {' '.join(said)} Take them out.")
    return [_decided(rows[image], classes, *here.get(name, ())) for name, image in held.items()]


def _decided(row: Mapping[str, Any], classes: Mapping[str, str], lies: str = "") -> Decided:
    """What became of one image; what had been moved by hand before and was not moved again stays moved."""
    was = str(row["file_name"]).split("/")[-2]
    if not lies:
        return Decided(row["id"], "reject")
    if lies != was or row["review_status"] == "relabelled":
        return Decided(row["id"], "relabel", classes.get(lies, lies))
    return Decided(row["id"], "keep")


def _lying(folder: Path) -> dict[str, list[str]]:
    """The class folders in which each image lies, by its name without an ending."""
    found: dict[str, list[str]] = defaultdict(list)
    for split in ("train", "validation"):
        for file in sorted((folder / split).glob("*/*.png")):
            found[file.stem].append(file.parent.name)
    return found


def _classes(folder: Path) -> dict[str, str]:
    file = folder / exported.FILE
    classes = exported.class_folders(file.read_bytes()) if file.is_file() else {}
    if not classes:
        raise BadInput(f"{folder} is no dataset that was exported here. Name one, or a CSV or JSON file.")
    return classes


def _rows(folder: Path) -> Iterator[Mapping[str, Any]]:
    tables = [file for pattern in _TABLES for file in sorted(folder.glob(pattern))]
    if not tables:
        raise BadInput(f"{folder} has no table of its images. Export it as imagefolder or csv to look it through.")
    for table in tables:
        yield from _of_csv(table) if table.suffix == ".csv" else _of_parquet(table)


def _of_csv(table: Path) -> Iterable[Mapping[str, Any]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _of_parquet(table: Path) -> Iterable[Mapping[str, Any]]:
    import pyarrow.parquet as pq

    return pq.read_table(table, columns=_COLUMNS, partitioning=None).to_pylist()
