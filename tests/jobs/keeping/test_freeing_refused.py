"""What is not thrown away: what is in use, what has changed, and what is no thing of this project."""

import json
import os

import pytest

from synthstudio.errors import BadInput, UnknownName
from synthstudio.jobs.keeping import freeing, things, wholeness
from tests.jobs.counting import Count, Paint
from tests.jobs.keeping.throwing import Deliver, Half, Waiting, blobs, free, made, nobody, state


@pytest.mark.parametrize("moment", ["queued", "running", "stopping"])
def test_what_a_run_in_progress_reads_is_protected_with_the_reason(studio, moment):
    _, painted = made(studio, Paint(images=4))
    _, half = made(studio, Half(images=painted))
    studio.launcher = Waiting()
    run_id, _ = studio.submit(Half(images=half))
    studio.catalog.runs.set_state(run_id, moment)
    before = blobs(studio)
    for chosen in ([half], [half, painted]):
        with pytest.raises(BadInput, match=f"is needed: .* which is {moment}, reads it"):
            free(studio, *chosen)
    assert blobs(studio) == before
    assert studio.catalog.freed.all() == {}


def test_what_a_running_recipe_has_made_so_far_is_protected(studio):
    from synthstudio.catalog.pipelines import Node

    nodes = [Node(0, "paint", None, "test.paint", {"images": 3}), Node(1, "count", None, "test.count", {"to": 9})]
    studio.start("r", {"data": "digits"}, nodes)
    studio.tick()
    studio.tick()
    (run,) = [run for run in studio.catalog.runs.all() if run.kind == "test.paint"]
    painted = studio.catalog.runs.outputs(run.id)["images"]
    assert studio.catalog.pipelines.running()
    with pytest.raises(BadInput, match="recipe .* may still read it"):
        free(studio, painted)


def test_what_is_being_made_again_is_protected(studio):
    run_id, painted = made(studio, Paint(images=4))
    free(studio, painted)
    studio.launcher = Waiting()
    studio.bring_back([painted])
    with pytest.raises(BadInput, match="is making it"):
        free(studio, painted)
    studio.stop(run_id)
    assert state(studio, painted) == "freed"


def test_an_unfinished_run_is_thrown_away_with_what_it_made_and_can_be_resumed(studio):
    run_id, _ = studio.submit(Paint(images=5, fail_at=3))
    assert studio.wait(run_id, 0).state == "failed"
    assert len(blobs(studio)) == 3
    assert things.one(studio, run_id).bytes >= 3 * 4096
    free(studio, run_id)
    assert blobs(studio) == set()
    assert state(studio, run_id) == "freed"
    assert wholeness.examine(studio, nobody) == []
    studio.resume(run_id)
    assert studio.wait(run_id, 0).state == "failed"
    assert len(blobs(studio)) == 3


def test_a_working_run_cannot_be_thrown_away(studio):
    studio.launcher = Waiting()
    run_id, _ = studio.submit(Count())
    with pytest.raises(BadInput, match="it is queued"):
        free(studio, run_id)


@pytest.mark.parametrize("place", ["exports/../blobs", "exports", "../../..", "/etc", "exports/link"])
def test_an_export_that_names_another_place_deletes_nothing_there(studio, place, tmp_path):
    """A log is a file of a worker that has read a stranger's data."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("keep me")
    os.symlink(tmp_path / "precious", studio.workspace.exports / "link")
    run_id, _ = made(studio, Deliver())
    with studio.catalog.database.transaction() as cursor:
        cursor.execute("update outputs set value = ? where run_id = ?", [json.dumps(place), run_id])
    free(studio, run_id)
    assert (tmp_path / "precious" / "file").read_text() == "keep me"
    assert studio.workspace.blobs.is_dir() and studio.workspace.exports.is_dir()


@pytest.mark.parametrize("name", ["../../../../precious", "/etc/passwd", "..", "", "x" * 64, "0" * 63 + "/"])
def test_a_set_whose_images_are_called_like_paths_deletes_nothing_else(studio, tmp_path, name):
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    run_id, painted = made(studio, Paint(images=2))
    with studio.catalog.database.transaction() as cursor:
        cursor.execute("insert into members values (?, ?, 'cat', '')", [painted, name])
    before = sorted(path for path in studio.workspace.root.rglob("*") if path.is_dir())
    free(studio, painted)
    assert precious.read_text() == "keep me"
    assert sorted(path for path in studio.workspace.root.rglob("*") if path.is_dir()) == before


@pytest.mark.parametrize("thing", ["set:" + "0" * 64, "../x", "", "run", "pool:../../x", "source:" + "1" * 64])
def test_what_this_project_does_not_hold_is_refused_and_nothing_is_written(studio, thing):
    made(studio, Paint(images=2))
    before = blobs(studio)
    for chosen in ([thing], [*(one.id for one in things.every(studio)), thing]):
        with pytest.raises(UnknownName, match="no such thing"):
            free(studio, *chosen)
    assert blobs(studio) == before
    assert studio.catalog.freed.all() == {}


def test_a_report_stays(studio):
    _, report = made(studio, Count(), "document")
    with pytest.raises(BadInput, match="It stays"):
        free(studio, report)
    assert things.one(studio, report).state == "here"


def test_what_has_changed_since_it_was_looked_at_is_not_thrown_away(studio):
    _, painted = made(studio, Paint(images=4))
    looked = freeing.plan(studio, [painted])
    made(studio, Half(images=painted))
    with pytest.raises(BadInput, match="has changed"):
        free(studio, painted, digest=looked.digest)
    free(studio, painted, digest=freeing.plan(studio, [painted]).digest)
