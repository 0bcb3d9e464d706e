"""Decisions as files: out and in again they are the same, and a bad file changes nothing."""

import json
import uuid

import pytest

import tests.jobs.counting  # noqa: F401
from synthstudio.catalog.decisions import Act, Chosen
from synthstudio.errors import BadInput
from synthstudio.intake.decisions import read, to_csv, to_json
from synthstudio.jobs import Studio
from synthstudio.jobs.curating import decision_files
from tests.jobs.counting import Paint
from tests.jobs.inline import InlineLauncher


@pytest.fixture
def studio(tmp_path):
    with Studio(tmp_path / "home", launcher=InlineLauncher()) as opened:
        paint(opened)
        yield opened


def paint(studio):
    run_id, _ = studio.submit(Paint(images=6))
    assert studio.wait(run_id, 0).state == "done"
    studio.catalog.review.newest()
    return images(studio)


def images(studio):
    return [row["digest"] for row in studio.catalog.images.made_by(studio.catalog.runs.all()[0].id)]


def decide(studio, verdict, *chosen, label=""):
    studio.catalog.decisions.decide([Act(str(uuid.uuid4()), "page", Chosen.images(chosen), verdict, label)], "me")


def reviewed(studio):
    """A bit of everything: kept with a class by hand, moved, rejected, and decided about but taken back."""
    a, b, c, d, *_ = images(studio)
    decide(studio, "relabel", a, label='so-called "red", or so')
    decide(studio, "keep", a)
    decide(studio, "relabel", b, label="red")
    decide(studio, "reject", c)
    decide(studio, "reject", d)
    decide(studio, "clear", d)
    return {(a, "keep", 'so-called "red", or so'), (b, "relabel", "red"), (c, "reject", "")}


def standing(studio):
    return {(row["image"], row["decision"], row["label"]) for row in decision_files.rows(studio)}


@pytest.mark.parametrize(("write", "name"), [(to_csv, "d.csv"), (to_json, "d.json")])
def test_decisions_out_and_into_another_copy_of_the_project_are_the_same(studio, tmp_path, write, name):
    expected = reviewed(studio)
    file = tmp_path / name
    file.write_bytes(write(decision_files.rows(studio)))
    with Studio(tmp_path / "other", launcher=InlineLauncher()) as copy:
        paint(copy)
        outcome = decision_files.take_in(copy, read(file), "me")
        assert outcome.changed == 3 and standing(copy) == standing(studio) == expected
        assert write(decision_files.rows(copy)) == file.read_bytes()


def test_the_same_file_again_changes_nothing_and_one_undo_takes_an_import_back(studio, tmp_path):
    a, b, c, *_ = images(studio)
    decide(studio, "keep", a)
    before = standing(studio)
    file = tmp_path / "d.csv"
    file.write_text(f"image,decision,label\n{a},reject,\n{b},relabel,red\n{c},keep,\n")
    done = decision_files.take_in(studio, read(file), "me")
    last = studio.catalog.decisions.last()
    assert (done.changed, decision_files.take_in(studio, read(file), "me").changed) == (3, 0)
    assert studio.catalog.decisions.last() == last
    assert decision_files.undo(studio, done.id, "me").changed == 3
    assert standing(studio) == before
    assert decision_files.take_in(studio, read(file), "me").changed == 3, "after an undo the file counts again"


def test_columns_in_another_order_a_byte_order_mark_and_more_columns_are_read(studio, tmp_path):
    file = tmp_path / "d.csv"
    file.write_bytes(f"\ufeffwho,decision,image\r\nme, Reject ,{images(studio)[0].upper()}\r\n".encode())
    assert read(file) == [(images(studio)[0], "reject", "")]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["{0},yes,", "{1},maybe,"], "2 decisions are none of keep, reject, relabel, clear: 'yes', 'maybe'"),
        (["{0},keep,", "{1},keep,", "{0},reject,"], r"1 image is named more than once \([0-9a-f]{16}\)"),
        (["{0},relabel,"], "no label says which"),
        (["{0},relabel," + "x" * 121], "shorten it"),
        (["{0},keep,", "f" * 64 + ",keep,", "e" * 64 + ",keep,"], "2 images are not in this project.*the first: ffff"),
        (["{0},keep,", ",reject,"], "an empty id"),
        (["{0},keep,", "{2},keep,"], "1 image is not in this project, or belongs to its test photos"),
    ],
)
def test_a_bad_row_is_named_and_not_even_the_good_ones_are_stored(studio, tmp_path, lines, said):
    from synthstudio.artifacts import ImageSet, Member

    a, b, c, *_ = images(studio)
    studio.catalog.images.add_set(ImageSet.of("test", [Member("red", c)]), "split")
    file = tmp_path / "d.csv"
    file.write_text("image,decision,label\n" + "\n".join(line.format(a, b, c) for line in lines))
    with pytest.raises(BadInput, match=said):
        decision_files.take_in(studio, read(file), "me")
    assert studio.catalog.decisions.last() == 0


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("d.csv", b"picture,decision\n", "no column image"),
        ("d.csv", b"", "no column image and no column decision"),
        ("d.csv", b"\xff\xfe\x00", "cannot be read"),
        ("d.json", b"{", "cannot be read"),
        ("d.json", b'{"image": 1}', "no list of objects"),
        ("d.json", b"[" * 100_000, "cannot be read"),
        ("d.json", json.dumps([{"image": "a", "verdict": "keep"}]).encode(), "no column decision"),
    ],
)
def test_a_file_that_is_no_table_of_decisions_says_how_one_looks(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=said):
        read(tmp_path / name)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match="missing.csv cannot be read"):
        read(tmp_path / "missing.csv")
