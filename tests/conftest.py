"""Fixtures that more than one folder of tests needs; each is made once."""

import pytest


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
