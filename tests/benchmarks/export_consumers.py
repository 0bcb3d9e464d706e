"""Are exports what their readers expect? Every format, read by the program it is meant for.

    python -m tests.benchmarks.export_consumers write FOLDER     # here: all formats of one small dataset
    python export_consumers.py read FOLDER                       # where the readers are; needs nothing of ours

What is not installed is said. FiftyOne asks for a MongoDB server as soon as it is imported; there was none, so its own
importer reads without the connection, which is left out before the import, and nothing is stored.
"""

import importlib.util
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path

FORMATS = ("imagefolder", "webdataset", "kohya", "coco", "fiftyone", "csv")
SPLITS = ("train", "validation", "test")


def write(folder: Path) -> None:
    """All formats of three classes, 30 images, six of them made."""
    from synthstudio.step import build
    from tests.steps.kit import outputs, work_in
    from tests.steps.test_export_image_folder import complete

    work = work_in(folder)
    fields = complete(work)
    for name in FORMATS:
        said, _ = outputs(build("export.image_folder", fields | {"format": name}), work)
        (folder / name).symlink_to(work.workspace.root / said["folder"])


def croissants(folder: Path) -> str:
    """mlcroissant: every record of every format's `croissant.json`."""
    import mlcroissant

    logging.disable(logging.WARNING)
    said = []
    for name in FORMATS:
        dataset = mlcroissant.Dataset(str(folder / name / "croissant.json"))
        counts = {one.uuid: sum(1 for _ in dataset.records(one.uuid)) for one in dataset.metadata.record_sets}
        said.append(f"{name} {len(dataset.metadata.ctx.issues.errors)} errors {counts}")
    return "; ".join(said)


def fiftyone_datasets(folder: Path) -> str:
    """FiftyOne: every image with its label and attributes."""
    sys.meta_path.insert(0, _WithoutConnection())
    import fiftyone
    from fiftyone.utils.data.importers import FiftyOneImageClassificationDatasetImporter as Importer

    said = []
    for split in SPLITS:
        with Importer(dataset_dir=str(folder / "fiftyone" / split)) as found:
            rows = list(found)
        assert all(Path(path).is_file() and Path(path).parent.name == label.label for path, _, label in rows)
        seeds = {label.get_field("seed") for _, _, label in rows if label.has_field("seed")}
        said.append(f"{split} {len(rows)} images, seeds {sorted(seeds)}")
    return f"fiftyone {fiftyone.__version__}: " + "; ".join(said)


class _WithoutConnection:
    """Finds FiftyOne's database module and replaces the one function that connects."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        if name != "fiftyone.core.odm.database":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module

        def load(module: object) -> None:
            run(module)
            module.establish_db_conn = lambda config: None

        spec.loader.exec_module = load
        return spec


def shards(folder: Path) -> str:
    """webdataset: pictures, classes and rows."""
    from webdataset import WebDataset

    counts = {}
    for split in SPLITS:
        paths = sorted(str(file) for file in (folder / "webdataset").glob(f"{split}-*.tar"))
        counts[split] = sum(1 for row in WebDataset(paths, shardshuffle=False).decode("pil") if row["png"].size)
    return json.dumps(counts)


def coco(folder: Path) -> str:
    """pycocotools: annotations and categories."""
    from pycocotools.coco import COCO

    found = {split: COCO(folder / "coco" / "annotations" / f"{split}.json") for split in SPLITS}
    return json.dumps({split: [len(one.imgs), len(one.anns), len(one.cats)] for split, one in found.items()})


READERS: dict[str, Callable[[Path], str]] = {
    "mlcroissant": croissants, "fiftyone": fiftyone_datasets, "webdataset": shards, "pycocotools": coco,
}  # fmt: skip


def main() -> None:
    """Write, or read with whatever is installed."""
    verb, folder = sys.argv[1], Path(sys.argv[2]).absolute()
    if verb == "write":
        write(folder)
        return
    for name, read in READERS.items():
        print(f"{name}: {read(folder) if importlib.util.find_spec(name) else 'not installed'}")


if __name__ == "__main__":
    main()
