"""Small sets on a device: every matching loss on every form, the judge, the observer and the starts."""

from functools import cache

import pytest
import torch

from synthstudio.engine import backbones, encoders
from synthstudio.engine.distil import generators, judge, mosaic, trajectories
from synthstudio.engine.distil.distilling import Course, Distillation
from synthstudio.engine.distil.forms import FORMS, Materials
from synthstudio.engine.distil.matching import METHODS
from synthstudio.engine.distil.networks import ARCHITECTURES
from synthstudio.engine.distil.starts import Start, start
from tests.engine import pretend
from tests.engine.distil.kit import SIZE, real_images, teaching
from tests.engine.drawing import CPU
from tests.engine.tiny_clip import make_clip
from tests.engine.tiny_timm import make_timm
from tests.matrix import first_of

LOSSES = {
    "dc": {"outer": 4, "inner": 1},
    "dm": {},
    "mtt": {"student_steps": 2, "expert_epochs": 1},
}
SCHOOLING = trajectories.Schooling("convnet", 4, epochs=2, batch_size=16, operations=("crop", "color"))
OPERATIONS = judge.operations(augmented=True, flip=True)
ABOUT = generators.About(architecture="convolutional", latent=(4, 4, 4), widths=(8, 8), groups=4)
RULES = ["noise", "real", "herding", "k_means", "class_mean", "mean_latent"]


@pytest.fixture(scope="module")
def brought(tmp_path_factory):
    """The folder of a generator that somebody brings."""
    folder = tmp_path_factory.mktemp("generator")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generators.save(folder / "mine.safetensors", generators.ConvolutionalGenerator(ABOUT))
    return folder


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """Two experts, taught on the CPU."""
    files = [tmp_path_factory.mktemp("experts") / f"{number}.safetensors" for number in range(2)]
    for number, file in enumerate(files):
        trajectories.write(file, list(trajectories.school(real_images(), SCHOOLING, number, CPU)))
    return trajectories.Trajectories(files, SCHOOLING.start(real_images(), 0))


@pytest.fixture(scope="module")
def vae(tiny_sd):
    """The autoencoder of a backbone that works in bfloat16, by device; read once, as nobody changes it."""
    return cache(lambda device, _real: backbones.load(tiny_sd, device, torch.bfloat16).vae)


@pytest.fixture
def form(cuda, brought, vae, request):
    """The forms by name, on the device or on the CPU."""
    real = request.node.callspec.params["cuda"]

    def made(name, level=1, device=cuda):
        materials = Materials(
            real_images().normalisation, SIZE, level, SIZE, device, lambda: brought, lambda: vae(device, real)
        )
        return FORMS[name].of(materials)

    return made


def distilled(form, folder, name, device, taught, rule="noise", steps=3, **more):
    """The losses of a distillation, and its images on the CPU."""
    folder.mkdir()
    fields = {"operations": OPERATIONS, "trajectories": taught, **LOSSES[name], **more}
    variables = start(form, real_images(), Start(rule, 2, 0), device)
    matching = METHODS[name](teaching(device=device, **fields))
    course = Course(steps, 0.05, realism=0.1)
    distilling = Distillation(form, matching, variables, course, folder)
    losses = [tick.values["loss"] for tick in distilling.run(2)]
    assert (folder / "checkpoint.safetensors").exists() and distilling.variables.device == device
    return losses, distilling.images().cpu()


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("shape", FORMS)
def test_a_set_becomes_what_it_becomes_on_the_cpu(cuda, form, taught, tmp_path, name, shape):
    losses, images = distilled(form(shape), tmp_path / "there", name, cuda, taught)
    expected, ours = distilled(form(shape, device=CPU), tmp_path / "here", name, CPU, taught)
    assert losses == pytest.approx(expected, rel=1e-3)
    assert torch.allclose(images, ours, atol=1e-2)


@pytest.mark.parametrize("network", ARCHITECTURES)
@pytest.mark.parametrize("name", first_of(METHODS))
def test_every_network_can_be_matched(cuda, form, taught, tmp_path, name, network):
    if name == "mtt":
        schooling = trajectories.Schooling(network, 4, epochs=1, batch_size=16)
        file = tmp_path / "expert.safetensors"
        trajectories.write(file, list(trajectories.school(real_images(), schooling, 0, cuda)))
        taught = trajectories.Trajectories([file], schooling.start(real_images(), 0))
    losses, _ = distilled(form("pixels"), tmp_path / "set", name, cuda, taught, steps=2, network=network)
    assert all(loss == loss for loss in losses)


