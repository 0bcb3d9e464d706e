import os
import signal
import time

import pytest

import tests.jobs.counting  # noqa: F401
from synthstudio.jobs import Studio
from synthstudio.jobs.running.launchers import ProcessLauncher


@pytest.fixture
def studio(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTHSTUDIO_STEPS", "tests.jobs.counting")
    with Studio(tmp_path / "home", launcher=ProcessLauncher()) as opened:
        yield opened
        for run in opened.catalog.runs.in_state("running", "stopping"):
            with_pid = run.pid or 0
            if opened.launcher.alive(with_pid, run.pid_started or 0.0):
                os.kill(with_pid, signal.SIGKILL)


def tick_until(studio, condition, seconds=20.0):
    """Tick until the condition holds; fails the test if it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        studio.tick()
        time.sleep(0.02)
