"""The device that tests of devices run on: pretended on every machine, and the real one where there is one."""

import pytest
import torch

from synthstudio.engine import lora
from tests.engine import pretend

DEVICES = ["pretended", pytest.param("real", marks=pytest.mark.gpu)]


@pytest.fixture(params=DEVICES)
def cuda(request):
    """`cuda:0`, pretended or real: what passes on the one has to pass on the other."""
    if request.param == "pretended":
        with pretend.card():
            yield pretend.DEVICE
    elif torch.cuda.is_available():
        yield torch.device("cuda:0")
    else:
        pytest.skip("no CUDA device")


@pytest.fixture
def card():
    """The pretended device itself, for what cannot be asked of a real one: how often the program waits for it."""
    with pretend.card() as found:
        yield found


@pytest.fixture(scope="module", autouse=True)
def few_probes():
    """Trainings of a few steps that do not measure their loss for longer than they train."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lora, "PROBES", 4)
        yield
