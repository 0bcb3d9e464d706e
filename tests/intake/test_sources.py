"""Naming a source by digest, and finding it again."""

import os

import pytest

from synthstudio.errors import BadInput, Damaged, Missing
from synthstudio.intake.entries import Entry
from synthstudio.intake.sources import open_source, register
from synthstudio.workspace import Workspace
from tests.intake.nasty import good, tree, zipped


@pytest.fixture
def workspace(tmp_path):
    return Workspace.open(tmp_path / "home", "toy")


@pytest.fixture
def pets(tmp_path):
    return tree(tmp_path / "pets", {"cat/1.png": good(1), "dog/2.png": good(2)})


def test_equal_content_is_the_same_source_wherever_it_lies(workspace, pets, tmp_path):
    copy = tree(tmp_path / "elsewhere", {"cat/1.png": good(1), "dog/2.png": good(2), "cat/.DS_Store": b"x"})
    assert register(str(pets), workspace) == register(str(copy), workspace)


def test_digits_have_a_name_of_their_own(workspace):
    assert register("digits", workspace) == "source:digits"
    entry = next(iter(open_source("source:digits", workspace)))
    assert isinstance(entry, Entry) and entry.label == "0" and entry.read().startswith(b"\x89PNG")


def test_a_changed_source_is_noticed(workspace, pets):
    source = register(str(pets), workspace)
    (pets / "cat" / "1.png").write_bytes(good(9))
    with pytest.raises(Damaged, match="has changed since .* Ask for the import again"):
        open_source(source, workspace)


def test_a_source_that_went_away_is_noticed(workspace, pets, tmp_path):
    source = register(str(pets), workspace)
    pets.rename(tmp_path / "gone")
    with pytest.raises(BadInput, match="not there any more. Put the files back"):
        open_source(source, workspace)


def test_a_source_nobody_registered_is_missing(workspace):
    with pytest.raises(Missing, match="Name the files"):
        open_source(f"source:{'a' * 64}", workspace)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("pest", "no file or folder 'pest' .* Did you mean pets"),
        ("zebra", "It holds: .*pets"),
        ("nowhere/at/all", "does not exist. Check the path"),
        ("pets\0", "Did you mean pets"),
    ],
)
def test_a_wrong_path_gets_near_names(workspace, pets, name, says):
    with pytest.raises(BadInput, match=says):
        register(str(pets.parent / name), workspace)


def test_files_of_another_kind_are_refused_with_what_to_give(workspace, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(BadInput, match="Give a folder with one subfolder per class, a zip"):
        register(str(tmp_path / "notes.txt"), workspace)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="holds no files"):
        register(str(tmp_path / "empty"), workspace)


def test_a_zip_and_its_folder_have_the_same_entries(workspace, pets, tmp_path):
    archive = zipped(tmp_path / "pets.zip", {"cat/1.png": good(1), "dog/2.png": good(2)})
    found = [
        [(e.name, e.label, e.given, e.read()) for e in open_source(register(str(path), workspace), workspace)]
        for path in (pets, archive)
    ]
    assert found[0] == found[1]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_in_the_folder_is_not_waited_for(workspace, pets):
    os.mkfifo(pets / "cat" / "pipe.png")
    entries = list(open_source(register(str(pets), workspace), workspace))
    assert [getattr(e, "reason", "") for e in entries] == ["", "is not a regular file; remove it", ""]
