"""Photos of phones: HEIC is read like everything else, within the same limits."""

import io
import random
import struct
import time

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from synthstudio.errors import BadInput
from synthstudio.intake.decode import Refusal, decode
from synthstudio.intake.isolated import Decoders
from tests.intake.nasty import Imported, good, photo, tree

_BACKWARDS = {1: lambda a: a, 3: lambda a: np.rot90(a, 2), 6: lambda a: np.rot90(a), 8: lambda a: np.rot90(a, -1)}


def heic(*pictures: Image.Image, orientation: int = 1, **how) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = pillow_heif.HeifFile()
    for picture in pictures:
        file.add_from_pillow(picture)
    out = io.BytesIO()
    file.save(out, quality=90, exif=exif.tobytes(), **how)
    return out.getvalue()


def shown(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(decode(data).png)) as image:
        assert image.mode == "RGB" and not image.info
        return np.asarray(image).astype(int)


def promising(width: int, height: int) -> bytes:
    """A small HEIC whose header promises so many pixels."""
    data = heic(photo(size=(64, 64)))
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


@pytest.fixture(scope="module")
def decoders():
    with Decoders(64, 10**6, max_seconds=120) as opened:
        yield opened


def test_a_heic_photo_is_imported(tmp_path):
    files = {"cat/1.HEIC": heic(photo(1)), "cat/2.heif": heic(photo(2)), "dog/3.png": good(3)}
    found = Imported(tmp_path, tree(tmp_path / "pets", files))
    assert found.counts == {"cat": 2, "dog": 1} and found.refused == {}


@pytest.mark.parametrize("orientation", _BACKWARDS)
def test_a_heic_photo_is_turned_once(orientation):
    upright = np.zeros((64, 96, 3), np.uint8)
    upright[:20, :20] = 255
    stored = np.ascontiguousarray(_BACKWARDS[orientation](upright))
    assert np.abs(shown(heic(Image.fromarray(stored), orientation=orientation)) - upright).mean() < 8


def test_the_small_picture_inside_a_heic_is_never_taken_for_the_photo():
    pixels = np.random.default_rng(0).integers(0, 255, (512, 512, 3), np.uint8)
    data = heic(Image.fromarray(pixels).resize((512, 512)), thumbnails=[256])
    assert decode(data, max_side=64).png == decode(data, max_side=64).png
    assert decode(data, max_side=512).width == 512


def test_a_heic_of_many_frames_gives_one_of_them_soon(decoders):
    data = heic(*(Image.new("RGB", (64, 64), (n % 256, 0, 0)) for n in range(300)))
    started = time.process_time()
    found = decoders.decode(data)
    assert (found.width, found.remark) == (64, "has several frames; only the first is used")
    assert time.process_time() - started < 10


def test_huge_promises_are_refused_before_they_are_decoded(decoders):
    for sides in ((30_000, 30_000), (2**31 - 1, 2**31 - 1), (0, 0)):
        with pytest.raises(Refusal):
            decoders.decode(promising(*sides))
    with pytest.raises(Refusal, match="million pixels; the limit is 1 million"):
        decoders.decode(promising(2_000, 2_000))


def test_a_heic_that_is_cut_short_or_damaged_ends_in_a_picture_or_a_sentence(decoders):
    whole, chance = heic(photo(3, (96, 64))), random.Random(7)
    for part in (0.1, 0.5, 0.9, 0.99):
        with pytest.raises(Refusal, match="HEIC|damaged|cut short"):
            decoders.decode(whole[: int(part * len(whole))])
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 3, 20))):
            data[chance.randrange(12, len(data))] = chance.randrange(256)
        try:
            assert decoders.decode(bytes(data)).width >= 1
        except BadInput as refusal:
            assert isinstance(refusal, Refusal) and str(refusal)
