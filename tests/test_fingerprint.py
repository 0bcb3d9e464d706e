"""Copies of a photograph are found; other photographs are not."""

import io

import numpy as np
import pytest
from PIL import Image

from synthstudio.fingerprint import fingerprint, groups, near_duplicates
from synthstudio.intake.digits import Digits


def scene(number: int, size: int = 96) -> Image.Image:
    """Blobs and an edge: as much structure as a photo's thumbnail has."""
    random = np.random.default_rng(number)
    small = Image.fromarray(random.integers(0, 255, (9, 9, 3), np.uint8))
    fine = random.normal(0, 10, (size, size, 3))
    return Image.fromarray(
        (np.asarray(small.resize((size, size), Image.Resampling.BICUBIC)) + fine).clip(0, 255).astype(np.uint8)
    )


def printed(image: Image.Image):
    out = io.BytesIO()
    image.save(out, "PNG")
    return fingerprint(out.getvalue())


def recoded(image, kind="JPEG", quality=40):
    out = io.BytesIO()
    image.save(out, kind, quality=quality)
    return Image.open(out).convert("RGB")


CHANGES = {
    "jpeg": recoded,
    "webp": lambda image: recoded(image, "WEBP", 50),
    "half": lambda image: image.resize((48, 48)),
    "double": lambda image: image.resize((192, 192)),
    "crop": lambda image: image.crop((1, 0, 96, 95)),
    "brighter": lambda image: image.point(lambda value: min(255, value + 15)),
    "darker": lambda image: image.point(lambda value: value * 0.8),
    "all": lambda image: recoded(image.resize((64, 64))).point(lambda value: value * 0.9),
}


@pytest.mark.parametrize("change", CHANGES)
def test_altered_copies_are_found(change):
    originals = [printed(scene(n)) for n in range(12)]
    copies = [printed(CHANGES[change](scene(n))) for n in range(12)]
    assert near_duplicates(originals, copies) == [(n, n) for n in range(12)]


def test_other_pictures_are_not_copies():
    assert near_duplicates([printed(scene(n)) for n in range(150)]) == []


def test_the_same_drawing_in_another_colour_is_another_picture():
    image = scene(1)
    other = Image.merge("RGB", image.split()[::-1])
    assert near_duplicates([printed(image)], [printed(other)]) == []


def test_hardly_two_handwritten_digits_are_taken_for_copies():
    prints = [fingerprint(entry.read()) for entry in list(Digits())[:500]]
    assert len(near_duplicates(prints)) <= 1


def test_flat_pictures_are_told_apart_by_tone():
    flat = [printed(Image.new("RGB", (32, 32), (tone, tone, tone))) for tone in (0, 0, 4, 120, 255)]
    assert near_duplicates(flat) == [(0, 1)]


def test_groups_hold_every_image_once_and_copies_together():
    first, second = scene(1), scene(2)
    prints = [printed(image) for image in (first, second, recoded(first), scene(3), first.resize((50, 50)))]
    assert groups(prints) == [[0, 2, 4], [1], [3]]


def test_nothing_has_no_duplicates():
    assert groups([]) == [] and near_duplicates([]) == [] and near_duplicates([printed(scene(1))], []) == []


def test_any_shape_has_a_fingerprint():
    assert near_duplicates([printed(Image.new("RGB", size)) for size in ((1, 1), (500, 1))]) == [(0, 1)]
