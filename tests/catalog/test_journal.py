"""The catalog is an index: made again from the journal and the run logs it is what it was."""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from synthstudio.catalog.database import SIZE
from synthstudio.catalog.decisions import Act, Chosen
from synthstudio.catalog.journal import Journal, decoded
from synthstudio.errors import StorageFull
from tests.catalog.projects import digests, fill, opened, tables

ROOT = Path(__file__).parents[2]
JOURNAL = "projects/default/journal.jsonl"

CATALOG = "projects/default/catalog.duckdb"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = tmp_path_factory.mktemp("made")
    with opened(home) as studio:
        fill(studio)
        before = tables(studio.catalog)
        states = {run.state for run in studio.catalog.runs.all()}
        pipelines = {one.state for one in studio.catalog.pipelines.all()}
    assert all(
        before[name]
        for name in (
            "runs",
            "acts",
            "decisions",
            "image_sets",
            "targets",
            "nodes",
            "makers",
            "names",
            "freed",
            "saved_views",
            "settings",
            "tagged",
            "tags",
        )
    )
    assert states >= {"done", "failed", "lost", "stopped"}
    assert pipelines == {"done", "stopped"}
    return home, before


@pytest.fixture
def filled(made, tmp_path):
    home, before = made
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    return tmp_path, before


def test_a_catalog_that_was_deleted_comes_back_equal_and_says_so(filled):
    home, before = filled
    (home / CATALOG).unlink()
    with opened(home) as studio:
        assert tables(studio.catalog) == before
        assert "was made again from its journal" in studio.catalog.said[0]
        assert "missing" in studio.catalog.said[0]
    with opened(home) as studio:
        assert studio.catalog.said == ()


@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_catalog_comes_back_equal_and_the_damaged_one_is_kept(filled, seed):
    home, before = filled
    chance, path = random.Random(seed), home / CATALOG
    damaged = damage(path.read_bytes(), chance, cut=seed % 2 == 0)
    path.write_bytes(damaged)
    with opened(home) as studio:
        assert tables(studio.catalog) == before
        kept = list(path.parent.glob("catalog.duckdb.damaged-*"))
        assert bool(kept) == bool(studio.catalog.said)
        if seed % 2 == 0:
            assert [one.read_bytes() for one in kept] == [damaged]
            assert kept[0].name in studio.catalog.said[0]


def damage(data, chance, cut):
    if cut:
        return data[: chance.randrange(len(data))]
    flipped = bytearray(data)
    for _ in range(50):
        flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(flipped)


def test_a_line_that_was_written_but_not_committed_is_applied_by_the_next_owner(filled):
    home, before = filled
    died = subprocess.run([sys.executable, "-m", "tests.catalog.torn", str(home)], cwd=ROOT, check=False)
    assert died.returncode == 9
    with opened(home) as studio:
        acts = [act for (act,) in studio.catalog.database.rows("select id from acts order by first_seq, last_seq")]
        assert acts[-2:] == ["before", "torn"]
        assert [row["verdict"] for row in studio.catalog.decisions.states(digests(0, 1))] == ["reject"]
        (again,) = studio.catalog.decisions.decide([Act("torn", "tab", Chosen.images(digests(0, 1)), "reject")], "me")
        assert again.again
        after = tables(studio.catalog)
        assert after["latest_scores"] == before["latest_scores"]
        assert after["makers"] == before["makers"]
    (home / CATALOG).unlink()
    with opened(home) as studio:
        assert tables(studio.catalog) == after


@pytest.mark.parametrize("torn", [b'{"target":"dog","wan', b"\0" * 40, b"\xffab\n\n\0cd\n", b"{}\n"])
def test_a_torn_end_of_the_journal_is_cut_off(filled, torn):
    home, before = filled
    with (home / JOURNAL).open("ab") as file:
        file.write(torn)
    with opened(home) as studio:
        assert tables(studio.catalog) == before
        studio.catalog.decisions.set_target("owl", 3)
    (home / CATALOG).unlink()
    with opened(home) as studio:
        assert studio.catalog.decisions.targets() == {"": 20, "owl": 3}
        assert len(studio.catalog.said) == 1


def test_a_decision_that_was_refused_is_in_neither_and_the_next_is_in_both(filled, monkeypatch):
    home, _ = filled
    image = digests(0, 1)
    with opened(home) as studio:
        decisions = studio.catalog.decisions
        with monkeypatch.context() as full:
            full.setattr("synthstudio.workspace.os.fsync", no_space)
            with pytest.raises(StorageFull, match="was not saved"):
                decisions.decide([Act("refused", "tab", Chosen.images(image), "keep")], "me")
        decisions.decide([Act("later", "tab", Chosen.images(image), "keep")], "me")
        before = tables(studio.catalog)
    assert b"refused" not in (home / JOURNAL).read_bytes()
    (home / CATALOG).unlink()
    with opened(home) as studio:
        assert tables(studio.catalog) == before


