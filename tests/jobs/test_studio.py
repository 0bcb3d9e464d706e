"""The owner: submitting, stopping, resuming, losing and finding runs again."""

import os
import signal
import time

import pytest

from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput, CatalogBusy, Leak
from synthstudio.jobs import Studio
from synthstudio.jobs.running.launchers import ProcessLauncher
from synthstudio.jobs.running.run_folder import Holder
from synthstudio.jobs.studio import ask_to_stop
from tests.jobs.conftest import tick_until
from tests.jobs.counting import Count, Hungry, Paint, Silent


def made(studio, run_id):
    return [(row["plan_index"], row["digest"]) for row in studio.catalog.images.made_by(run_id)]


def test_a_run_makes_its_images_and_its_set(studio):
    run_id, reused = studio.submit(Paint(images=3))
    assert not reused
    assert studio.wait(run_id).state == "done"
    assert [index for index, _ in made(studio, run_id)] == [0, 1, 2]
    assert len(studio.workspace.image_set(studio.catalog.runs.outputs(run_id)["images"])) == 3


def test_equal_steps_are_made_once(studio):
    first, _ = studio.submit(Paint(images=2))
    studio.wait(first)
    assert studio.submit(Paint(images=2)) == (first, True)
    assert studio.submit(Paint(images=3))[0] != first


def test_a_result_whose_blob_is_gone_is_not_reused(studio):
    first, _ = studio.submit(Paint(images=2))
    studio.wait(first)
    set_id = studio.catalog.runs.outputs(first)["images"]
    studio.workspace.path(set_id.partition(":")[2]).unlink()
    assert studio.submit(Paint(images=2)) != (first, True)


def test_a_stopped_run_keeps_what_it_made_and_resumes_to_the_same_result(studio):
    unbroken, _ = studio.submit(Paint(images=12))
    studio.wait(unbroken)
    run_id, _ = studio.submit(Paint(images=12, seconds_each=0.2))
    tick_until(studio, lambda: studio.catalog.images.count(run_id) >= 3)
    studio.stop(run_id)
    assert studio.wait(run_id).state == "stopped"
    kept = made(studio, run_id)
    assert 3 <= len(kept) < 12
    so_far = studio.catalog.runs.get(run_id).seconds
    assert so_far > 0
    studio.resume(run_id)
    assert studio.wait(run_id).state == "done"
    assert studio.catalog.runs.get(run_id).seconds > so_far, "the cost of both attempts"
    assert made(studio, run_id) == made(studio, unbroken)
    assert made(studio, run_id)[: len(kept)] == kept


def test_a_killed_worker_looks_lost_and_resumes(studio):
    run_id, _ = studio.submit(Count(to=30, seconds_each=0.05))
    tick_until(studio, lambda: studio.catalog.runs.get(run_id).done >= 2)
    os.kill(studio.catalog.runs.get(run_id).pid, signal.SIGKILL)
    lost = studio.wait(run_id)
    assert lost.state == "lost"
    assert "Resume" in lost.error
    studio.resume(run_id)
    assert studio.wait(run_id).state == "done"
    document = studio.workspace.document(studio.catalog.runs.outputs(run_id)["document"])
    assert document["start"] >= 2


def test_a_new_owner_finds_a_running_worker_again(studio, tmp_path):
    with Studio(tmp_path / "other", launcher=ProcessLauncher()) as first:
        run_id, _ = first.submit(Paint(images=20, seconds_each=0.05))
        tick_until(first, lambda: first.catalog.images.count(run_id) >= 2)
        pid = first.catalog.runs.get(run_id).pid
    with Studio(tmp_path / "other", launcher=ProcessLauncher()) as second:
        assert second.wait(run_id).state == "done"
        assert second.catalog.runs.get(run_id).attempt == 1
        assert second.catalog.runs.get(run_id).pid == pid
        assert len(made(second, run_id)) == 20


def test_a_worker_whose_owner_died_before_writing_it_down_is_found_again(studio):
    run_id, _ = studio.submit(Paint(images=20, seconds_each=0.05))
    folder = studio.workspace.run_folder(run_id)
    pid, started = studio.launcher.launch(folder, computes=True)
    while Holder.read(folder) is None:
        time.sleep(0.02)
    studio.catalog.runs.launched(run_id, "cpu", 2**22 + 1, 1.0)  # the next owner's worker, which ended at the lock
    assert studio.wait(run_id).state == "done"
    ended = studio.catalog.runs.get(run_id)
    assert (ended.pid, ended.attempt) == (pid, 1)
    assert ended.pid_started == pytest.approx(started, abs=1.0)
    assert len(made(studio, run_id)) == 20


def test_a_second_worker_waits_for_the_first_to_end(studio):
    run_id, _ = studio.submit(Paint(images=10, seconds_each=0.05))
    studio.launcher.launch(studio.workspace.run_folder(run_id), computes=True)
    assert studio.wait(run_id).state == "done", "the queued run was started a second time"
    assert len(made(studio, run_id)) == 10


