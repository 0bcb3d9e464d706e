"""A run's log on a bad disk, and what one sick run does to the others: nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from synthstudio.events import Failed, Finished, Note, Output, Progress, Started
from synthstudio.jobs.running.log import EventLog
from tests.catalog.projects import digests, finish, log_of, opened
from tests.jobs.counting import Count, Paint

ROOT = Path(__file__).parents[3]
FULL = """
import pathlib, resource, sys
from synthstudio.errors import StorageFull
from synthstudio.events import Note
from synthstudio.jobs.running.log import EventLog
log = EventLog(pathlib.Path(sys.argv[1]))
log.append(Note(text="first"))
resource.setrlimit(resource.RLIMIT_FSIZE, (log.size() + 20, resource.RLIM_INFINITY))
try:
    log.append(Note(text="second"))
except StorageFull as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.append(Note(text="third"))
"""


def texts(log):
    return [event.text for _, event in log.read()[0]]


def test_a_disk_that_takes_half_a_line_is_told_and_leaves_no_half_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert "Free some space and resume" in done.stdout
    assert texts(EventLog(tmp_path)) == ["first", "third"]


def test_a_torn_line_in_the_middle_is_passed_over_and_the_next_is_not_lost_with_it(tmp_path):
    log = EventLog(tmp_path)
    log.append(Note(text="first"))
    with log.path.open("ab") as file:
        file.write(b'{"t": 2.0, "event": "note", "te')
    log.append(Note(text="third"))
    first, note, third = (event for _, event in log.read()[0])
    assert (first.text, third.text) == ("first", "third")
    assert note.level == "warning"
    assert "passed over" in note.text
    assert log.read()[1] == log.size()


@pytest.mark.parametrize(
    "line", [b"\xff\xfe", b"{}", b"[1]", b"null", b'{"t": "x", "event": "note"}', b"[" * 100_000, b"\0" * 512, b""]
)
def test_no_line_stops_the_reading_of_a_log(tmp_path, line):
    log = EventLog(tmp_path)
    log.path.write_bytes(line + b"\n")
    log.append(Note(text="after"))
    assert texts(log)[-1] == "after"


def test_an_unreadable_line_is_told_once_and_the_run_ends_well(tmp_path):
    with opened(tmp_path) as studio:
        run_id, _ = studio.submit(Paint())
        studio.tick()
        for _ in range(3):
            with log_of(studio, run_id).open("ab") as file:
                file.write(b"half a li\n")
        finish(studio, run_id, digests(0, 4))
        assert studio.catalog.runs.get(run_id).state == "done"
        assert ["passed over" in note["text"] for note in studio.catalog.runs.notes(run_id)].count(True) == 1
        assert studio.catalog.images.count(run_id) == 4


def row(studio, run_id):
    run = vars(studio.catalog.runs.get(run_id))
    return {name: run[name] for name in ("state", "attempt", "seconds", "peak_memory_mb", "done", "error", "finished")}


@pytest.mark.parametrize("place", [3, 10_000_000])
def test_a_log_that_is_not_the_one_that_was_read_is_read_again_from_its_beginning(tmp_path, place):
    with opened(tmp_path) as studio:
        run_id, _ = studio.submit(Count())
        studio.tick()
        log = EventLog(log_of(studio, run_id).parent)
        log.append(Started(attempt=1, pid=1, environment={}))
        log.append(Output(name="a", value=1))
        log.append(Failed(error="out of paint", seconds=2.0, peak_memory_mb=7.0))
        studio.tick()
        studio.resume(run_id)
        studio.tick()
        log.append(Started(attempt=2, pid=1, environment={}))
        log.append(Progress(done=1, total=2, unit="numbers"))
        studio.tick()
        before = row(studio, run_id)
        assert before["state"] == "running"
        with studio.catalog.database.transaction() as cursor:
            cursor.execute("update runs set read_to = ? where id = ?", [place, run_id])
        studio.tick()
        assert row(studio, run_id) == before
        assert studio.catalog.runs.get(run_id).read_to == log.size()
        log.append(Output(name="b", value=studio.workspace.put_document("report", {})))
        log.append(Finished(seconds=1.0))
        studio.tick()
        assert studio.catalog.runs.get(run_id).state == "done"
        assert studio.catalog.runs.get(run_id).seconds == 3.0
        assert list(studio.catalog.runs.outputs(run_id)) == ["a", "b"]


def test_a_run_whose_log_cannot_be_read_fails_alone(tmp_path):
    with opened(tmp_path) as studio:
        sick, _ = studio.submit(Count(to=1))
        studio.tick()
        well, _ = studio.submit(Paint())
        studio.catalog.runs.launched(well, "elsewhere", 4_000_000, 1.0)
        log_of(studio, sick).mkdir()
        finish(studio, well, digests(0, 3))
        assert studio.catalog.runs.get(well).state == "done"
        assert studio.catalog.runs.get(sick).state == "failed"
        assert "resume" in studio.catalog.runs.get(sick).error


def test_a_queued_run_of_an_unknown_kind_fails_alone(tmp_path):
    with opened(tmp_path) as studio:
        sick, _ = studio.submit(Count(to=1))
        well, _ = studio.submit(Paint())
        with studio.catalog.database.transaction() as cursor:
            cursor.execute("update runs set kind = 'gone.step' where id = ?", [sick])
        studio.tick()
        assert studio.catalog.runs.get(sick).state == "failed"
        assert studio.catalog.runs.get(well).state == "running"


def test_a_pipeline_that_cannot_go_on_ends_alone(tmp_path):
    from synthstudio.catalog.pipelines import Node

    with opened(tmp_path) as studio:
        sick = studio.start("r", {}, [Node(0, "a", None, "test.count", {"to": 1}, None)])
        well = studio.start("r", {}, [Node(0, "a", None, "test.count", {"to": 2}, None)])
        studio.catalog.pipelines.fill(sick, 0, "a run that is not there", False)
        studio.tick()
        assert studio.catalog.pipelines.get(sick).state == "failed"
        assert "resume" in studio.catalog.pipelines.get(sick).error
        assert studio.catalog.pipelines.nodes(well)[0].run_id


def test_what_is_renamed_into_place_lasts_in_its_folder(tmp_path, monkeypatch):
    from synthstudio.workspace import Workspace

    synced = []
    real = os.fsync
    monkeypatch.setattr(
        "synthstudio.workspace.os.fsync", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), real(fd))
    )
    workspace = Workspace.open(tmp_path, "p")
    digest = workspace.put(b"data")
    assert str(workspace.path(digest).parent) in synced
    assert str(workspace.blobs) in synced
    weights = tmp_path / "w"
    weights.write_bytes(b"w")
    workspace.put_weights(weights)
    assert str(workspace.weights) in synced
