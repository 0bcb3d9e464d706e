"""How a run ended is told by its cause: memory, disk, a kill, or a page that was started anew."""

import os
import signal

import pytest

from synthstudio.jobs import Studio
from synthstudio.jobs.running import causes, endings
from synthstudio.jobs.running.launchers import ProcessLauncher
from tests.jobs.conftest import tick_until
from tests.jobs.counting import Count, Fail


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("limit", r"Memory ran out: the worker had used \d+ MB of \d+ MB\. Use a smaller batch"),
        ("torch", r"Memory ran out: the worker had used \d+ MB of \d+ MB\. Use a smaller batch"),
        ("disk", r"disk that holds .* is full\. Free some space .* resume: it goes on from its last checkpoint"),
        ("file", r"disk that holds .* is full\. Free some space .* resume: it goes on from its last checkpoint"),
    ],
)
def test_a_failure_for_memory_or_disk_says_which_and_what_to_do(studio, how, said):
    import re

    run_id, _ = studio.submit(Fail(how=how))
    ended = studio.wait(run_id)
    assert ended.state == "failed"
    assert re.search(said, ended.error)
    assert "Traceback" not in ended.error and "Unexpected" not in ended.error


@pytest.mark.parametrize(
    "said", ["CUDA error: unspecified launch failure\nCUDA kernel errors", "No CUDA GPUs are available"]
)
def test_a_card_that_vanishes_is_said_with_how_to_go_on_and_what_the_result_is_worth(said, tmp_path):
    told = causes.sentence(RuntimeError(said), tmp_path, 100.0)
    assert said.splitlines()[0] in told and "Resume the run" in told and "last checkpoint" in told
    assert "same up to rounding, not to the byte" in told and "kernel errors" not in told
    assert "Unexpected RuntimeError" in causes.sentence(RuntimeError("shapes cannot be multiplied"), tmp_path, 100.0)
    assert "memory ran out" in causes.sentence(RuntimeError("CUDA error: out of memory"), tmp_path, 100.0)


def killed(studio, number=signal.SIGKILL):
    run_id, _ = studio.submit(Count(to=2, seconds_each=30.0))
    tick_until(studio, lambda: studio.catalog.runs.get(run_id).attempt == 1)
    os.kill(studio.catalog.runs.get(run_id).pid, number)
    return studio.wait(run_id)


def test_a_killed_worker_is_said_to_be_killed_with_what_it_used(studio):
    ended = killed(studio)
    assert ended.state == "lost"
    assert "killed (signal 9)" in ended.error and "memory ran out" in ended.error
    assert "MB of" in ended.error and "smaller batch" in ended.error


def test_a_crash_is_not_called_a_lack_of_memory(studio):
    ended = killed(studio, signal.SIGSEGV)
    assert "signal 11" in ended.error
    assert "memory ran out" not in ended.error


def test_a_worker_that_dies_while_nobody_has_the_project_open_is_not_blamed_on_memory(studio, tmp_path, monkeypatch):
    monkeypatch.setattr(endings.Worker, "ended", lambda *_: None)  # its parent, the page, is gone as well
    with Studio(tmp_path / "other", launcher=ProcessLauncher()) as first:
        run_id, _ = first.submit(Count(to=2, seconds_each=30.0))
        tick_until(first, lambda: first.catalog.runs.get(run_id).attempt == 1)
        os.kill(first.catalog.runs.get(run_id).pid, signal.SIGKILL)
    with Studio(tmp_path / "other", launcher=ProcessLauncher()) as second:
        ended = second.wait(run_id)
    assert ended.state == "lost"
    assert ended.error.startswith("The worker process is gone.")


def test_a_note_of_an_earlier_worker_is_not_believed(tmp_path):
    (tmp_path / endings.NOTE).write_text('{"pid": 1, "code": -9, "peak_mb": 1, "memory_mb": 2, "for_memory": true}')
    assert "killed" not in endings.Endings().why(tmp_path, 2**22 + 1, alive=False)
