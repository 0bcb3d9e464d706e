"""What is exported comes back as it was."""

import shutil

import pytest

from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput
from synthstudio.intake import reviewed
from synthstudio.intake.decode import decode
from synthstudio.intake.entries import Entry
from synthstudio.intake.sources import open_source, register
from tests.steps.kit import coloured, work_in
from tests.steps.test_export_image_folder import exported

NAMES = ("Golden Retriever", "test", "kat/ze", "a b")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return work_in(tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="module")
def fields(work):
    """Two images of each class to train, one to test."""

    def held(role, numbers):
        members = [Member(name, work.workspace.put(decode(coloured("red", 10 * n + place)).png))
                   for place, name in enumerate(NAMES) for n in numbers]  # fmt: skip
        return work.workspace.put_set(ImageSet.of(role, members))

    return {"real": held("set", (1, 2)), "test": held("test", (3,))}


@pytest.mark.parametrize("form", ["imagefolder", "csv", "coco", "fiftyone", "kohya"])
def test_an_import_of_an_export_gives_the_same_images_with_their_classes_and_splits(work, fields, form):
    folder = exported(work, fields | {"format": form})
    (folder / "loras" / "adapter").mkdir(parents=True)
    source = open_source(register(str(folder), work.workspace), work.workspace)
    entries = list(source)
    assert all(isinstance(entry, Entry) for entry in entries), "tables and cards are no images that were refused"
    found = {(entry.label, entry.given, work.workspace.put(decode(entry.read()).png)) for entry in entries}
    splits = (("real", "train"), ("test", "test")) if form != "kohya" else (("real", ""),)
    assert found == {
        (m.label, given, m.image) for name, given in splits for m in work.workspace.image_set(fields[name])
    }
    assert source.declared == tuple(sorted(NAMES))


def test_an_export_that_lies_in_a_zip_comes_back_too(work, fields, tmp_path):
    folder = exported(work, fields)
    archive = shutil.make_archive(str(tmp_path / "mine"), "zip", folder.parent, folder.name)
    source = open_source(register(archive, work.workspace), work.workspace)
    assert {(entry.label, entry.given) for entry in source} == {(n, s) for n in NAMES for s in ("train", "test")}
    source.close()


STRANGE = [
    "", "[]", "[" * 9999, '{"recordSet": 1}', '{"recordSet": [{"@id": "labels", "data": [{}]}]}',
    '{"recordSet": [{"@id": "labels", "data": [{"labels/folder": [], "labels/name": 1}]}]}',
]  # fmt: skip


@pytest.mark.parametrize("said", STRANGE)
def test_a_croissant_that_says_something_else_changes_nothing(work, fields, said):
    folder = exported(work, fields | {"name": "damaged"})
    (folder / "croissant.json").write_text(said)
    source = open_source(register(str(folder), work.workspace), work.workspace)
    assert {entry.given for entry in source if isinstance(entry, Entry)} == {"train", "test"}


@pytest.fixture(params=["imagefolder", "csv"])
def looked_through(request, work, fields):
    """One image of a class moved to another, one deleted, one put into a class of its own."""
    folder = exported(work, fields | {"format": request.param, "name": "looked through"})
    by_label = work.workspace.image_set(fields["real"]).by_label()
    where = {m.image: next(folder.glob(f"train/*/{m.image[:16]}.png")) for own in by_label.values() for m in own}
    moved, gone, fresh = (by_label[name][0].image for name in ("a b", "Golden Retriever", "test"))
    target = where[by_label["kat/ze"][0].image].parent
    where[moved].rename(target / where[moved].name)
    where[gone].unlink()
    (folder / "train" / "dingo").mkdir()
    where[fresh].rename(folder / "train" / "dingo" / where[fresh].name)
    (folder / "train" / "dingo" / "Thumbs.db").write_bytes(b"")
    return folder, {moved: ("relabel", "kat/ze"), gone: ("reject", ""), fresh: ("relabel", "dingo")}


def test_a_folder_that_was_looked_through_is_decisions(work, fields, looked_through):
    folder, expected = looked_through
    found = {row.image: (row.decision, row.label) for row in reviewed.read(folder)}
    assert found == {m.image: expected.get(m.image, ("keep", "")) for m in work.workspace.image_set(fields["real"])}


def test_images_that_are_unknown_or_lie_in_two_classes_are_named(looked_through):
    folder, _ = looked_through
    one = next(folder.glob("train/dingo/*.png"))
    (folder / "train" / "dingo" / "stranger.png").write_bytes(one.read_bytes())
    (folder / "train" / "copies").mkdir()
    shutil.copy(one, folder / "train" / "copies" / one.name)
    with pytest.raises(
        BadInput,
        match=rf"1 image is not of this export \(stranger\)\. 1 image is in more than one class \({one.stem}\)",
    ):
        reviewed.read(folder)


def test_what_is_no_export_says_so(work, tmp_path, fields):
    with pytest.raises(BadInput, match="no dataset that was exported here"):
        reviewed.read(tmp_path)
    with pytest.raises(BadInput, match="Export it as imagefolder or csv"):
        reviewed.read(exported(work, fields | {"format": "coco"}))
