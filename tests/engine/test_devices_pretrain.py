"""Every stage of the pretraining makes a step on a device."""

import pytest

from synthstudio.engine.pretrain.loop import Draw, Loop, Plan
from tests.engine.test_pretrain import STAGES, mixture, stage  # noqa: F401 - a fixture


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_makes_a_step(cuda, name, mixture, tmp_path):  # noqa: F811
    loop = Loop(stage(name, mixture), tmp_path, Plan(steps=2, ema=0.9), str(cuda))
    numbers = loop._update(Draw(0, 0, 0.9, cuda))
    loop.save()
    assert numbers["loss"] == numbers["loss"]
    assert all(one.device == cuda for one in loop.named.values())
