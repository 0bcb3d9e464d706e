import pytest

from synthstudio.jobs import Studio
from tests.jobs.inline import InlineLauncher


@pytest.fixture
def studio(tmp_path):
    with Studio(tmp_path / "home", launcher=InlineLauncher()) as opened:
        yield opened
