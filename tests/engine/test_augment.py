import pytest
import torch

from synthstudio.engine.augment import augment, rows_for_step, rows_for_views

PIXELS = (torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 255).to(torch.uint8)


@pytest.mark.parametrize("strength", ["none", "light", "strong"])
def test_views_keep_shape_and_range(strength):
    views = augment(PIXELS, rows_for_step(0, 0, "real", 6), strength, flip=True)
    assert views.shape == PIXELS.shape and views.dtype == torch.float32
    assert views.min() >= 0 and views.max() <= 1


def test_none_changes_nothing():
    assert (augment(PIXELS, rows_for_step(0, 0, "real", 6), "none", flip=False) == PIXELS.float() / 255).all()


def test_a_view_depends_on_its_own_row_only():
    rows = rows_for_views(3, [(str(n), 0) for n in range(6)])
    together = augment(PIXELS, rows, "strong", flip=True)
    alone = augment(PIXELS[2:3], rows_for_views(3, [("2", 0)]), "strong", flip=True)
    assert torch.allclose(together[2:3], alone, atol=1e-6)


def test_steps_views_and_seeds_differ_and_repeat():
    assert (rows_for_step(0, 5, "real", 4) == rows_for_step(0, 5, "real", 4)).all()
    assert not (rows_for_step(0, 5, "real", 4) == rows_for_step(0, 6, "real", 4)).any()
    assert not (rows_for_views(0, [("a", 0)]) == rows_for_views(1, [("a", 0)])).any()
    assert not (rows_for_views(0, [("a", 0)]) == rows_for_views(0, [("a", 1)])).any()


@pytest.mark.parametrize("strength", ["light", "strong"])
def test_without_flip_left_stays_left(strength):
    ramp = torch.linspace(0, 1, 32).expand(200, 3, 32, 32) * 0.45
    views = augment(ramp, rows_for_step(0, 0, "real", 200), strength, flip=False)
    assert (views[..., -1].mean((1, 2)) >= views[..., 0].mean((1, 2))).all()


def test_with_flip_about_half_are_mirrored():
    ramp = torch.linspace(0, 1, 32).expand(200, 3, 32, 32)
    views = augment(ramp, rows_for_step(0, 0, "real", 200), "light", flip=True)
    mirrored = (views[..., -1].mean((1, 2)) < views[..., 0].mean((1, 2))).float().mean()
    assert 0.35 < mirrored < 0.65


def test_light_keeps_colours_and_strong_does_not():
    red = torch.zeros(100, 3, 16, 16)
    red[:, 0] = 0.4
    rows = rows_for_step(0, 0, "real", 100)
    assert torch.allclose(augment(red, rows, "light", flip=False), red, atol=1e-5)
    assert (augment(red, rows, "strong", flip=False) - red).abs().amax((1, 2, 3)).gt(0.01).float().mean() > 0.5
