"""The formats of a dataset, each read by the program that it is meant for."""

import csv
import hashlib
import json
import re
import typing
from io import BytesIO

import pytest
from PIL import Image, PngImagePlugin

from synthstudio import terms
from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput
from synthstudio.step import build, from_json
from synthstudio.steps.export.formats import FORMATS, webdataset
from tests.steps.kit import LABELS, coloured, stored, work_in
from tests.steps.test_export_image_folder import complete, exported, loaded

PER_SPLIT = {"train": 15, "validation": 3, "test": 12}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """One project for all: an export has a folder of its own."""
    return work_in(tmp_path_factory.mktemp("formats"))


@pytest.fixture(scope="module")
def everything(work):
    return complete(work)


def colour(image):
    """Which of the classes a picture shows."""
    pixel = image.convert("RGB").resize((1, 1)).getpixel((0, 0))
    return ("red", "green", "blue")[max(range(3), key=lambda channel: pixel[channel])]


def test_every_format_that_can_be_asked_for_is_there():
    assert typing.get_args(typing.get_args(terms.DatasetFormat)[0]) == tuple(FORMATS)


def test_a_step_of_before_there_were_formats_keeps_its_id(everything):
    step = build("export.image_folder", everything)
    assert "format" not in step.to_json() and "strip" not in step.to_json()
    other = build("export.image_folder", everything | {"format": "coco"})
    assert other.id != step.id and from_json(other.to_json()) == other


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_webdataset_reads_pictures_classes_and_how_they_were_made(work, everything, monkeypatch):
    from webdataset import WebDataset

    monkeypatch.setattr(webdataset, "SHARD_BYTES", 60_000)
    folder = exported(work, everything | {"format": "webdataset"})
    for split, count in PER_SPLIT.items():
        shards = sorted(str(file) for file in folder.glob(f"{split}-*.tar"))
        rows = list(WebDataset(shards, shardshuffle=False).decode("pil"))
        assert len(rows) == count and len({row["__key__"] for row in rows}) == count
        assert all(colour(row["png"]) == row["json"]["class"] == sorted(LABELS)[row["cls"]] for row in rows)
    assert len(list(folder.glob("train-*.tar"))) > 1
    first = list(WebDataset(str(folder / "train-000000.tar"), shardshuffle=False).decode())
    assert {row["json"].get("seed") for row in first} == {7, None}, "photos and made images are mixed, and so are"
    assert {row["json"]["class"] for row in first} == set(LABELS), "classes"


