"""What reaches a worker of the environment: what it needs, and no secret under whatever name."""

import os
import subprocess
import sys

import pytest

from synthstudio.jobs import Studio
from synthstudio.jobs.public import zerogpu
from synthstudio.jobs.running.launchers import ProcessLauncher
from synthstudio.ui.api.uploads import Uploads
from synthstudio.ui.session.state import StudioSession
from tests.jobs.counting import Tell
from tests.ui.pictures import png
from tests.ui.served import STANDIN

SECRETS = {
    "OAUTH_CLIENT_SECRET": "s1", "OAUTH_CLIENT_ID": "s2", "HF_TOKEN": "s3", "SYNTHSTUDIO_PASSWORD": "s4",
    "AWS_SECRET_ACCESS_KEY": "s5", "PYTHON_REGISTRY_TOKEN": "s6", "DATABASE_URL": "s7", "SESSION_KEY": "s8",
    "HUGGING_FACE_HUB_TOKEN": "s9", "CUDA_API_KEY": "s10",
}  # fmt: skip
NEEDED = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "SYNTHSTUDIO_STEPS": "tests.jobs.counting"}


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    for name, value in (SECRETS | NEEDED).items():
        monkeypatch.setenv(name, value)


def told_by(launcher, home):
    with Studio(home, launcher=launcher) as studio:
        run_id, _ = studio.submit(Tell())
        assert studio.wait(run_id).state == "done", studio.catalog.runs.get(run_id).error
        return studio.workspace.document(studio.catalog.runs.outputs(run_id)["document"])


def a_process(home, monkeypatch):
    return told_by(ProcessLauncher(), home)


def a_fork_of_the_page(home, monkeypatch):
    monkeypatch.syspath_prepend(str(STANDIN))
    try:
        return told_by(zerogpu.ZeroLauncher(), home)
    finally:
        sys.modules.pop("spaces", None)  # other tests ask what is done without it


@pytest.mark.skipif(sys.platform != "linux", reason="forking is done on Linux only")
@pytest.mark.parametrize("told", [a_process, a_fork_of_the_page])
def test_no_worker_is_told_a_secret(tmp_path, monkeypatch, told):
    found = told(tmp_path / "home", monkeypatch)
    assert not SECRETS.keys() & found.keys()
    assert not set(SECRETS.values()) & set(found.values())
    assert found.items() >= NEEDED.items()
    assert found["PATH"] == os.environ["PATH"]
    assert found["HF_HUB_OFFLINE"] == "1"
    assert os.environ.items() >= SECRETS.items(), "the page itself keeps what it was told"


def test_a_look_at_uploaded_files_is_told_no_secret(tmp_path, monkeypatch):
    told, looks, real = [], [], subprocess.Popen

    def recorded(*arguments, **options):
        told.append(options.get("env", os.environ))
        looks.append(real(*arguments, **options))
        return looks[-1]

    monkeypatch.setattr(subprocess, "Popen", recorded)
    session = StudioSession(tmp_path / "home")
    uploads = Uploads(session)
    token = uploads.begin()
    folder = session.home / "tmp" / "uploads" / token / "files" / "cats"
    folder.mkdir()
    (folder / "1.png").write_bytes(png(1))
    uploads.check(token, "")
    looks[0].wait(60)
    assert uploads.status(token)["report"]["images"] == 1
    uploads.close()
    session.studio.close()
    assert not SECRETS.keys() & told[0].keys()
