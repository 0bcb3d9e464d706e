"""A dataset on disk that other tools read as we meant it."""

import json
import os

import pytest
from PIL import Image

from synthstudio import artifacts
from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput, Leak
from synthstudio.step import build
from synthstudio.steps.export.image_folder import ExportImageFolder, class_folders
from tests.steps.kit import coloured, outputs, stored

LABELS = ("red", "green", "blue")
NASTY = ("a/b", "test", 'say "hi"', "<b>🐱</b>", "Cat", "cat", "...")


@pytest.fixture
def everything(work):
    return complete(work)


def complete(work):
    """A complete request: two synthetic images per class, and their provenance in a run's log."""
    fields = {
        "real": stored(work, "set", LABELS, range(3)),
        "synthetic": stored(work, "set", LABELS, range(10, 12)),
        "validation": stored(work, "set", LABELS, range(20, 21)),
        "test": stored(work, "test", LABELS, range(30, 34)),
        "name": "Colours!",
    }
    write_log(work, [m for m in work.workspace.image_set(fields["synthetic"])])
    return fields


def write_log(work, members):
    made = {"prompt": "a photo of a ü", "seed": 7, "guidance_scale": 2.0, "inference_steps": 20, "sampler": "dpm++",
            "backbone": f"pico@{'a' * 64}", "adapter": None, "strength": 0.6, "parent": "b" * 64}  # fmt: skip
    lines = [{"t": 1.0, "event": "started", "attempt": 1, "pid": 1, "environment": {"torch": "2.0"}}]
    for index, m in enumerate(members):
        image = artifacts.Image(m.image, m.label, "synthetic", 48, 48, made)
        lines.append({"t": 1.8e9, "event": "made", "index": index, "image": vars(image)})
    folder = work.workspace.runs / "r1"
    folder.mkdir(parents=True)
    text = "\n".join(json.dumps(line) for line in lines)
    (folder / "events.jsonl").write_text(text + '\n{"t": 2, "event": "made", "ima')


def exported(work, fields):
    said, _ = outputs(build("export.image_folder", fields), work)
    return work.workspace.root / said["folder"]


def loaded(folder, cache):
    import datasets

    datasets.disable_progress_bars()
    return datasets.load_dataset(str(folder), cache_dir=str(cache))


