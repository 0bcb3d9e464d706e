"""Updates through accelerate: in several passes and in several processes they are the updates of one.

`NEAR` is what that means here: the last bits differ, and five or six updates of Adam, which divides by the size of a
gradient, have made more of them.
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from synthstudio.engine import lora
from synthstudio.engine.updates import Updates
from synthstudio.errors import BadInput
from tests.engine import loops, pretend
from tests.engine.drawing import QUICK, loaded, photos, trained
from tests.engine.tiny_clip import make_clip
from tests.engine.tiny_timm import make_timm

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[2]
NEAR = {"rtol": 1e-3, "atol": 1e-5}  # rounding, after six updates of Adam


@pytest.fixture(scope="module")
def backbone(tiny_sd):
    return loaded(tiny_sd)


@pytest.fixture(scope="module")
def eyes(tmp_path_factory):
    """A CLIP model and a timm network."""
    folder = tmp_path_factory.mktemp("eyes")
    make_clip(folder / "clip", "vit")
    make_timm(folder / "timm")
    return folder


@pytest.fixture(scope="module")
def alone(eyes):
    """What every loop ends with in one pass and one process."""
    torch.set_num_threads(1)
    return loops.everything(eyes)


def weights(folder):
    return load_file(folder / "weights.safetensors")


def assert_near(some, others):
    assert some.keys() == others.keys()
    for name, tensor in some.items():
        assert torch.allclose(tensor, others[name], **NEAR), name


@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_several_passes_make_the_update_of_one(backbone, tmp_path, at_once):
    recipe = replace(QUICK, batch_size=5)
    trained(backbone, tmp_path / "whole", recipe)
    training = lora.Training(backbone, photos(backbone), recipe, tmp_path, at_once)
    assert len(training.updates.parts) == -(-5 // at_once) and not training.updates.alone
    list(training.run(100))
    training.write(tmp_path / "weights.safetensors")
    training.close()
    assert_near(weights(tmp_path), weights(tmp_path / "whole"))


def test_losses_that_compare_the_images_of_a_batch_see_it_whole(backbone, tmp_path):
    training = lora.Training(backbone, photos(backbone), replace(QUICK, diversity=0.1), tmp_path, 1)
    training.close()
    assert training.updates.alone


@pytest.mark.parametrize("at_once", [1, 2])
def test_every_loop_ends_with_several_passes_as_with_one(eyes, alone, at_once):
    assert_near(loops.everything(eyes, at_once), alone)


@pytest.mark.parametrize("made", [loops.of_clip, loops.of_timm])
def test_a_training_in_passes_resumes_to_the_same_bytes(eyes, tmp_path, made):
    unbroken, first = loops.finished(made(eyes, 2)), made(eyes, 2)
    for _ in range(3):
        first.advance()
    first.save(tmp_path / "checkpoint")
    again = made(eyes, 2)
    assert again.resume(tmp_path / "checkpoint") and again.step == 3
    assert all(torch.equal(one, unbroken[name]) for name, one in loops.finished(again).items())


def test_two_processes_train_the_weights_of_one(backbone, tiny_sd, eyes, alone, tmp_path):
    recipe = replace(QUICK, batch_size=5)
    trained(backbone, tmp_path / "one", recipe)
    (tmp_path / "two").mkdir()
    launched = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    script = ["-m", "tests.engine.in_two_processes", str(tiny_sd), str(eyes), str(tmp_path / "two")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*launched, *script], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "two" / "processes.txt").read_text() == "2"
    assert_near(weights(tmp_path / "two"), weights(tmp_path / "one"))
    assert_near(load_file(tmp_path / "two" / "others.safetensors"), alone)


def test_a_gradient_is_clipped_and_told_as_it_was():
    flat = nn.Parameter(torch.zeros(4))
    flat.grad = torch.zeros(4)
    updates = Updates(flat, torch.optim.SGD([flat], lr=1.0), torch.float32, size=2)
    value, length = updates.gradient(lambda rows: ((flat * 3).sum() + len(rows),) * 2)
    assert (value, length) == (2.0, 6.0)
    assert torch.allclose(flat.grad, torch.full((4,), 0.5))


def test_each_precision_may_follow_another_in_one_process():
    for dtype, precision in ((torch.float32, "no"), (torch.bfloat16, "bf16"), (torch.float32, "no")):
        flat = nn.Parameter(torch.ones(3))
        flat.grad = torch.zeros(3)
        updates = Updates(flat, torch.optim.SGD([flat], lr=0.1), dtype, size=1)
        assert updates.accelerator.mixed_precision == precision
        seen = []
        updates.gradient(lambda _, flat=flat, seen=seen: seen.append(nn.functional.linear(flat, flat[None])) or
                         (seen[0].float().sum(),) * 2)  # fmt: skip
        assert seen[0].dtype == dtype and flat.grad.dtype == torch.float32


def test_a_batch_smaller_than_the_processes_is_refused():
    flat = nn.Parameter(torch.ones(3))
    with pytest.raises(BadInput, match="cannot be shared"):
        Updates(flat, torch.optim.SGD([flat], lr=0.1), torch.float32, size=0)
