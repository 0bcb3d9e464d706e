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
from synthstudio.engine.told import Told
from synthstudio.engine.updates import Updates
from synthstudio.errors import BadInput, MemoryFull
from tests.engine import loops, pretend
from tests.engine.drawing import QUICK, loaded, photos, trained
from tests.engine.tiny_clip import make_clip
from tests.engine.tiny_timm import make_timm
from tests.matrix import first_of

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


@pytest.mark.parametrize("at_once", first_of([2, 1, 4]))
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


@pytest.mark.parametrize("at_once", first_of([2, 1]))
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


@pytest.mark.slow
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


def full_beyond(most, flat):
    """A loss for which the memory ends where more than `most` rows pass together; and the passes that were tried."""
    tried = []

    def loss_of(rows):
        tried.append(list(rows))
        if len(rows) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        loss = (flat * torch.tensor([float(row) for row in rows]).mean()).sum()
        return loss, loss

    return loss_of, tried


def sgd(size, at_once=0):
    flat = nn.Parameter(torch.ones(3))
    return flat, Updates(flat, torch.optim.SGD([flat], lr=0.1), torch.float32, size, at_once, None)


def test_a_pass_that_does_not_fit_is_halved_and_that_is_said_once():
    flat, updates = sgd(8)
    loss_of, tried = full_beyond(4, flat)
    for _ in range(2):
        told, _ = updates.backward(loss_of)
        assert told == 3.5 * 3 and torch.allclose(flat.grad, torch.full((3,), 3.5))
    assert [len(rows) for rows in tried] == [8, 4, 4, 4, 4]
    (note,) = updates.notes
    assert "8 images at once do not fit into memory" in note and "passes of 4" in note and "--batch" in note


def test_what_does_not_fit_as_a_half_is_refused_with_what_to_ask_for():
    flat, updates = sgd(8)
    with pytest.raises(MemoryFull, match="4 images at once do not fit.*passes of 2 or fewer"):
        updates.backward(full_beyond(2, flat)[0])
    flat, updates = sgd(1)
    with pytest.raises(MemoryFull, match="One image does not fit.*smaller model"):
        updates.backward(full_beyond(0, flat)[0])


def test_a_loss_that_compares_its_rows_is_not_cut_for_want_of_memory():
    flat, updates = sgd(8)
    updates.divisible = False
    with pytest.raises(MemoryFull, match="Lower batch_size"):
        updates.backward(full_beyond(4, flat)[0])


def test_other_errors_are_not_taken_for_want_of_memory():
    flat, updates = sgd(2)
    with pytest.raises(RuntimeError, match="shapes"):
        updates.backward(lambda _: ((flat @ torch.ones(4, 4)).sum(),) * 2)


@pytest.mark.parametrize("made", [loops.of_clip, loops.of_timm])
def test_a_training_that_does_not_fit_goes_on_in_smaller_passes(eyes, alone, made):
    training = made(eyes)

    def ends(_, inputs):
        if torch.is_grad_enabled() and len(inputs[0]) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    first = next(one for one in training.encoder.model.modules() if isinstance(one, nn.Conv2d))
    first.register_forward_pre_hook(ends)
    found = loops.finished(training)
    kind = "clip" if made is loops.of_clip else "timm"
    assert_near({f"{kind}.{name}": one for name, one in found.items()},
                {name: one for name, one in alone.items() if name.startswith(kind)})  # fmt: skip
    assert len(training.updates.notes) == 1 and len(training.updates.parts) == 2


def test_processes_look_at_their_losses_after_the_same_steps():
    alone, together = (Told(torch.device("cuda"), one) for one in (True, False))
    for step in range(50):
        assert alone.due and not together.due  # the clock of one process is not that of another
        together.add(step, torch.ones(2))
    assert together.due and [step for step, _ in together.read()] == list(range(50)) and not together.due


def test_trainings_of_one_process_may_take_turns():
    alone = [sgd(4, at_once) for at_once in (1, 0)]
    turns = [sgd(4, at_once) for at_once in (1, 0)]
    for flat, updates in alone:
        for _ in range(3):
            updates.backward(full_beyond(4, flat)[0])
            updates.step()
    for _ in range(3):
        for flat, updates in turns:
            updates.backward(full_beyond(4, flat)[0])
            updates.step()
    assert all(torch.equal(one, other) for (one, _), (other, _) in zip(alone, turns, strict=True))
    assert not torch.equal(turns[0][0], torch.ones(3))


def test_updates_beyond_float16_are_left_out_and_said():
    with pretend.card(bfloat16=False):
        flat = nn.Parameter(torch.ones(3).to(pretend.DEVICE))
        updates = Updates(flat, torch.optim.SGD([flat], lr=0.1), torch.float16, size=1)
        for _ in range(12):
            updates.backward(lambda _: ((flat * 1e38).sum(),) * 2)
            updates.step()
        assert flat.tolist() == [1.0] * 3 and updates.left_out == 12
    (note,) = updates.notes
    assert "beyond float16" in note and "Lower learning_rate" in note


@pytest.mark.parametrize("bfloat16", first_of([True, False]), ids=["bfloat16", "float16"])
def test_a_loss_that_is_no_number_is_said_with_its_precision_and_spares_the_checkpoint(eyes, tmp_path, bfloat16):
    with pretend.card(bfloat16=bfloat16):
        training = loops.of_clip(eyes, device=pretend.DEVICE, training_steps=60, learning_rate=1e30)
        training.save(tmp_path / "checkpoint")
        before = (tmp_path / "checkpoint").read_bytes()
        training._told._looked = float("inf")  # it reads as late as it may
        with pytest.raises(BadInput, match=r"step \d+ of 60, computed in b?float16, is not a number. Lower learning"):
            loops.finished(training)
        assert ("card with bfloat16" in training.updates.not_a_number(0, 1)) is not bfloat16
        training.save(tmp_path / "checkpoint")
    assert (tmp_path / "checkpoint").read_bytes() == before


def test_a_training_that_diverges_on_a_device_ends_where_it_ends_on_the_cpu(eyes):
    here = diverged(loops.of_timm(eyes, training_steps=40))
    with pretend.card():
        there = loops.of_timm(eyes, device=pretend.DEVICE, dtype=torch.float32, training_steps=40)
        there._told._looked = float("inf")  # it reads as late as it may
        ended = loops.tensors(diverged(there))
    assert 11 < here.diverged_at < 20 and here.good_step == 10
    assert (there.diverged_at, there.good_step, there.step) == (here.diverged_at, here.good_step, here.step)
    assert_near(ended, loops.tensors(here))


def diverged(training):
    """A training whose rate is far too high from its twelfth step on."""
    while not training.done:
        if training.step == 11:
            training.settings = replace(training.settings, learning_rate=1e3)
        training.advance()
    return training