def test_datasets_reads_the_shards_from_the_folder_alone(work, everything, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    found = loaded(exported(work, everything | {"format": "webdataset"}), tmp_path / "cache")
    assert {split: len(rows) for split, rows in found.items()} == PER_SPLIT


def test_equal_exports_are_equal_shards(work, everything):
    fields = everything | {"format": "webdataset"}
    once, again = ({f.name: f.read_bytes() for f in exported(work, fields).iterdir()} for _ in range(2))
    assert once == again


def test_kohyas_rules_hold(work, everything):
    """`<repeats>_<class>` below the folder that is trained on, and a caption beside every image."""
    few = stored(work, "set", ["red"], range(40, 41))
    folder = exported(work, everything | {"format": "kohya", "real": few, "validation": None})
    assert not (folder / "test").exists(), "its scripts train on every image they find"
    seen = {}
    for inside in (folder / "img").iterdir():
        repeats, _, name = inside.name.partition("_")
        images = sorted(inside.glob("*.png"))
        seen[name] = int(repeats) * len(images)
        captions = {file.with_suffix(".txt").read_text() for file in images}
        assert captions <= {"a photo of a ü", name} and (name == "red") == (name in captions)
    assert seen == {"blue": 4, "green": 4, "red": 3}
    with pytest.raises(BadInput, match="kohya holds training images only"):
        exported(work, {"format": "kohya", "test": everything["test"]})


def test_repeats_bring_small_classes_near_the_largest(work):
    numbers = {"a": range(6), "b": range(6, 8)}
    members = [Member(label, work.workspace.put(coloured("red", n))) for label, own in numbers.items() for n in own]
    real = work.workspace.put_set(ImageSet.of("set", members))
    folder = exported(work, {"real": real, "format": "kohya"})
    assert {one.name for one in (folder / "img").iterdir()} == {"1_a", "3_b"}


@pytest.mark.parametrize("split", PER_SPLIT)
def test_pycocotools_reads_a_category_for_every_image(work, everything, split, capsys):
    from torchvision.datasets import CocoDetection

    folder = exported(work, everything | {"format": "coco"})
    found = CocoDetection(folder / split, folder / "annotations" / f"{split}.json")
    assert len(found) == PER_SPLIT[split]
    names = {one["id"]: one["name"] for one in found.coco.loadCats(found.coco.getCatIds())}
    for image, boxes in found:
        (box,) = boxes
        assert names[box["category_id"]] == colour(image) and box["bbox"] == [0, 0, *image.size]
    assert sorted(file.name for file in (folder / "annotations").iterdir()) == [
        "test.json",
        "train.json",
        "validation.json",
    ]


def test_fiftyones_rules_hold(work, everything):
    """`labels.json` has the classes and, by the path below `data/` without its ending, a label with attributes."""
    folder = exported(work, everything | {"format": "fiftyone"})
    for split, count in PER_SPLIT.items():
        body = json.loads((folder / split / "labels.json").read_text(encoding="utf-8"))
        assert len(body["labels"]) == count
        for key, label in body["labels"].items():
            with Image.open(folder / split / "data" / f"{key}.png") as image:
                assert body["classes"][label["label"]] == colour(image)
                assert label["attributes"]["width"] == image.width


def test_a_csv_names_every_file_from_where_it_lies(work, everything):
    folder = exported(work, everything | {"format": "csv"})
    with (folder / "images.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30
    for row in rows:
        with Image.open(folder / row["file_name"]) as image:
            assert colour(image) == row["class"] == sorted(LABELS)[int(row["label"])]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_a_card_and_a_croissant_that_tell_its_files(work, everything, name):
    folder = exported(work, everything | {"format": name})
    held = json.loads((folder / "croissant.json").read_text(encoding="utf-8"))
    described = {one["contentUrl"]: one["sha256"] for one in held["distribution"] if one["@type"] == "cr:FileObject"}
    rest = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()} - {
        "croissant.json",
        "README.md",
    }
    assert set(described) == {one for one in rest if not re.search(r"\.(png|txt)$", one)}
    assert all(hashlib.sha256((folder / one).read_bytes()).hexdigest() == said for one, said in described.items())
    images = next(one for one in held["distribution"] if one["@type"] == "cr:FileSet")
    within = "*.tar" if "containedIn" in images else images["includes"]
    assert len(list(folder.glob(within))) == len([one for one in rest if one.endswith((".png", ".tar"))])
    assert FORMATS[name].loaded_from("path/to/this/folder") in (folder / "README.md").read_text(encoding="utf-8")


def noted(label, number):
    """A picture with notes in it, as no sampler writes them but a listener or a later version might."""
    out, notes = BytesIO(), PngImagePlugin.PngInfo()
    notes.add_text("parameters", "a secret prompt")
    notes.add_itxt("XML:com.adobe.xmp", "a secret place")
    with Image.open(BytesIO(coloured(label, number))) as image:
        exif = image.getexif()
        exif[0x010E] = "a secret name"
        image.save(out, "PNG", pnginfo=notes, exif=exif)
    return out.getvalue()


@pytest.mark.parametrize("name", ["imagefolder", "webdataset", "csv", "coco", "fiftyone"])
def test_stripped_exports_say_what_an_image_is_and_not_how_it_was_made(work, everything, name):
    secret = work.workspace.put(noted("red", 99))
    real = work.workspace.put_set(ImageSet.of("set", [Member("red", secret)]))
    rows = [{"image": secret, "decision": "keep", "label": "", "made_as": "red", "who": "a secret person",
             "decided_at": 1.0, "why": "a secret reason"}]  # fmt: skip
    decided = work.workspace.put_document("decisions", {"as_of": 1, "rows": rows})
    folder = exported(work, everything | {"format": name, "strip": True, "real": real, "decisions": decided})
    every = b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())
    assert (
        b"secret" not in every and b"a photo of a" not in every and b"synthetic" in every and secret.encode() in every
    )
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "was left out of this export" in card and "made with pico" in card, "the terms of a model bind its images"
    if name == "imagefolder":
        with (
            Image.open(folder / f"train/red/{secret[:16]}.png") as image,
            Image.open(work.workspace.path(secret)) as before,
        ):
            assert image.tobytes() == before.tobytes() and not image.info
