"""A process that is killed while it throws things away loses nothing else, and the next owner ends its work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from synthstudio.jobs import Studio
from synthstudio.jobs.keeping import freeing, wholeness
from tests.catalog.projects import tables
from tests.jobs.counting import Paint
from tests.jobs.inline import InlineLauncher
from tests.jobs.keeping.throwing import Half, Waiting, blobs, free, images, made, nobody, settled, state


def test_a_kill_after_the_journal_and_before_the_files_is_finished_by_the_next_owner(studio, tmp_path, monkeypatch):
    _, painted = made(studio, Paint(images=4))
    _, half = made(studio, Half(images=painted))
    with monkeypatch.context() as killed:
        killed.setattr(freeing, "_sweep", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            free(studio, painted)
    assert images(studio, painted) <= blobs(studio)
    studio.close()
    with Studio(tmp_path / "home", launcher=InlineLauncher()) as after:
        assert images(after, painted) & blobs(after) == images(after, half)
        assert all(mark.swept for mark in after.catalog.freed.all().values())
        assert state(after, half) == "here"


def test_a_kill_among_the_files_loses_nothing_else_and_is_finished(studio, tmp_path, monkeypatch):
    _, painted = made(studio, Paint(images=6))
    _, other = made(studio, Paint(images=300, seconds_each=0.0))
    going = iter(range(3))

    def dying(self, **_):
        if next(going, None) is None:
            raise KeyboardInterrupt
        os.unlink(self)

    with monkeypatch.context() as killed:
        killed.setattr("pathlib.Path.unlink", dying)
        with pytest.raises(KeyboardInterrupt):
            free(studio, other)
    studio.close()
    with Studio(tmp_path / "home", launcher=InlineLauncher()) as after:
        assert images(after, painted) <= blobs(after)
        assert blobs(after) & images(after, other) == images(after, painted)
        assert wholeness.examine(after, nobody) == []


_DIES = """
import os, sys
from pathlib import Path
import tests.jobs.counting
import tests.jobs.keeping.throwing
from synthstudio.jobs import Studio
from synthstudio.jobs.keeping import freeing
left = int(sys.argv[3])
unlink = Path.unlink
def dying(self, **options):
    global left
    left -= 1
    if left < 0:
        os._exit(9)
    unlink(self, **options)
with Studio(Path(sys.argv[1])) as studio:
    Path.unlink = dying
    freeing.free(studio, [sys.argv[2]], "me")
"""


@pytest.mark.parametrize("left", [0, 2])
def test_a_process_that_is_killed_among_the_files_leaves_a_project_that_finishes_by_itself(studio, tmp_path, left):
    _, painted = made(studio, Paint(images=6))
    _, half = made(studio, Half(images=painted))
    studio.close()
    root = Path(__file__).parents[3]
    died = subprocess.run([sys.executable, "-c", _DIES, str(tmp_path / "home"), painted, str(left)], cwd=root)
    assert died.returncode == 9
    with Studio(tmp_path / "home", launcher=InlineLauncher()) as after:
        assert images(after, painted) & blobs(after) == images(after, half)
        assert wholeness.examine(after, nobody) == []
        before = tables(after.catalog)
        after.close()
    (tmp_path / "home" / "projects" / "default" / "catalog.duckdb").unlink()
    with Studio(tmp_path / "home", launcher=InlineLauncher()) as rebuilt:
        assert tables(rebuilt.catalog) == before
        assert state(rebuilt, painted) == "partly"
        rebuilt.bring_back([painted])
        settled(rebuilt)
        assert state(rebuilt, painted) == "here"


def test_what_is_made_again_while_files_were_left_is_not_taken_by_the_next_owner(studio, tmp_path):
    run_id, painted = made(studio, Paint(images=4))
    studio.catalog.freed.throw_away([painted], "me")
    studio.launcher = Waiting()
    studio.make_again(run_id)
    studio.close()
    with Studio(tmp_path / "home", launcher=InlineLauncher()) as after:
        assert images(after, painted) <= blobs(after)
        settled(after)
        assert after.catalog.freed.all() == {}
        assert state(after, painted) == "here"
