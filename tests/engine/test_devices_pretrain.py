"""Every stage of the pretraining makes its steps on a device, in half precision, and does not wait for it."""

import pytest

from synthstudio.engine.devices import working_dtype
from synthstudio.engine.pretrain.loop import Draw, Loop, Plan
from tests.engine import pretend
from tests.engine.test_pretrain import STAGES, mixture, stage  # noqa: F401 - a fixture


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_makes_a_step(cuda, name, mixture, tmp_path):  # noqa: F811
    loop = Loop(stage(name, mixture), tmp_path, Plan(steps=2, ema=0.9), str(cuda))
    numbers = loop._update(Draw(0, 0, 0.9, cuda))
    loop.save()
    assert loop.updates.dtype is working_dtype(cuda) and all(bool(one.isfinite()) for one in numbers.values())
    assert all(one.device == cuda for one in loop.named.values())


@pytest.mark.parametrize("name", ["all terms", "clip", "judge", "aligned unet", "words"])
def test_a_step_does_not_wait(card, name, mixture, tmp_path):  # noqa: F811
    loop = Loop(stage(name, mixture), tmp_path, Plan(steps=2, ema=0.9), str(pretend.DEVICE))
    card.waits.clear()
    loop._update(Draw(0, 0, 0.9, pretend.DEVICE))
    assert not card.waits
