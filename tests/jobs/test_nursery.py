"""Workers forked from a process that has the engine loaded: same results, sooner."""

import os
import signal
import sys

import pytest

from synthstudio.jobs import Studio
from synthstudio.jobs.launchers import WarmLauncher
from tests.jobs.conftest import tick_until
from tests.jobs.counting import Paint

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forking a loaded process is done on Linux only")


@pytest.fixture
def studio(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("SYNTHSTUDIO_STEPS", "tests.jobs.counting")
    monkeypatch.setattr("tempfile.tempdir", None)
    with Studio(tmp_path / "home", launcher=WarmLauncher()) as opened:
        yield opened


def test_a_forked_worker_stops_dies_and_resumes_like_any_other(studio, tmp_path):
    run_id, _ = studio.submit(Paint(images=30, seconds_each=0.1))
    tick_until(studio, lambda: studio.catalog.images.count(run_id) >= 2, seconds=90)
    pid = studio.catalog.runs.get(run_id).pid
    assert os.getsid(pid) == pid, "a worker has a session of its own"
    os.kill(pid, signal.SIGKILL)
    assert studio.wait(run_id).state == "lost"
    studio.resume(run_id)
    assert studio.wait(run_id).state == "done"
    assert studio.catalog.images.count(run_id) == 30
    next(tmp_path.rglob("nursery-*.sock")).unlink()
