"""An eye proposes, pixels confirm: changed copies of a picture are found, pictures that only look alike are not.

The eye of these tests is a crude one, so that what is tested is the rule and not an encoder.
"""

import io

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from synthstudio import witness
from synthstudio.fingerprint import coloured_alike, fingerprint, near_duplicates
from synthstudio.intake.digits import Digits

SIDE = 128


def photos(side: int = SIDE) -> list[Image.Image]:
    """Parts of the two photographs that scikit-learn ships: a temple under a sky, a flower before leaves.

    Parts that hold nothing but sky are left out: a tenth brighter they are blank.
    """
    parts = []
    for photo in map(Image.fromarray, load_sample_images().images):
        for left in range(0, photo.width - side, side):
            for top in range(0, photo.height - side, side):
                parts.append(photo.crop((left, top, left + side, top + side)))
    return [part for part in parts if np.asarray(part.convert("L")).std() > 10]


def fur(number: int) -> Image.Image:
    """One texture, another draw: equal colours, equal scale of detail, equal everything but the details themselves."""
    noise = np.random.default_rng(number).normal(0, 60, (33, 33))
    grain = Image.fromarray((128 + noise).clip(0, 255).astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return Image.merge("RGB", [grain, grain.point(lambda v: v * 0.8), grain.point(lambda v: v * 0.5)])


def on_a_table(number: int) -> Image.Image:
    """One scene with fixed light and a fixed table; what lies on it differs."""
    random = np.random.default_rng(number)
    down, across = np.mgrid[0:SIDE, 0:SIDE]
    scene = 210 - 0.5 * across - 0.2 * down + 25 * (down > 100)
    x, y, radius = random.integers(50, 78), random.integers(45, 75), random.integers(14, 30)
    thing = (across - x) ** 2 + (down - y) ** 2 < radius**2
    scene = np.where(thing, 90 + 40 * np.sin(down / random.uniform(2, 6) + across / random.uniform(2, 6)), scene)
    return Image.fromarray((scene[..., None] * [1, 0.95, 0.9]).clip(0, 255).astype(np.uint8))


def as_png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.convert("RGB").save(out, "PNG")
    return out.getvalue()


def seen(images: list[Image.Image]) -> np.ndarray:
    """Unit vectors: a histogram of greys and a very coarse layout."""
    rows = []
    for image in images:
        grey = image.convert("L")
        shares = np.histogram(np.asarray(grey), 16, (0, 256))[0] / (image.width * image.height)
        layout = np.asarray(grey.resize((4, 4), Image.Resampling.BOX), float).ravel() / 255
        rows.append(np.concatenate([shares, layout]))
    vectors = np.array(rows, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def found(images, others=None):
    pairs = witness.proposed(seen(images), None if others is None else seen(others))
    sketches = [[witness.sketch(as_png(one)) for one in some] for some in (images, *([others] if others else []))]
    return {(int(i), int(j)) for i, j in witness.confirmed(pairs, *sketches)}


def resized(image, number):
    share = (0.5, 0.7, 0.85, 1.25, 1.5)[number % 5]
    return image.resize((round(image.width * share),) * 2, Image.Resampling.BICUBIC)


def cropped(image, number):
    """By 3 to 5 % of each side, at another corner each time."""
    cut = round(image.width * (0.03 + 0.002 * number))
    left, top = (number % 2) * cut, (number // 2 % 2) * cut
    return image.crop((left, top, image.width - cut + left, image.height - cut + top))


def brighter(image, _):
    return image.point(lambda value: min(255, round(value * 1.1)))


def planted() -> tuple[list[Image.Image], list[Image.Image]]:
    """Thirty photographs, and a copy of each: ten resized, ten cropped, ten brighter by a tenth."""
    originals = photos(96)[:30]
    changes = (resized,) * 10 + (cropped,) * 10 + (brighter,) * 10
    return originals, [change(image, n % 10) for n, (change, image) in enumerate(zip(changes, originals, strict=True))]


def test_all_thirty_planted_copies_are_found_by_one_witness_or_the_other():
    originals, copies = planted()
    prints = [[fingerprint(as_png(one)) for one in some] for some in (copies, originals)]
    both = set(near_duplicates(*prints)) | found(copies, originals)
    assert both == {(n, n) for n in range(30)}


def test_the_second_witness_finds_crops_that_the_fingerprint_misses():
    originals = photos(96)[:30]
    copies = [cropped(image, 10) for image in originals]
    prints = [[fingerprint(as_png(one)) for one in some] for some in (copies, originals)]
    own = {(n, n) for n in range(30)}
    missed = own - set(near_duplicates(*prints))
    assert len(missed) > 5 and len(missed - found(copies, originals)) <= 1


@pytest.mark.parametrize("draw", [fur, on_a_table], ids=["one texture", "one scene"])
def test_pictures_that_only_look_alike_are_not_copies(draw):
    assert found([draw(number) for number in range(80)]) == set()


def test_neighbouring_parts_of_a_photograph_are_not_copies():
    assert found(photos(64)) == set()


def test_handwriting_of_one_digit_is_not_a_copy_however_large_it_is_shown():
    digits = [Image.open(io.BytesIO(entry.read())).resize((64, 64)) for entry in list(Digits())[:250]]
    assert found(digits) == set()


def test_plain_pictures_have_no_details_that_could_be_shared():
    ramp = np.linspace(40, 200, SIDE)
    plain = [Image.fromarray(np.tile(ramp * share, (SIDE, 1)).astype(np.uint8)) for share in (0.8, 0.9, 1.0, 1.1)]
    assert found(plain) == set()


def test_the_same_thing_moved_aside_is_another_picture():
    first, moved = on_a_table(1), on_a_table(1).transform((SIDE, SIDE), Image.Transform.AFFINE, (1, 0, 14, 0, 1, 0))
    assert found([first, on_a_table(2)], [moved]) == set()


def test_colours_are_asked_too():
    first = photos()[0]
    other = Image.merge("RGB", first.split()[::-1])
    prints = [[fingerprint(as_png(one))] for one in (first, other)]
    assert found([first], [other]) == {(0, 0)} and not coloured_alike(*prints).any()


def test_a_set_full_of_copies_does_not_pass_for_a_set_whose_pictures_are_alike():
    originals = photos(96)[:12]
    every = [change(image, 1) for image in originals for change in (resized, cropped, brighter, lambda one, _: one)]
    pairs = found(every)
    assert len({i for pair in pairs for i in pair}) >= 0.9 * len(every)
    assert all(i // 4 == j // 4 for i, j in pairs)


def test_nothing_has_no_copies():
    nothing = np.empty((0, 4), np.float32)
    assert len(witness.proposed(nothing)) == 0 and len(witness.proposed(seen(photos()[:1]), nothing)) == 0
    assert found(photos()[:1]) == set()


def test_small_pictures_are_known_by_their_header():
    assert witness.is_small(as_png(Image.new("RGB", (200, 31)))) and not witness.is_small(
        as_png(Image.new("L", (32, 32)))
    )
