"""Workers forked from a process that has the engine loaded: same results, sooner."""

import os
import signal
import sys

import pytest

from synthstudio.jobs import Studio
from synthstudio.jobs.launchers import WarmLauncher
from tests.jobs.conftest import tick_until
from tests.jobs.counting import Paint, Tell

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forking a loaded process is done on Linux only")


@pytest.fixture
def studio(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("SYNTHSTUDIO_STEPS", "tests.jobs.counting")
    monkeypatch.setenv("OAUTH_CLIENT_SECRET", "a secret of the page")
    monkeypatch.setattr("tempfile.tempdir", None)
    with Studio(tmp_path / "home", launcher=WarmLauncher()) as opened:
        yield opened


def test_a_forked_worker_stops_dies_and_resumes_like_any_other(studio, tmp_path, monkeypatch):
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
    next(tmp_path.rglob("nursery-*.sock")).unlink()