def test_datasets_reads_labels_and_splits(work, everything, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    found = loaded(exported(work, everything), tmp_path / "cache")
    assert {split: len(rows) for split, rows in found.items()} == {"train": 15, "validation": 3, "test": 12}
    names = found["train"].features["label"].names
    colours = {
        names[row["label"]]: row["image"].convert("RGB").resize((1, 1)).getpixel((0, 0)) for row in found["test"]
    }
    assert all(max(range(3), key=lambda c: colours[n][c]) == ["red", "green", "blue"].index(n) for n in LABELS)
    assert found["train"].features == found["test"].features


def test_torchvision_numbers_the_classes_as_the_table_does(work, everything):
    import pyarrow.parquet as pq
    from torchvision.datasets import ImageFolder

    folder = exported(work, everything)
    for split in ("train", "validation", "test"):
        shown = {os.path.relpath(path, folder / split): label for path, label in ImageFolder(folder / split).samples}
        rows = pq.read_table(folder / split / "metadata.parquet").to_pylist()
        assert shown == {row["file_name"]: row["label"] for row in rows}


def test_every_split_has_the_same_columns(work, everything):
    import pyarrow.parquet as pq

    folder = exported(work, everything)
    schemas = [pq.read_schema(folder / split / "metadata.parquet") for split in ("train", "validation", "test")]
    assert schemas[0].equals(schemas[1], check_metadata=True) and schemas[0].equals(schemas[2], check_metadata=True)


def test_a_synthetic_image_knows_how_it_was_made(work, everything):
    import pyarrow.parquet as pq

    rows = pq.read_table(exported(work, everything) / "train" / "metadata.parquet").to_pylist()
    synthetic = [row for row in rows if row["source"] == "synthetic"]
    assert len(synthetic) == 6
    assert {(r["prompt"], r["seed"], r["t0"], r["parent_id"]) for r in synthetic} == {
        ("a photo of a ü", 7, 0.6, "b" * 64)
    }
    assert synthetic[0]["generator"].endswith("torch 2.0") and synthetic[0]["created_utc"].startswith("2027")


def test_marks_are_in_synthetic_files_only_and_change_no_pixel(work, everything):
    folder = exported(work, everything)
    marked = []
    for file in (folder / "train").rglob("*.png"):
        with Image.open(file) as image:
            image.load()
            if "parameters" in image.info:
                marked.append((file, image.info, image.tobytes()))
    assert len(marked) == 6
    file, info, pixels = marked[0]
    assert info["parameters"].startswith("a photo of a ü\nSteps: 20, Sampler: dpm++, CFG scale: 2.0, Seed: 7")
    assert "compositeWithTrainedAlgorithmicMedia" in info["XML:com.adobe.xmp"]
    origin = json.loads(info["synthstudio"])["id"]
    with Image.open(work.workspace.path(origin)) as original:
        assert original.tobytes() == pixels


def test_marks_can_be_left_off(work, everything):
    folder = exported(work, everything | {"marks": False})
    assert all(b"parameters" not in file.read_bytes() for file in (folder / "train").rglob("*.png"))


def test_names_are_text_and_never_paths(work, tmp_path):
    members = [Member(label, work.workspace.put(coloured("red", n))) for n, label in enumerate(NASTY)]
    real = work.workspace.put_set(ImageSet.of("set", members))
    folder = exported(work, {"real": real, "name": "../<script>"})
    assert folder.parent == work.workspace.exports
    assert len(list((folder / "train").iterdir())) == len(NASTY) + 1
    found = loaded(folder, tmp_path / "cache")
    assert list(found) == ["train"] and sorted(found["train"].features["label"].names) == sorted(NASTY)
    assert "<script>" not in (folder / "README.md").read_text().split("---")[2]


def test_folders_stay_apart_where_capitals_do_not_count():
    folders = class_folders({"Cat", "cat", "CAT", "test", "test drive"})
    assert len({folder.lower() for folder in folders.values()}) == 5
    assert not any("test" in folder for folder in folders.values())


def test_the_card_has_the_numbers_and_says_what_not_to_claim(work, everything):
    report = {
        "folds": [{"fold": 0, "test_images": 12}], "mean": {"zero_shot": 0.5, "real_only": None},
        "interval95": {"zero_shot": [0.25, 0.75]}, "interval_over": "test images (Wilson)", "sentence": "No evidence.",
    }  # fmt: skip
    card = (
        exported(work, everything | {"report": work.workspace.put_document("report", report)}) / "README.md"
    ).read_text()
    assert "| no training (zero-shot) | 0.500 | 0.250 to 0.750 |" in card
    assert "12 test images over 1 fold" in card and "No evidence." in card and "## Do not claim" in card
    assert "| 0 | blue | blue | 3 | 2 | 1 | 4 |" in card and "pico" in card


def test_measures_of_other_images_are_not_written_on_the_card(work, everything):
    measures = work.workspace.put_document("report", {"images": everything["real"], "all": {}, "n": [9, 9]})
    with pytest.raises(BadInput, match="of another set. Measure the set that is exported"):
        exported(work, everything | {"measures": measures})
    assert list(work.workspace.exports.iterdir()) == []


def test_a_test_image_in_training_stops_the_export(work):
    test = stored(work, "test", LABELS, range(2))
    real = stored(work, "set", LABELS, range(1, 3))
    with pytest.raises(Leak, match="3 test images also stand in train"):
        exported(work, {"real": real, "test": test})
    assert list(work.workspace.exports.iterdir()) == []


def test_a_test_set_fits_no_other_field(work):
    test = stored(work, "test", LABELS, range(1))
    for field in ("real", "synthetic", "validation"):
        with pytest.raises(BadInput, match=field):
            build("export.image_folder", {field: test})


def test_a_broken_export_leaves_nothing_and_a_second_one_replaces_the_first(work, everything):
    step = ExportImageFolder(**everything)
    running = step.run(work)
    next(running)
    running.close()
    assert list(work.workspace.exports.iterdir()) == []
    assert exported(work, everything) == exported(work, everything)
    assert len(list(work.workspace.exports.iterdir())) == 1


def test_nothing_to_export_is_said():
    with pytest.raises(BadInput, match="at least one set"):
        build("export.image_folder", {"name": "empty"})
