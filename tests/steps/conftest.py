"""What most tests of steps begin with: an empty workspace and a tiny CLIP."""

import pytest

from tests.engine.conftest import few_probes  # noqa: F401  a fixture of this folder too
from tests.engine.tiny_clip import make_clip
from tests.steps.kit import work_in


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "vit", "vit")


@pytest.fixture(scope="module")
def shelf():
    """Backbones that the tests of a file load once, for files that ask for it."""
    return {}


@pytest.fixture
def work(tmp_path):
    return work_in(tmp_path)
