"""What is known of training pictures beside their label: other names, settings, answers of networks kept on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synthstudio.engine.pretrain import arms, cached
from synthstudio.engine.pretrain.captions import PLAIN, looks_of, photo_caption
from synthstudio.engine.pretrain.data import Mixture, Source
from synthstudio.engine.pretrain.names import imagenet_names, other_names
from synthstudio.engine.pretrain.settings import colour_name, setting


def test_a_name_that_means_two_things_is_no_synonym() -> None:
    assert len(imagenet_names()) == 1000
    assert "car" in other_names("automobile") and "ladybird" in other_names("ladybug")
    assert other_names("crane") == () and other_names("no such thing") == ()
    classes = [names for names in imagenet_names() if "ladybird" in names]
    assert len(classes) == 1 and set(other_names("ladybug")) < set(classes[0])


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((250, 10, 10), "red"), ((20, 160, 40), "green"), ((30, 60, 220), "blue"), ((245, 230, 40), "yellow"),
        ((110, 60, 20), "brown"), ((255, 255, 255), "white"), ((128, 128, 128), "grey"), ((5, 5, 5), "black"),
        ((250, 130, 20), "orange"), ((140, 40, 220), "purple"), ((250, 60, 180), "pink"), ((255, 0, 20), "red"),
    ],
)  # fmt: skip
def test_colours_are_called_what_people_call_them(rgb: tuple[int, ...], name: str) -> None:
    assert colour_name(np.array(rgb)) == name


def scene(background: int | tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Noise in the middle of a plain surround."""
    pixels = np.full((64, 64, 3), background, np.uint8)
    pixels[16:48, 16:48] = np.random.default_rng(seed).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    return pixels


def test_settings_say_what_is_true() -> None:
    assert setting(scene((30, 60, 220))) == "on a blue background"
    assert looks_of(setting(np.full((64, 64, 3), 20, np.uint8))) >= {"dark", "black and white", "on a black background"}
    assert "bright" in setting(scene(255)).split("|")
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    assert setting(noise) == ""
    ramp = np.linspace(0, 255, 64)[:, None, None] * np.ones((1, 64, 3))
    assert "blurry" in setting(ramp.astype(np.uint8)).split("|")


def test_photo_captions_claim_no_more_than_the_setting() -> None:
    words = "dark|on a green background"
    said = [photo_caption("ladybug", words, np.random.default_rng(seed)) for seed in range(300)]
    assert all(one.claims <= looks_of(words) and one.name == "ladybug" for one in said)
    texts = {one.text for one in said}
    assert {PLAIN.format("ladybug"), "a dark photo of a ladybug on a green background"} <= texts
    assert any("ladybird" in text for text in texts)
    assert all(not one.claims for one in [photo_caption("x", "", np.random.default_rng(s)) for s in range(20)])


def test_answers_are_computed_once_and_a_kill_loses_one_file_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached, "STEP", 4)
    asked: list[list[int]] = []

    def make(chosen: np.ndarray) -> np.ndarray:
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(chosen.tolist())
        return chosen[:, None] * 10

    chosen = np.arange(1, 11)
    with pytest.raises(KeyboardInterrupt):
        cached.rows(tmp_path, chosen, make)
    asked.clear()
    asked.append([])
    kept = cached.rows(tmp_path, chosen, make)
    assert asked == [[], [9, 10]]
    assert len(kept) == 10 and [kept[i].item() for i in range(10)] == (chosen * 10).tolist()


def test_another_autoencoder_gets_its_own_latents(tmp_path: Path) -> None:
    from synthstudio.engine.pretrain.vae import VaeShape

    pixels = np.random.default_rng(0).integers(0, 255, (4, 64, 64, 3), dtype=np.uint8)
    data = Mixture([Source("pets", pixels, ["cat"] * 4)], [1])
    shape = VaeShape((8, 8, 8, 8), 4, 1, 4)
    first, again, other = shape.build().eval(), None, shape.build().eval()
    found = [cached.latents(data, vae or first, tmp_path, 4, "cpu")[0].sources[0] for vae in (first, again, other)]
    assert np.array_equal(found[0].pixels, found[1].pixels) and not np.array_equal(found[0].pixels, found[2].pixels)
    assert found[0].settings == [setting(image) for image in pixels]


def test_kernel_distance_is_zero_in_the_mean_for_equal_populations() -> None:
    rng = np.random.default_rng(0)

    def unit(shift: float) -> np.ndarray:
        values = rng.normal(size=(200, 16)) + shift
        return values / np.linalg.norm(values, axis=1, keepdims=True)

    assert abs(np.mean([arms.kid(unit(0), unit(0)) for _ in range(20)])) < 0.01
    assert arms.kid(unit(0), unit(1)) > 0.5