def no_space(_):
    raise OSError(28, "No space left on device")


def test_a_journal_that_is_gone_is_written_again_from_the_catalog(filled):
    home, before = filled
    (home / JOURNAL).unlink()
    with opened(home) as studio:
        assert "was missing" in studio.catalog.said[0]
    (home / CATALOG).unlink()
    with opened(home) as studio:
        assert tables(studio.catalog) == before


def test_a_journal_of_another_time_is_kept_aside_and_written_again(filled):
    home, before = filled
    journal = home / JOURNAL
    journal.write_bytes(journal.read_bytes()[: journal.stat().st_size // 2])
    with opened(home) as studio:
        assert tables(studio.catalog) == before
        assert len(list(journal.parent.glob("journal.jsonl.damaged-*"))) == 1


def test_flipped_bits_in_a_line_lose_that_line_alone_and_are_told(filled):
    home, before = filled
    journal = home / JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    number = next(n for n, line in enumerate(lines) if line.startswith(b'{"target":"",'))
    lines[number] = lines[number].replace(b"20", b"21")
    journal.write_bytes(b"".join(lines))
    (home / CATALOG).unlink()
    with opened(home) as studio:
        assert studio.catalog.decisions.targets() == {}
        assert any("1 line of the journal could not be read" in sentence for sentence in studio.catalog.said)
        assert tables(studio.catalog)["decisions"] == before["decisions"]


def test_asked_to_make_a_catalog_again_a_damaged_journal_is_mended_first(filled):
    home, before = filled
    journal = home / JOURNAL
    journal.write_bytes(journal.read_bytes().replace(b'"target":"","wanted":20', b'"target":"","wanted":21'))
    with opened(home, rebuild=True) as studio:
        assert tables(studio.catalog) == before
    assert None not in list(Journal(journal).lines())


def test_damage_that_is_met_while_reading_is_told_and_mended_by_the_next_opening(filled, monkeypatch):
    from synthstudio.catalog import opening
    from synthstudio.errors import CatalogDamaged

    home, before = filled
    path = home / CATALOG
    data = bytearray(path.read_bytes())
    for place in range(3 * 4096 + 262144, len(data), 5000):
        data[place] ^= 1
    with monkeypatch.context() as large:  # of a large catalog not every block is read at once
        large.setattr(opening, "_whole", lambda *_: True)
        studio = opened(home)
        path_of_blocks = path.open("r+b")
        path_of_blocks.write(data)
        path_of_blocks.close()
        with pytest.raises(CatalogDamaged, match="Open the project again"):
            for name in before:
                studio.catalog.database.rows(f"select sum(hash(t)) from {name} t")  # noqa: S608
        with pytest.raises(CatalogDamaged):
            studio.tick()
        opening._close_damaged(studio.catalog.database)
    with opened(home) as studio:
        assert tables(studio.catalog) == before
        assert "because it was damaged" in studio.catalog.said[0]


def test_an_act_over_many_images_names_each_once(filled):
    home, _ = filled
    lines = [json.loads(line) for line in (home / JOURNAL).read_text().splitlines()]
    acts = [line for line in lines if "act" in line]
    assert sum(len(images.split()) for act in acts for _, _, images in act["images"]) == sum(
        act["last"] - act["first"] + 1 for act in acts
    )
    assert decoded((home / JOURNAL).read_bytes().splitlines()[0])["journal"] == 1


def test_a_catalog_whose_end_was_cut_off_by_its_own_closing_is_not_called_damaged(tmp_path):
    with opened(tmp_path) as studio:
        with studio.catalog.database.transaction() as cursor:
            cursor.execute("create table large as select random() as n, uuid()::text as t from range(200_000)")
        studio.catalog.database.rows("checkpoint")
        with studio.catalog.database.transaction() as cursor:
            cursor.execute("drop table large")
    with opened(tmp_path) as studio:
        studio.catalog.decisions.set_target("cat", 3)
    with opened(tmp_path) as studio:
        ((block, _, blocks),) = studio.catalog.database.rows(SIZE)
        assert block * blocks > (tmp_path / CATALOG).stat().st_size, "the file is shorter than its header counts"
        assert studio.catalog.said == ()
