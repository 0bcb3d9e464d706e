from dataclasses import replace

import pytest
import torch

from synthstudio import weightfile
from synthstudio.engine.distil.distilling import Course, Distillation
from synthstudio.engine.distil.matching import METHODS, Pull
from synthstudio.engine.distil.starts import Start, start
from synthstudio.errors import BadInput
from tests.engine.distil.kit import LABELS, pixels_form, real_images, teaching
from tests.engine.distil.test_trajectory import taught  # noqa: F401 - a fixture
from tests.matrix import first_of

COURSE = Course(iterations=6, learning_rate=0.05)


def distillation(folder, name="dm", course=COURSE, rule="real", **more):
    form = pixels_form()
    variables = start(form, real_images(), Start(rule, 2, 0))
    method = METHODS[name](teaching(operations=("color", "crop"), **more))
    return Distillation(form, method, variables, course, folder)


def finished(distilling, every=100):
    ticks = list(distilling.run(every))
    return distilling.images(), ticks


METHOD_FIELDS = {"dm": {}, "dc": {"outer": 4, "inner": 1}, "mtt": {"student_steps": 2, "expert_epochs": 1}}


@pytest.fixture(params=sorted(METHOD_FIELDS))
def kind(request):
    """Arguments for each method in turn."""
    more = dict(METHOD_FIELDS[request.param])
    if request.param == "mtt":
        more["trajectories"] = request.getfixturevalue("taught")
    return {"name": request.param, **more}


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("after", first_of([3, 1, 5]))
def test_a_stopped_distillation_ends_as_an_unbroken_one(tmp_path, kind, after, optimizer):
    course = replace(COURSE, optimizer=optimizer)
    (tmp_path / "whole").mkdir()
    (tmp_path / "broken").mkdir()
    whole, whole_ticks = finished(distillation(tmp_path / "whole", course=course, **kind))
    running = distillation(tmp_path / "broken", course=course, **kind).run(100)
    for _ in range(after):
        next(running)
    running.close()
    again, ticks = finished(distillation(tmp_path / "broken", course=course, **kind))
    assert len(ticks) == COURSE.iterations - after and torch.equal(again, whole)
    assert ticks[-1] == whole_ticks[-1]


def test_a_killed_distillation_ends_as_an_unbroken_one(tmp_path):
    whole, _ = finished(distillation(tmp_path / "whole"))
    first = distillation(tmp_path / "broken")
    running = first.run(2)
    for _ in range(3):
        next(running)
    first.save = lambda: None  # what was not yet written is lost
    running.close()
    again, ticks = finished(distillation(tmp_path / "broken"))
    assert len(ticks) == 4 and torch.equal(again, whole)


def test_a_checkpoint_of_another_course_is_not_used(tmp_path):
    running = distillation(tmp_path, course=replace(COURSE, learning_rate=0.5)).run(1)
    next(running)
    running.close()
    _, ticks = finished(distillation(tmp_path))
    assert len(ticks) == COURSE.iterations


@pytest.mark.parametrize("name", ["dm", "dc"])
def test_the_loss_falls(tmp_path, name):
    _, ticks = finished(distillation(tmp_path, name, replace(COURSE, iterations=60), "noise", real_batch=12))
    assert ticks[-1].values["loss"] < 0.9 * ticks[0].values["loss"]


def test_the_images_move_and_stay_pictures(tmp_path):
    distilling = distillation(tmp_path)
    before = distilling.images().clone()
    after, _ = finished(distilling)
    assert after.shape == (2 * len(LABELS), 3, 16, 16) and not torch.equal(before, after)
    assert float(after.min()) >= 0 and float(after.max()) <= 1


def test_realism_holds_the_images_near_their_start(tmp_path):
    moved = []
    for realism in (0.0, 1000.0):
        distilling = distillation(tmp_path, course=replace(COURSE, realism=realism, optimizer="sgd", iterations=20,
                                                           learning_rate=1e-4))  # fmt: skip
        before = distilling.images().clone()
        moved.append(float((finished(distilling)[0] - before).square().sum()))
    assert moved[1] < 0.8 * moved[0]


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_last_good_state(tmp_path, where):
    distilling = distillation(tmp_path)
    good = distilling.matching.pull

    def pull(step, images):
        found = good(step, images)
        if step < 3:
            return found
        bad = float("nan")
        return replace(found, loss=bad) if where == "loss" else Pull(found.loss, found.gradient * bad)

    distilling.matching.pull = pull
    with pytest.raises(BadInput, match=r"no longer a number \(step 4 of 6\).*learning_rate below 0\.05"):
        finished(distilling)
    assert weightfile.read_header(distilling.checkpoint).metadata["step"] == "3"
    again = distillation(tmp_path)
    assert len(list(again.run(100))) == 3 and bool(again.images().isfinite().all())


@pytest.mark.parametrize("rule", ["noise", "real", "herding", "k_means", "class_mean"])
def test_every_start_gives_as_many_images_as_asked(rule):
    form, real = pixels_form(), real_images()
    variables = start(form, real, Start(rule, 3, 0))
    assert variables.shape == (9, 3, 16, 16)
    assert torch.equal(variables, start(form, real, Start(rule, 3, 0)))


@pytest.mark.parametrize("rule", ["real", "herding", "k_means"])
def test_chosen_starts_are_real_images_of_their_class(rule):
    form, real = pixels_form(), real_images()
    shown = form.decode(start(form, real, Start(rule, 3, 0)))
    for place, rows in enumerate(real.rows):
        for one in shown[place * 3 : place * 3 + 3]:
            assert float((real.unit(rows) - one).abs().amax(dim=(1, 2, 3)).min()) < 1e-5


def test_one_class_mean_is_the_mean_of_the_class():
    form, real = pixels_form(), real_images()
    shown = form.decode(start(form, real, Start("class_mean", 1, 0)))
    assert torch.allclose(shown[1], real.unit(real.rows[1]).mean(0), atol=1e-5)


def test_the_mean_latent_of_pixels_is_the_class_mean():
    form, real = pixels_form(), real_images()
    by_latent, by_mean = (start(form, real, Start(rule, 1, 0)) for rule in ("mean_latent", "class_mean"))
    assert torch.allclose(by_latent, by_mean, atol=1e-5)


@pytest.mark.parametrize("rule", ["real", "herding", "k_means", "class_mean"])
def test_more_images_than_a_class_has_cannot_start_from_it(rule):
    with pytest.raises(BadInput, match="13 images of 'blue' cannot start from 12 real ones"):
        start(pixels_form(), real_images(), Start(rule, 13, 0))


def test_noise_can_start_any_number():
    assert len(start(pixels_form(), real_images(), Start("noise", 20, 0))) == 60
