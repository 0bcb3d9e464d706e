"""Resources that save memory or time: the same updates and the same images with them as without."""

from dataclasses import replace

import pytest
import torch

from synthstudio.engine import backbones, diffusion, lora
from synthstudio.engine.diffusion import Request, Settings
from synthstudio.errors import BadInput, MemoryFull
from tests.engine.drawing import CPU, QUICK, furthest, loaded, photos
from tests.engine.test_diffusion import ROUNDING
from tests.engine.test_updates import NEAR
from tests.engine.tiny import SIZE

SHORT = Settings(guidance_scale=3.0, inference_steps=2, resolution=SIZE)
CATS = [Request("a photo of a cat", "", seed) for seed in range(3)]
LONG = replace(QUICK, steps=100, warmup_steps=0)  # so long that its loss is not measured on the way


@pytest.fixture(scope="module")
def backbone(tiny_sd):
    return loaded(tiny_sd)


@pytest.fixture
def fresh(backbone):
    """Given back as it was, whatever was hung on it."""
    yield backbone
    for one in (backbone.denoiser, backbone.vae.decoder):
        one._forward_pre_hooks.clear()
    backbone.slicing, backbone.device = False, CPU
    backbone.notes.clear()


def learned(backbone, folder, checkpointing, recipe=LONG, steps=1):
    """The weights of an adapter and its last gradient after some steps, and what was said on the way."""
    training = lora.Training(backbone, photos(backbone), recipe, folder, checkpointing=checkpointing)
    running = training.run(1000)
    for _ in range(steps):
        next(running)
    found = torch.cat([training.flat.detach(), training.flat.grad])
    training.save = lambda: None  # nobody goes on with it
    running.close()
    training.close()
    return found, training.updates.notes


@pytest.mark.parametrize(("family", "method"), [("tiny_sd", "lora"), ("tiny_sdxl", "lokr"), ("tiny_klein", "lora")])
def test_activations_computed_again_give_the_same_gradients(request, tmp_path, family, method):
    backbone = loaded(request.getfixturevalue(family))
    recipe, seen = replace(LONG, method=method), []
    kept, _ = learned(backbone, tmp_path, "off", recipe)
    block = "transformer_blocks.0" if family == "tiny_klein" else "up_blocks.0.resnets.0"
    backbone.denoiser.get_submodule(block).register_forward_pre_hook(lambda *_: seen.append(torch.is_grad_enabled()))
    again, _ = learned(backbone, tmp_path, "on", recipe)
    assert torch.equal(again, kept) and seen == [True, True]
    learned(backbone, tmp_path, "off", recipe)  # nothing of it is left
    assert seen == [True] * 3


class Full:
    """A denoiser whose memory ends where more than so many images pass together and its activations are kept."""

    def __init__(self, denoiser, kept, again=99):
        self.tried = []

        def ends(_, inputs):
            resnet = next(one for one in denoiser.modules() if hasattr(one, "gradient_checkpointing"))
            if not torch.is_grad_enabled():
                return
            self.tried.append((len(inputs[0]), resnet.gradient_checkpointing))
            if len(inputs[0]) > (again if resnet.gradient_checkpointing else kept):
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

        self.handle = denoiser.register_forward_pre_hook(ends)


def test_what_does_not_fit_as_a_half_keeps_no_activations_and_that_is_said(fresh, tmp_path):
    whole, _ = learned(fresh, tmp_path / "whole", "off", replace(LONG, batch_size=4))
    full = Full(fresh.denoiser, kept=1)
    weights, notes = learned(fresh, tmp_path / "tight", "auto", replace(LONG, batch_size=4))
    assert full.tried[:3] == [(4, False), (2, False), (2, True)] and all(one == (2, True) for one in full.tried[2:])
    assert torch.allclose(weights, whole, **NEAR)
    assert "passes of 2" in notes[0] and "gradient checkpointing" in notes[1] and "--checkpointing on" in notes[1]