@pytest.mark.parametrize("kind", ["clip", "timm"])
def test_features_of_an_encoder_are_matched(cuda, form, tmp_path, kind):
    folder = make_clip(tmp_path / "eye", "vit") if kind == "clip" else make_timm(tmp_path / "eye")
    encoder = encoders.load(folder, cuda)
    losses, _ = distilled(form("pixels"), tmp_path / "set", "dm", cuda, None, encoder=encoder)
    assert all(loss == loss for loss in losses)


@pytest.mark.parametrize("name", METHODS)
def test_a_stopped_distillation_goes_on(cuda, form, taught, tmp_path, name):
    expected, images = distilled(form("pixels"), tmp_path / "whole", name, cuda, taught, steps=4)
    variables = start(form("pixels"), real_images(), Start("noise", 2, 0), cuda)
    fields = {"operations": OPERATIONS, "trajectories": taught, **LOSSES[name]}
    course = Course(4, 0.05, realism=0.1)
    (tmp_path / "broken").mkdir()

    def made():
        return Distillation(form("pixels"), METHODS[name](teaching(device=cuda, **fields)), variables, course,
                            tmp_path / "broken")  # fmt: skip

    running = made().run(100)
    next(running), next(running)
    running.close()
    again = made()
    assert [tick.values["loss"] for tick in again.run(100)] == pytest.approx(expected[2:], rel=1e-3)
    assert torch.allclose(again.images().cpu(), images, atol=1e-3)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("shape", ["pixels", "latents"])
def test_every_start_is_the_one_of_the_cpu(cuda, form, rule, shape):
    there = start(form(shape), real_images(), Start(rule, 2, 0), cuda)
    here = start(form(shape, device=CPU), real_images(), Start(rule, 2, 0))
    assert torch.allclose(there.cpu(), here, atol=1e-3)


def test_an_expert_learns_what_it_learns_on_the_cpu(cuda):
    here, there = (list(trajectories.school(real_images(), SCHOOLING, 0, device)) for device in (CPU, cuda))
    assert [one.loss for one in there[1:]] == pytest.approx([one.loss for one in here[1:]], rel=1e-3)
    assert all(one.device == CPU for one in there[-1].parameters.values())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "teacher"])
def test_the_judge_answers_as_on_the_cpu(cuda, architecture, soft):
    assert judged(cuda, architecture, soft) == judged(CPU, architecture, soft)


def judged(device, architecture, soft):
    """What a network answers that was trained on the device."""
    real = real_images()
    plain = judge.Training(2, 8, 4, device=device)
    teacher = judge.train("convnet", real.pixels, real.places, 3, plain, real.normalisation, 0) if soft else None
    how = judge.Training(6, 8, 4, 1e-2, OPERATIONS, 0.5, teacher, device)
    network = judge.train(architecture, real.pixels, real.places, 3, how, real.normalisation, 1)
    assert network.device == device
    return judge.answers(network, real.pixels, real.normalisation)


def test_a_step_of_the_judge_does_not_wait(card):
    real = real_images()
    for steps in (2, 12):
        card.waits.clear()
        how = judge.Training(steps, 8, 4, 1e-2, OPERATIONS, 0.5, device=pretend.DEVICE)
        judge.train("convnet", real.pixels, real.places, 3, how, real.normalisation, 1)
        assert len(card.waits) == 1


def test_the_observer_prefers_the_patches_it_prefers_on_the_cpu(cuda):
    real, cutting = real_images(), mosaic.Cutting(3, 0.4, 2, 0)
    found = []
    for device in (CPU, cuda):
        how = judge.Training(4, 8, 4, device=device)
        observer = mosaic.observer("convnet", real.pixels, real.places, how, real.normalisation, 0)
        found.append(mosaic.best_patches(observer.network, real.pixels, real.places, real.normalisation, cutting))
        rows = mosaic.rows_of_mosaics(found[-1], real.places, 2, cutting).flatten(0, 1)
        assert len(mosaic.files(found[-1], rows, 2)) == 6
    here, there = found
    assert torch.allclose(there.loss, here.loss, atol=1e-3)
    assert ((there.pixels.int() - here.pixels.int()).abs() <= 1).float().mean() > 0.99
