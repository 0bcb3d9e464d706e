"""Bad input gets a sentence; everything else is imported."""

import json
import os
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthstudio.errors import BadInput
from synthstudio.intake.sources import register
from synthstudio.steps.collect.import_images import ImportImages
from tests.intake.nasty import Imported, bomb_png, good, photo, saved, tree, zipped
from tests.steps.kit import work_in

PETS = {"cat/1.png": good(1), "cat/2.png": good(2), "dog/1.png": good(3), "dog/2.png": good(4)}


def parquet(path, rows, names=None):
    """A table of (image, label[, split]) rows."""
    table = pa.Table.from_pylist(rows)
    if names:
        features = {"label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path, row_group_size=2)
    return path


def test_a_folder_of_classes_becomes_a_pool(tmp_path):
    found = Imported(tmp_path, tree(tmp_path / "pets", PETS))
    assert found.counts == {"cat": 2, "dog": 2} and found.outputs["labels"] == ["cat", "dog"]
    assert found.refused == {} and found.notes[-1] == "4 images in 2 classes."
    assert [image.made["name"] for image in found.made] == sorted(PETS)


def test_declared_splits_are_kept(tmp_path):
    files = {
        "train/cat/1.png": good(1),
        "val/cat/2.png": good(2),
        "testing/cat/3.png": good(3),
        "train/dog/4.png": good(4),
    }
    found = Imported(tmp_path, tree(tmp_path / "pets", files))
    assert sorted(m.given for m in found.pool) == ["test", "train", "train", "validation"]


def test_broken_files_are_named_and_the_rest_is_imported(tmp_path):
    bad = {"cat/cut.jpg": saved(photo(8, (300, 300)), "JPEG")[:2000], "cat/empty.png": b"", "dog/bomb.png": bomb_png(),
           "dog/notes.txt": b"hello", "dog/page.html": b"<script>alert(1)</script>"}  # fmt: skip
    found = Imported(tmp_path, zipped(tmp_path / "pets.zip", PETS | bad))
    assert found.counts == {"cat": 2, "dog": 2}
    assert found.refused.keys() == bad.keys()
    assert found.notes[-1] == "4 images in 2 classes; 5 refused."


def test_images_outside_a_class_folder_need_a_label(tmp_path):
    loose = tree(tmp_path / "loose", {"1.png": good(1), "2.png": good(2)})
    assert Imported(tmp_path, loose, label="cat").counts == {"cat": 2}
    mixed = tree(tmp_path / "mixed", PETS | {"stray.png": good(7)})
    assert "put it in a folder named after its class" in Imported(tmp_path / "b", mixed).refused["stray.png"]


def test_a_single_image_can_be_a_source(tmp_path):
    (tmp_path / "one.png").write_bytes(good())
    assert Imported(tmp_path, tmp_path / "one.png", label="cat").counts == {"cat": 1}


def test_nothing_usable_ends_with_what_to_give(tmp_path):
    source = tree(tmp_path / "bad", {"cat/1.png": b"", "2.png": good()})
    with pytest.raises(BadInput, match="all 2 files were refused.* one subfolder of images per class"):
        Imported(tmp_path, source)


def test_links_are_refused_and_never_followed(tmp_path):
    secret = tree(tmp_path / "secret", {"x.png": good(9)})
    pets = tree(tmp_path / "pets", PETS)
    (pets / "cat" / "link.png").symlink_to(secret / "x.png")
    (pets / "linked").symlink_to(secret)
    (pets / "cat" / "dangling.png").symlink_to(tmp_path / "nothing")
    found = Imported(tmp_path, pets)
    assert set(found.refused) == {"cat/link.png", "linked", "cat/dangling.png"}
    assert all("is a link; put the file itself here" in reason for reason in found.refused.values())


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_costs_only_itself(tmp_path):
    pets = tree(tmp_path / "pets", PETS)
    (pets / "cat" / "1.png").chmod(0)
    assert "check its permissions" in Imported(tmp_path, pets).refused["cat/1.png"]


def test_zip_tricks_are_refused_member_by_member(tmp_path):
    path = zipped(tmp_path / "pets.zip", PETS | {
        "../evil.png": good(5), "cat/../../evil.png": good(5), "/etc/evil.png": good(5), "C:/evil.png": good(5),
        "cat\\..\\..\\evil.png": good(5), "cat/more.zip": good(6), "__MACOSX/cat/._1.png": b"x", "cat/.DS_Store": b"x",
        "cat/Thumbs.db": b"x",
    })  # fmt: skip
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("cat/link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("cat/odd.png", good(7), zipfile.ZIP_LZMA)
    before = set(tmp_path.rglob("*"))
    found = Imported(tmp_path, path)
    assert found.counts == {"cat": 2, "dog": 2}
    reasons = " | ".join(f"{name} {reason}" for name, reason in found.refused.items())
    for words in ("../evil.png has ..", "/etc/evil.png has an absolute name", "C:/evil.png has an absolute name",
                  "cat/more.zip is an archive", "cat/link.png is a link", "cat/odd.png is compressed in"):  # fmt: skip
        assert words in reasons
    assert len(found.refused) == 7
    assert not [p for p in set(tmp_path.rglob("*")) - before if "evil" in p.name]


def test_an_encrypted_member_is_refused(tmp_path):
    path = zipped(tmp_path / "pets.zip", PETS)
    data = path.read_bytes()
    at = data.index(b"PK\x01\x02")
    path.write_bytes(data[: at + 8] + bytes([data[at + 8] | 1]) + data[at + 9 :])
    assert Imported(tmp_path, path).refused == {"cat/1.png": "is encrypted; zip it without a password"}


def test_a_zip_bomb_is_stopped_by_what_comes_out(tmp_path):
    path = zipped(tmp_path / "bomb.zip", PETS | {"cat/zeros.bmp": b"\0" * (8 << 20)})
    data = path.read_bytes()
    path.write_bytes(
        data.replace((8 << 20).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    )  # it lies about its size
    found = Imported(tmp_path, path)
    assert found.counts == {"cat": 2, "dog": 2} and list(found.refused) == ["cat/zeros.bmp"]


def test_a_too_compressible_member_is_refused(tmp_path):
    path = zipped(tmp_path / "bomb.zip", PETS | {"cat/zeros.bmp": b"\0" * (8 << 20)})
    assert "more than 100 times that, like a zip bomb" in Imported(tmp_path, path).refused["cat/zeros.bmp"]


def test_size_limits_are_settings(tmp_path):
    pets = tree(tmp_path / "pets", PETS | {"cat/big.png": good(9) + b"\0" * 20_000})
    assert "raise max_file_bytes" in Imported(tmp_path, pets, max_file_bytes=20_000).refused["cat/big.png"]
    most = sum(len(PETS[name]) for name in sorted(PETS)[:2])
    found = Imported(tmp_path / "b", tree(tmp_path / "c", PETS), max_total_bytes=most)
    assert found.counts == {"cat": 2} and "raise max_total_bytes" in found.refused["dog/1.png"]
    with pytest.raises(BadInput, match="holds 5 files; the limit is 3. Import it in parts, or raise max_files"):
        Imported(tmp_path / "d", pets, max_files=3)


def test_ten_thousand_entries_simply_work(tmp_path):
    tiny = [saved(photo(n, (3, 2))) for n in range(40)]
    files = {f"{n % 2}/{n}.png": tiny[n % 40] for n in range(10_000)}
    found = Imported(tmp_path, zipped(tmp_path / "many.zip", files, zipfile.ZIP_STORED))
    assert len(found.pool) == 40 and len(found.refused) == 9_960


def test_a_damaged_zip_says_so(tmp_path):
    path = zipped(tmp_path / "pets.zip", PETS, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[60:90] = b"x" * 30
    path.write_bytes(data)
    found = Imported(tmp_path, path)
    assert len(found.pool) == 3 and "zip it again" in found.refused["cat/1.png"]


def test_names_are_text(tmp_path):
    names = ["<b>x<b>", "'; drop table images;--", "🐱 cat", 'say "hi"', "...", "a\\b" if os.sep == "/" else "a"]
    found = Imported(tmp_path, tree(tmp_path / "odd", {f"{name}/{n}.png": good(n) for n, name in enumerate(names)}))
    assert set(found.counts) == set(names)


def test_a_refused_class_name_costs_only_that_class(tmp_path):
    found = Imported(tmp_path, tree(tmp_path / "pets", PETS | {f"{'x' * 200}/{n}.png": good(n) for n in (7, 8)}))
    assert found.counts == {"cat": 2, "dog": 2}
    (reason,) = found.refused.values()
    assert "shorten it to 120; none of its images were imported" in reason


def test_capitals_keep_classes_apart_and_are_said(tmp_path):
    path = zipped(tmp_path / "pets.zip", {"Cat/1.png": good(1), "cat/2.png": good(2)})
    found = Imported(tmp_path, path)
    assert found.counts == {"Cat": 1, "cat": 1}
    assert any("“Cat”, “cat”. They differ only in capitals and stay apart. Rename one" in note for note in found.notes)


def test_thin_and_empty_classes_are_said(tmp_path):
    pets = tree(tmp_path / "pets", PETS | {"cow/1.png": good(8), "fish/1.png": b""})
    (pets / "bird").mkdir()
    notes = " ".join(Imported(tmp_path, pets).notes)
    assert "Only one photo in “cow”: it can be trained on but not tested" in notes
    assert "No usable photos in “bird”, “fish”: the class is left out" in notes


def test_the_same_picture_in_two_classes_belongs_to_neither(tmp_path):
    found = Imported(tmp_path, tree(tmp_path / "pets", PETS | {"dog/copy.png": good(1)}))
    assert found.counts == {"cat": 1, "dog": 2}
    assert set(found.refused) == {"cat/1.png", "dog/copy.png"}
    assert "same picture as cat/1.png of class 'cat'; nobody can know" in found.refused["dog/copy.png"]


def test_the_same_picture_twice_counts_once_in_the_stricter_split(tmp_path):
    files = {"train/cat/1.png": good(1), "test/cat/again.png": good(1), "train/dog/2.png": good(2)}
    found = Imported(tmp_path, tree(tmp_path / "pets", files))
    assert {(m.label, m.given) for m in found.pool} == {("cat", "test"), ("dog", "train")}
    assert list(found.refused.values()) == ["is the same picture as test/cat/again.png; it is kept once in test."]


def test_parquet_in_the_forms_people_have(tmp_path):
    plain = [
        {"image": good(n), "label": "cat" if n % 2 else "dog", "split": "test" if n > 3 else None} for n in range(6)
    ]
    found = Imported(tmp_path / "a", parquet(tmp_path / "plain.parquet", plain))
    assert found.counts == {"cat": 3, "dog": 3} and sum(m.given == "test" for m in found.pool) == 2
    hub = [{"image": {"bytes": good(n), "path": f"{n}.jpg"}, "label": n % 2} for n in range(4)]
    found = Imported(tmp_path / "b", parquet(tmp_path / "hub.parquet", hub, names=["a/b", "dog", "nobody"]))
    assert found.counts == {"a/b": 2, "dog": 2} and found.made[0].made["name"] == "0.jpg (row 1)"
    assert any("“nobody”" in note for note in found.notes)


def test_bad_rows_of_a_parquet_are_refused_one_by_one(tmp_path):
    rows = [{"image": good(1), "label": "cat", "split": "train"}, {"image": None, "label": "cat", "split": "train"},
            {"image": good(2), "label": None, "split": "train"}, {"image": good(3), "label": "cat", "split": "later"},
            {"image": good(4), "label": "  ", "split": "train"}]  # fmt: skip
    found = Imported(tmp_path, parquet(tmp_path / "rows.parquet", rows))
    reasons = " ".join(found.refused.values())
    assert found.counts == {"cat": 1}
    for words in ("embed the files", "no usable label", "use train, validation or test", "class name is empty"):
        assert words in reasons


def test_a_parquet_without_the_columns_names_both(tmp_path):
    path = parquet(tmp_path / "x.parquet", [{"img": good(1), "class": 3}])
    with pytest.raises(
        BadInput, match="no column image and no column label. Needed: image .* found: img, class. Rename"
    ):
        Imported(tmp_path, path)


def test_a_damaged_parquet_says_so(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1" + b"x" * 100)
    with pytest.raises(BadInput, match="damaged parquet file .* Write it again"):
        Imported(tmp_path, tmp_path / "x.parquet")


def test_a_resumed_import_decodes_only_what_is_missing(tmp_path):
    work = work_in(tmp_path)
    step = ImportImages(source=register(str(tree(tmp_path / "pets", PETS)), work.workspace))
    whole = [e for e in step.run(work) if e.event in ("made", "output")]
    work.done = {e.index: e.image for e in whole if e.event == "made" and e.index < 3}
    work.workspace.path(work.done[1].digest).unlink()
    again = [e for e in step.run(work) if e.event in ("made", "output")]
    assert [e.index for e in again if e.event == "made"] == [1, 3]
    assert [e for e in again if e.event == "output"] == [e for e in whole if e.event == "output"]


def test_an_animation_is_imported_with_a_remark(tmp_path):
    data = saved(photo(1), "GIF", save_all=True, append_images=[photo(2)])
    found = Imported(tmp_path, tree(tmp_path / "pets", PETS | {"cat/moving.gif": data}))
    assert found.counts["cat"] == 3 and "cat/moving.gif has several frames; only the first is used." in found.notes


def test_digits_are_imported_whole(tmp_path):
    work = work_in(tmp_path)
    step = ImportImages(source="source:digits")
    events = []
    for event in step.run(work):
        events.append(event)
        if len(events) == 40:
            break
    made = [e.image for e in events if e.event == "made"]
    assert {(image.width, image.height) for image in made} == {(64, 64)} and {i.label for i in made} == set(
        "0123456789"
    )


def test_a_table_that_unpacks_to_very_much_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"image": pa.array([bytes(8 << 20)] * 16), "label": ["a"] * 16}), path, compression="zstd")
    assert path.stat().st_size < 5000
    with pytest.raises(BadInput, match="like a zip bomb"):
        Imported(tmp_path, path)


def test_rows_that_name_one_large_value_are_given_out_one_by_one_and_within_the_limit(tmp_path):
    large = os.urandom(1 << 20)
    rows = [{"image": data, "label": "a"} for data in (large, large, good(1), large)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    found = Imported(tmp_path, tmp_path / "rows.parquet", max_file_bytes=1 << 19)
    assert found.counts == {"a": 1}
    assert [reason for reason in found.refused.values() if "is larger than" in reason] != []
    assert len(found.refused) == 3


@pytest.mark.parametrize("column", ["image", "label"])
def test_a_column_of_lists_is_refused(tmp_path, column):
    rows = [{"image": good(1), "label": "a"} | {column: [None] * 5}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    with pytest.raises(BadInput, match=f"The column {column} .* holds list"):
        Imported(tmp_path, tmp_path / "rows.parquet")


def test_class_names_nested_without_end_are_no_class_names(tmp_path):
    table = pa.Table.from_pylist([{"image": good(1), "label": 0}])
    deep = b"[" * 100_000
    pq.write_table(table.replace_schema_metadata({"huggingface": deep}), tmp_path / "deep.parquet")
    assert Imported(tmp_path, tmp_path / "deep.parquet").counts == {"0": 1}
