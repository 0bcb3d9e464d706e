"""Workers forked from a process that has the engine loaded: same results, sooner."""

import logging
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from synthstudio.jobs import Studio
from synthstudio.jobs.running.launchers import ProcessLauncher, WarmLauncher, default_launcher
from synthstudio.jobs.running.run_folder import LOG
from tests.jobs.conftest import tick_until
from tests.jobs.counting import Paint, Tell

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forking a loaded process is done on Linux only")


@pytest.fixture
def short():
    """A folder whose name leaves room for that of a socket, which pytest's own do not."""
    folder = Path(tempfile.mkdtemp(prefix="nursery"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def studio(tmp_path, short, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(short))
    monkeypatch.setenv("SYNTHSTUDIO_STEPS", "tests.jobs.counting")
    monkeypatch.setenv("OAUTH_CLIENT_SECRET", "a secret of the page")
    monkeypatch.setattr("tempfile.tempdir", None)
    with Studio(tmp_path / "home", launcher=WarmLauncher()) as opened:
        yield opened


def test_a_forked_worker_stops_dies_and_resumes_like_any_other(studio, short, monkeypatch):
    run_id, _ = studio.submit(Paint(images=30, seconds_each=0.1))
    tick_until(studio, lambda: studio.catalog.images.count(run_id) >= 2, seconds=300)
    pid = studio.catalog.runs.get(run_id).pid
    assert os.getsid(pid) == pid, "a worker has a session of its own"
    os.kill(pid, signal.SIGKILL)
    lost = studio.wait(run_id)
    assert lost.state == "lost"
    assert "killed (signal 9)" in lost.error, "the nursery, its parent, says how it ended"
    studio.resume(run_id)
    assert studio.wait(run_id).state == "done"
    assert studio.catalog.images.count(run_id) == 30
    monkeypatch.setenv("HF_TOKEN", "a secret of later")
    told_id, _ = studio.submit(Tell())
    assert studio.wait(told_id).state == "done"
    told = studio.workspace.document(studio.catalog.runs.outputs(told_id)["document"])
    assert not {"OAUTH_CLIENT_SECRET", "HF_TOKEN"} & told.keys(), "it is told no secret, old or new"
    assert told["SYNTHSTUDIO_STEPS"] == "tests.jobs.counting"
    next(short.rglob("nursery-*.sock")).unlink()


def test_a_nursery_that_cannot_start_is_not_waited_for(tmp_path, short, monkeypatch):
    monkeypatch.setenv("SYNTHSTUDIO_STEPS", "tests.jobs.counting")
    monkeypatch.setattr("tempfile.tempdir", str(short))
    launcher = WarmLauncher(patience_seconds=3000)
    launcher.address = short / ("x" * 100) / "nursery.sock"  # nobody can listen there
    launcher.address.parent.mkdir()
    with Studio(tmp_path / "home", launcher=launcher) as studio:
        run_id, _ = studio.submit(Paint(images=1))
        assert studio.wait(run_id).state == "done"
        assert "a fresh process loads the engine itself" in (studio.workspace.run_folder(run_id) / LOG).read_text()


def test_where_no_socket_fits_every_run_has_a_fresh_process(tmp_path, monkeypatch, caplog):
    (tmp_path / ("x" * 100)).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("x" * 100)))
    with caplog.at_level(logging.WARNING):
        assert type(default_launcher()) is ProcessLauncher
    assert "Set TMPDIR to a folder with a shorter name" in caplog.text