def test_a_failure_is_told_with_its_cause(studio):
    run_id, _ = studio.submit(Paint(images=4, fail_at=2))
    ended = studio.wait(run_id)
    assert ended.state == "failed"
    assert "the paint ran out" in ended.error
    assert len(made(studio, run_id)) == 2


def test_a_run_without_outputs_is_not_done(studio):
    run_id, _ = studio.submit(Silent())
    ended = studio.wait(run_id)
    assert ended.state == "failed"
    assert "no output" in ended.error


def test_a_queued_run_can_be_stopped_before_it_starts(studio):
    run_id, _ = studio.submit(Paint(images=2))
    studio.stop(run_id)
    studio.tick()
    assert studio.catalog.runs.get(run_id).state == "stopped"


def test_a_finished_run_cannot_be_stopped(studio):
    run_id, _ = studio.submit(Paint(images=1))
    studio.wait(run_id)
    with pytest.raises(BadInput, match="only a queued or running run"):
        studio.stop(run_id)


def test_stopping_needs_no_catalog(studio):
    run_id, _ = studio.submit(Paint(images=50, seconds_each=0.05))
    tick_until(studio, lambda: studio.catalog.images.count(run_id) >= 1)
    ask_to_stop(studio.workspace, run_id)
    assert studio.wait(run_id).state == "stopped"


def test_a_second_process_is_told_who_holds_the_catalog(studio, tmp_path):
    import subprocess
    import sys

    code = f"from synthstudio.jobs import Studio; Studio({str(tmp_path / 'home')!r})"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert CatalogBusy.__name__ in ended.stderr
    assert f"process {os.getpid()}" in ended.stderr


def test_a_step_that_names_a_test_image_is_refused(studio):
    data = studio.workspace.put(b"a picture")
    test = ImageSet.of("test", [Member("cat", data)])
    shots = ImageSet.of("set", [Member("cat", data)])
    for one in (test, shots):
        studio.workspace.put_set(one)
        studio.catalog.images.add_set(one, "split")
    with pytest.raises(Leak, match="test set"):
        studio.submit(Count(source=shots.id))


def test_a_torn_last_line_is_neither_read_nor_kept(studio):
    run_id, _ = studio.submit(Paint(images=6, seconds_each=0.1))
    tick_until(studio, lambda: studio.catalog.images.count(run_id) >= 2)
    os.kill(studio.catalog.runs.get(run_id).pid, signal.SIGKILL)
    studio.wait(run_id)
    log = studio.workspace.run_folder(run_id) / "events.jsonl"
    log.write_bytes(log.read_bytes() + b'{"t": 1, "event": "made", "ind')
    studio.resume(run_id)
    assert studio.wait(run_id).state == "done"
    assert [index for index, _ in made(studio, run_id)] == list(range(6))


def test_runs_on_one_device_wait_for_each_other(studio):
    first, _ = studio.submit(Paint(images=10, seconds_each=0.05))
    second, _ = studio.submit(Paint(images=2))
    tick_until(studio, lambda: studio.catalog.images.count(first) >= 1)
    assert studio.catalog.runs.get(second).state == "queued"
    assert studio.wait(second).state == "done"
    assert studio.catalog.runs.get(first).state == "done"


def questions(studio, monkeypatch):
    """How often the catalog is asked from now on."""
    asked = []
    plain = studio.catalog.database.rows, studio.catalog.database.records
    monkeypatch.setattr(studio.catalog.database, "rows", lambda *a: asked.append(a) or plain[0](*a))
    monkeypatch.setattr(studio.catalog.database, "records", lambda *a: asked.append(a) or plain[1](*a))
    return asked


def test_a_tick_with_nothing_new_asks_the_catalog_nothing(studio, monkeypatch):
    studio.tick()
    asked = questions(studio, monkeypatch)
    for _ in range(10):
        studio.tick()
    assert asked == []


def test_a_tick_while_a_worker_is_silent_asks_nothing_and_still_sees_it_die(studio, monkeypatch):
    run_id, _ = studio.submit(Count(to=2, seconds_each=30.0))
    tick_until(studio, lambda: studio.catalog.runs.get(run_id).attempt == 1)
    studio.tick()
    asked = questions(studio, monkeypatch)
    for _ in range(10):
        studio.tick()
    assert asked == []
    os.kill(studio.catalog.runs.get(run_id).pid, signal.SIGKILL)
    tick_until(studio, lambda: studio.catalog.runs.get(run_id).state == "lost")


def test_a_worker_holds_no_more_memory_than_its_step_allows_and_says_so(studio):
    run_id, _ = studio.submit(Hungry())
    ended = studio.wait(run_id)
    assert ended.state == "failed"
    assert "Memory ran out" in ended.error
