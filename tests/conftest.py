"""Fixtures that more than one folder of tests needs; each is made once."""

import os

import pytest

# Several files of tests run at once. Each layer of a small model waits for the slowest of its threads, so on two busy
# cores a second one makes it up to ten times slower. Read by torch when it is imported, and by every process of a test.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked `slow` too: before a release")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A push is tested on one of a kind; all recipes, kinds and precisions are tested where one asks for them."""
    if not config.getoption("--slow"):
        left_out = [item for item in items if item.get_closest_marker("slow")]
        items[:] = [item for item in items if not item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def tiny_sd(tmp_path_factory):
    """A Stable-Diffusion folder with random weights that predicts noise."""
    from tests.engine.tiny import write_stable_diffusion

    return write_stable_diffusion(tmp_path_factory.mktemp("models") / "tiny-sd")


@pytest.fixture(scope="session")
def tiny_sd2(tmp_path_factory):
    """One as Stable Diffusion 2 is made: linear projections, heads of fixed width, predicts velocity."""
    from tests.engine.tiny import write_stable_diffusion

    return write_stable_diffusion(tmp_path_factory.mktemp("models") / "tiny-sd2", "v_prediction", linear=True)


@pytest.fixture(scope="session")
def tiny_sdxl(tmp_path_factory):
    """A Stable-Diffusion-XL folder with random weights: two text encoders, a UNet that is told sizes."""
    from tests.engine.tiny import write_sdxl

    return write_sdxl(tmp_path_factory.mktemp("models") / "tiny-sdxl")


@pytest.fixture(scope="session")
def tiny_klein(tmp_path_factory):
    """A FLUX.2 klein folder with random weights: a flow, a transformer, a language model."""
    from tests.engine.tiny import write_flux2_klein

    return write_flux2_klein(tmp_path_factory.mktemp("models") / "tiny-klein")


@pytest.fixture(scope="session")
def colours_clip(tmp_path_factory):
    """The tiny CLIP that the recipe of colours is judged by."""
    from tests.engine.tiny_clip import make_clip

    return make_clip(tmp_path_factory.mktemp("colours-clip") / "clip", "vit")


@pytest.fixture(scope="session")
def colours(tmp_path_factory, colours_clip):
    """A home with a finished recipe of one fold, see `tests.jobs.colours`; tests work on copies."""
    from synthstudio.jobs import Studio
    from tests.jobs.colours import carried_out, recipe
    from tests.jobs.inline import InlineLauncher

    home = tmp_path_factory.mktemp("colours") / "home"
    with Studio(home, launcher=InlineLauncher()) as studio:
        assert carried_out(studio, recipe(studio, colours_clip)) == "done"
    return home
