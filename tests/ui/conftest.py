import pytest

from synthstudio.catalog.database import Database
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


@pytest.fixture
def questions(monkeypatch):
    """A function that calls another one: its answer, and how many questions the catalog was asked meanwhile."""

    def counted(ask):
        with monkeypatch.context() as counting:
            queries = []
            for name in ("rows", "records"):
                query = getattr(Database, name)
                counting.setattr(Database, name, lambda *given, q=query: (queries.append(given[1]), q(*given))[1])
            return ask(), len(queries)

    return counted
