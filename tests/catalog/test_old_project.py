"""A project written by the version before there was a journal: it opens, keeps everything, and gets its journal."""

import json
import zipfile
from pathlib import Path

import pytest

from synthstudio.catalog import opening
from tests.catalog.projects import opened, tables

OLD = Path(__file__).with_name("project_before_the_journal.zip")
CATALOG, JOURNAL = "projects/default/catalog.duckdb", "projects/default/journal.jsonl"


@pytest.fixture
def old(tmp_path):
    """The home of the old project, and its tables as the old version read them."""
    with zipfile.ZipFile(OLD) as stored:
        stored.extractall(tmp_path)
    before = json.loads((tmp_path / "tables.json").read_text())
    for row in before["images"]:  # pictures are not stored: a rebuild asks only whether they are there
        picture = tmp_path / "projects/default/blobs" / row[2][:2] / row[2]
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(b"a picture")
    return tmp_path, before


def as_old(found):
    """Tables as the old version knew them: no launch of a worker was written down, no turn in the queue, no names, no
    saved views, no tags, no settings beside the images, and nothing that was thrown away.
    """
    runs = [row[:-2] for row in found["runs"]]
    new = ("names", "freed", "saved_views", "settings", "tagged", "tags")
    known = {name: rows for name, rows in {**found, "runs": runs}.items() if name not in new}
    return json.loads(json.dumps(known))


def test_an_old_project_opens_with_everything_in_it(old):
    home, before = old
    with opened(home) as studio:
        assert studio.catalog.said == ()
        assert as_old(tables(studio.catalog)) == before
        named = studio.catalog.names.all()
        assert {one.role for one in named} >= {"set", "test", "run", "recipe run"}
        assert len({one.name for one in named}) == len(named) > len(before["runs"])
    assert all(before[name] for name in ("acts", "decisions", "targets", "nodes", "image_sets"))


def test_the_journal_of_an_old_project_makes_its_catalog_again(old):
    home, before = old
    opened(home).close()
    (home / CATALOG).unlink()
    with opened(home) as studio:
        assert as_old(tables(studio.catalog)) == before


def test_killed_before_its_journal_has_its_name_an_old_project_gets_it_with_the_next_opening(old, monkeypatch):
    home, before = old

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(opening.os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            opened(home)
    assert not (home / JOURNAL).exists()
    opened(home).close()
    (home / CATALOG).unlink()
    with opened(home) as studio:
        assert as_old(tables(studio.catalog)) == before


def test_an_old_project_without_its_catalog_keeps_what_its_runs_said(old):
    home, before = old
    (home / CATALOG).unlink()
    with opened(home) as studio:
        studio.launcher.living = False
        studio.tick()
        found = as_old(tables(studio.catalog))
        assert {run.state for run in studio.catalog.runs.all()} == {"done", "failed", "stopped", "lost"}
    assert [row[2] for row in found["images"]] == [row[2] for row in before["images"]]
    assert len(found["image_sets"]) == len(before["image_sets"])