def test_a_batch_that_cannot_be_cut_keeps_no_activations_at_once(fresh, tmp_path):
    full = Full(fresh.denoiser, kept=1)
    compared = replace(LONG, batch_size=4, diversity=0.1)
    _, notes = learned(fresh, tmp_path, "auto", compared)
    assert full.tried[:2] == [(4, False), (4, True)] and "gradient checkpointing" in notes[0]


@pytest.mark.parametrize(("checkpointing", "again"), [("off", 9), ("auto", 1)])
def test_what_does_not_fit_even_so_is_refused(fresh, tmp_path, checkpointing, again):
    Full(fresh.denoiser, kept=1, again=again)
    with pytest.raises(MemoryFull, match="2 images at once do not fit.*passes of 1 or fewer"):
        learned(fresh, tmp_path, checkpointing, replace(LONG, batch_size=4))


def test_one_image_after_the_other_is_decoded_to_the_same_images(backbone):
    together = diffusion.sample(backbone, CATS, SHORT)
    seen = []
    handle = backbone.vae.decoder.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    backbone.slicing = True
    alone = diffusion.sample(backbone, CATS, SHORT)
    backbone.slicing = False
    handle.remove()
    assert seen == [1, 1, 1]
    assert max(map(furthest, together, alone)) <= ROUNDING


def test_images_that_do_not_fit_together_are_decoded_one_after_the_other_and_that_is_said(fresh):
    together = diffusion.sample(fresh, CATS, SHORT)
    fresh.vae.decoder.register_forward_pre_hook(ends_beyond(1))
    assert max(map(furthest, together, diffusion.sample(fresh, CATS, SHORT))) <= ROUNDING
    (note,) = fresh.notes
    assert "3 images at once" in note and "--slicing" in note
    diffusion.sample(fresh, CATS, SHORT)
    assert len(fresh.notes) == 1


def test_one_image_that_does_not_fit_is_refused_with_what_to_do(fresh):
    fresh.vae.decoder.register_forward_pre_hook(ends_beyond(0))
    with pytest.raises(MemoryFull, match="cannot hold one image of this size.*smaller resolution"):
        diffusion.sample(fresh, CATS[:1], SHORT)


def test_an_error_that_is_not_of_memory_is_not_taken_for_one(fresh):
    def breaks(*_):
        raise RuntimeError("shapes cannot be multiplied")

    fresh.vae.decoder.register_forward_pre_hook(breaks)
    with pytest.raises(RuntimeError, match="shapes"):
        diffusion.sample(fresh, CATS, SHORT)
    assert not fresh.slicing


def ends_beyond(most):
    def ends(_, inputs):
        if len(inputs[0]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    return ends


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="compiling takes minutes on a CPU; runs where CUDA is found")
def test_a_compiled_model_learns_and_draws_what_the_other_does(tiny_sd, tmp_path):
    one, other = (backbones.load(tiny_sd, torch.device("cuda:0"), torch.float32) for _ in range(2))
    other.compile()
    for seed in (1, 2):  # a second training has other layers beside the same model
        recipe = replace(LONG, seed=seed)
        found = [learned(each, tmp_path / f"{n}{seed}", "off", recipe, 3)[0] for n, each in enumerate((one, other))]
        assert torch.allclose(*found, rtol=1e-2, atol=1e-4)
        assert max(map(furthest, *(diffusion.sample(each, CATS, SHORT) for each in (one, other)))) <= 2


@pytest.mark.parametrize("device", ["mps", "cpu"])
def test_what_cannot_be_compiled_is_refused_with_the_reason(fresh, device):
    from torch._inductor import config

    fresh.device = torch.device(device)
    with config.patch({"cpp.cxx": ("no-compiler-of-this-name",)}), pytest.raises(BadInput, match="--compile") as said:
        fresh.compile()
    assert ("no C++ compiler" in str(said.value)) == (device == "cpu") and not fresh.compiled
