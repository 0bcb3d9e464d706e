import pytest

from synthstudio.ui.session.state import StudioSession


class NoLauncher:
    """Starts nothing: the page's own code is looked at, not a worker's."""

    def launch(self, folder, computes):
        return None

    def alive(self, pid, started):
        return False


@pytest.fixture
def session(tmp_path):
    opened = StudioSession(tmp_path / "home")
    opened.studio.launcher = NoLauncher()
    yield opened
    opened.close()
