"""The workspace: everything under its digest, or not there at all."""

import os

import pytest

from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput, Damaged, Missing, StorageFull
from synthstudio.workspace import Workspace, folder_digest, slug


@pytest.fixture
def workspace(tmp_path):
    return Workspace.open(tmp_path, "birds")


def test_equal_bytes_are_stored_once(workspace):
    assert workspace.put(b"a") == workspace.put(b"a")
    assert len(list(workspace.blobs.glob("??/*"))) == 1


def test_a_damaged_blob_is_noticed_when_read(workspace):
    digest = workspace.put(b"a picture")
    workspace.path(digest).write_bytes(b"another")
    with pytest.raises(Damaged, match="made it again"):
        workspace.get(digest)


def test_a_missing_blob_says_what_to_do(workspace):
    with pytest.raises(Missing, match="Run the step"):
        workspace.get("0" * 64)


def test_the_id_of_a_set_does_not_depend_on_order(workspace):
    cat, dog = Member("cat", "1"), Member("dog", "2")
    assert ImageSet.of("set", [cat, dog]).id == ImageSet.of("set", [dog, cat, cat]).id


def test_a_set_survives_the_disk(workspace):
    one = ImageSet.of("test", [Member("a/b", "1", "test"), Member("猫", "2")])
    assert workspace.image_set(workspace.put_set(one)) == one


def test_a_test_set_cannot_be_read_under_another_role(workspace):
    one = ImageSet.of("test", [Member("cat", "1")])
    workspace.put_set(one)
    with pytest.raises(BadInput, match="names a test"):
        workspace.image_set(one.id.replace("test:", "set:"))


@pytest.mark.parametrize("name", ["../../etc", "/abs", "a/b", "CON", "Ünïcode", "…", "x" * 300, "a\0b", "A", "a"])
def test_project_names_are_text_not_paths(tmp_path, name):
    root = Workspace.open(tmp_path, name).root
    assert root.parent == tmp_path / "projects"


def test_names_that_differ_only_by_case_get_folders_of_their_own():
    assert slug("Birds").lower() != slug("birds").lower()


def test_a_full_disk_leaves_no_half_file(workspace, monkeypatch):
    import errno

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull, match="Free some space"):
        workspace.put(b"a picture")
    assert [p for p in workspace.root.rglob("*") if p.is_file() and p.parent.parent == workspace.blobs] == []


def test_a_home_below_a_file_is_refused_with_a_way_out(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageFull, match="--home"):
        Workspace.open(tmp_path / "file", "birds")


def test_run_ids_cannot_leave_the_runs_folder(workspace):
    with pytest.raises(BadInput, match="not a run id"):
        workspace.run_folder("../../x")


def test_a_folder_digest_follows_names_and_contents(tmp_path):
    (tmp_path / "a").write_text("1")
    before = folder_digest(tmp_path)
    (tmp_path / ".hidden").write_text("x")
    assert folder_digest(tmp_path) == before
    (tmp_path / "a").rename(tmp_path / "b")
    assert folder_digest(tmp_path) != before


def test_a_digest_of_a_model_does_not_follow_its_card(tmp_path):
    (tmp_path / "model.safetensors").write_text("1")
    before = folder_digest(tmp_path, frozenset({".safetensors"}))
    (tmp_path / "README.md").write_text("a better card")
    assert folder_digest(tmp_path, frozenset({".safetensors"})) == before
