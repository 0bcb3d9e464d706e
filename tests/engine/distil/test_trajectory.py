import pytest
import torch
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from synthstudio.engine.distil import trajectories
from synthstudio.engine.distil.matching import METHODS
from synthstudio.engine.distil.networks import make_network
from synthstudio.errors import BadInput
from tests.engine.distil.kit import SIZE, real_images, some_images, teaching

SCHOOLING = trajectories.Schooling("convnet", 4, epochs=3, batch_size=16, operations=("crop",))


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    folder, real = tmp_path_factory.mktemp("experts"), real_images()
    files = [folder / f"{number}.safetensors" for number in range(2)]
    for number, file in enumerate(files):
        trajectories.write(file, list(trajectories.school(real, SCHOOLING, number, torch.device("cpu"))))
    return trajectories.Trajectories(files, SCHOOLING.start(real, 0))


def student(taught, **more):
    fields = {"trajectories": taught, "student_steps": 3, "expert_epochs": 2, "operations": ("color", "crop")}
    return METHODS["mtt"](teaching(**{**fields, **more}))


def test_snapshots_are_copies(taught):
    points = [taught.flat(0, epoch) for epoch in range(4)]
    assert all(not torch.equal(a, b) for i, a in enumerate(points) for b in points[:i])


def test_a_snapshot_is_not_moved_by_later_training():
    network = make_network("convnet", channels=3, classes=3, image_size=SIZE, width=4, seed=0)
    kept = trajectories.snapshot(network)
    before = {name: value.clone() for name, value in kept.items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    assert all(torch.equal(kept[name], before[name]) for name in kept)


def test_the_first_snapshot_is_the_untrained_network(taught):
    started = SCHOOLING.start(real_images(), 1)
    assert torch.equal(taught.flat(1, 0), torch.cat([p.flatten() for p in started.parameters()]))


def test_experts_learn():
    longer = trajectories.Schooling("convnet", 4, epochs=15, learning_rate=0.5, batch_size=16)
    losses = [epoch.loss for epoch in trajectories.school(real_images(), longer, 0, torch.device("cpu"))][1:]
    assert losses[-1] < 0.7 * losses[0]


def student_of_the_paper(taught, images, rate, steps):
    """MTT's loss (Cazenavette et al. 2022, equation 2) of plain steps on all images, from the first expert's start to
    its end; the points on the way are held fixed, so that memory does not grow with the steps.
    """
    network, (start, target) = SCHOOLING.start(real_images(), 0), (taught.flat(0, epoch) for epoch in (0, 2))
    labels = torch.arange(images.shape[0]).repeat_interleave(images.shape[1])
    walked = torch.zeros_like(start)
    for _ in range(steps):
        weights = (start - rate * walked).detach().requires_grad_()
        answers = functional_call(network, taught.named(weights), images.flatten(0, 1))
        walked = walked + torch.autograd.grad(cross_entropy(answers, labels), weights, create_graph=True)[0]
    return (start - rate * walked - target).square().sum() / (start - target).square().sum()


def test_the_pull_and_the_slope_of_the_rate_are_those_of_the_published_loss(taught):
    alone = trajectories.Trajectories(taught.files[:1], SCHOOLING.start(real_images(), 0))
    method = student(alone, operations=(), latest_start=1, rate_of_student_rate=1e-4)
    images, rate = some_images().requires_grad_(), method.rate.clone().requires_grad_()
    loss = student_of_the_paper(alone, images, rate, steps=3)
    expected, slope = torch.autograd.grad(loss, [images, rate])
    pull = method.pull(0, images.detach())
    assert pull.loss == pytest.approx(float(loss.detach()), rel=1e-5)
    assert torch.allclose(pull.gradient, expected, atol=1e-4 * float(expected.abs().max()))
    assert float(method.rate) == pytest.approx(float(rate.detach()) - 1e-4 * float(slope), rel=1e-4)


def test_a_student_that_does_not_move_has_loss_one(taught):
    method = student(taught)
    method.rate = torch.tensor(0.0)
    assert method.pull(0, some_images()).loss == pytest.approx(1, rel=1e-5)


class Kept:
    """A tensor that a graph keeps for its backward pass; counts how many there are at once."""

    alive = peak = 0

    def __init__(self, tensor):
        self.tensor = tensor
        Kept.alive += 1
        Kept.peak = max(Kept.peak, Kept.alive)

    def __del__(self):
        Kept.alive -= 1


def test_graphs_of_student_steps_do_not_pile_up(taught):
    peaks = []
    for steps in (2, 12):
        method, images = student(taught, student_steps=steps), some_images()
        Kept.peak = 0
        with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
            method.pull(0, images)
        peaks.append(Kept.peak)
    assert 0 < peaks[1] <= peaks[0]


def test_experts_of_another_network_are_refused(taught):
    other = make_network("convnet", channels=3, classes=3, image_size=SIZE, width=8, seed=0)
    with pytest.raises(BadInput, match="another network"):
        trajectories.Trajectories(taught.files, other)


def test_too_few_epochs_are_refused(taught):
    with pytest.raises(BadInput, match="3 epochs"):
        student(taught, expert_epochs=4)


def test_without_experts_there_is_no_trajectory():
    with pytest.raises(BadInput, match=r"distil\.experts"):
        student(None)


def test_a_vector_of_parameters_is_the_network(taught):
    network = SCHOOLING.start(real_images(), 0)
    images = some_images().flatten(0, 1)
    named = taught.named(taught.flat(0, 0))
    assert torch.equal(functional_call(network, named, (images,)), network(images))
