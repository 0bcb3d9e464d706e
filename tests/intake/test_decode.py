"""Every kind of image becomes RGB PNG; everything else becomes a sentence."""

import io
import random
import warnings

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from synthstudio.intake.decode import Refusal, decode
from tests.intake.nasty import bomb_png, good, jpeg_of_scans, photo, saved, tiff_chain


def shown(data, **limits):
    with Image.open(io.BytesIO(decode(data, **limits).png)) as image:
        image.load()
        assert image.format == "PNG" and image.mode == "RGB" and not image.info
        return np.asarray(image).astype(int)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_common_formats_are_read(kind):
    difference = np.abs(shown(saved(photo(), kind)) - np.asarray(photo()).astype(int))
    assert difference.mean() < 12


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "I", "I;16", "F"])
def test_every_mode_of_pillow_becomes_rgb(mode):
    image = photo().convert("L").convert(mode) if mode in ("PA", "I;16", "F", "I", "LA") else photo().convert(mode)
    for kind in {"YCbCr": ("JPEG",), "I": ("TIFF",)}.get(mode, ("PNG", "TIFF", "JPEG")):  # what Pillow writes well
        try:
            data = saved(image, kind)
        except (OSError, KeyError, ValueError):
            continue
        assert shown(data).shape == (30, 40, 3)


def test_sixteen_bits_are_scaled_and_not_clipped():
    ramp = np.linspace(0, 65535, 40 * 30).astype(np.uint16).reshape(30, 40)
    grey = shown(saved(Image.fromarray(ramp)))[..., 0]
    assert np.abs(grey - ramp / 257).max() <= 1


def test_a_float_image_from_zero_to_one_fills_the_range():
    ramp = np.linspace(0, 1, 1200, dtype=np.float32).reshape(30, 40)
    assert np.abs(shown(saved(Image.fromarray(ramp), "TIFF"))[..., 0] - ramp * 255).max() <= 1


def test_transparency_is_laid_on_white():
    clear = Image.new("RGBA", (8, 8), (10, 20, 30, 0))
    assert (shown(saved(clear)) == 255).all()
    palette = Image.new("P", (8, 8), 3)
    palette.putpalette(range(48))
    assert (shown(saved(palette, transparency=3)) == 255).all()
    grey = Image.new("L", (8, 8), 9)
    assert (shown(saved(grey, transparency=9)) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_as_its_exif_says(orientation):
    upright = np.zeros((20, 30, 3), np.uint8)
    upright[:6, :6] = 255  # the corner at the top left
    backwards = {1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.swapaxes(0, 1),
                 6: np.rot90(upright), 7: np.rot90(upright, 2).swapaxes(0, 1), 8: np.rot90(upright, -1)}  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(np.ascontiguousarray(backwards[orientation])), "JPEG", exif=exif, quality=95)
    assert np.abs(shown(data) - upright).mean() < 8


def test_an_animation_gives_its_first_frame_and_says_so():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    for kind in ("GIF", "WEBP", "PNG"):
        found = decode(saved(frames[0], kind, save_all=True, append_images=frames[1:]))
        assert found.remark == "has several frames; only the first is used"
        assert Image.open(io.BytesIO(found.png)).getpixel((4, 4))[0] > 200


def test_long_sides_are_reduced_and_short_ones_left():
    assert shown(saved(photo(size=(400, 100))), max_side=64).shape == (16, 64, 3)
    assert shown(saved(photo(size=(400, 100), number=1), "JPEG"), max_side=64).shape == (16, 64, 3)
    assert shown(saved(photo(size=(1, 3000))), max_side=64).shape == (64, 1, 3)


def test_equal_input_gives_equal_bytes():
    assert decode(saved(photo(), "JPEG")).png == decode(saved(photo(), "JPEG")).png


def test_metadata_is_dropped():
    data = saved(photo(), "JPEG", comment=b"secret", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0", dpi=(300, 300))
    assert b"secret" not in decode(data).png


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"hello", "not a picture we can read; give JPEG"),
        (good()[:200], "cut short"),
        (saved(photo(size=(300, 300)), "JPEG")[:2000], "cut short"),
        (bomb_png(), "far more than 50 million pixels; make it smaller"),
        (bomb_png(9_000, 9_000), "81 million pixels; the limit is 50 million: make it smaller, or raise max_pixels"),
        (bomb_png(200_000, 200_000), "million pixels"),
        (b"PK\x03\x04" + b"\0" * 50, "zip archive; unpack it"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 50, "damaged HEIC photo; copy it again, or save it as JPEG"),
        (b"\0\0\0\x1cftypavif" + b"\0" * 50, "AVIF image; save it as JPEG"),
        (b"%PDF-1.7", "PDF"),
        (b"<svg xmlns='x'/>", "SVG"),
        (b"<html><script>alert(1)</script>", "not a picture"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_do(data, says):
    with pytest.raises(Refusal, match=says):
        decode(data)


def test_broken_exif_does_not_cost_the_picture():
    data = saved(photo(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\xff" * 40)
    assert shown(data).shape == (30, 40, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_any_damage_ends_in_a_picture_or_a_refusal(kind):
    chance = random.Random(kind)
    whole = saved(photo(3), kind)
    for _ in range(120):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 3, 20))):
            data[chance.randrange(min(len(data), chance.choice((40, 200, len(data)))))] = chance.randrange(256)
        cut = chance.choice((len(data), chance.randrange(len(data))))
        try:
            assert decode(bytes(data[:cut]), max_pixels=10**6).width >= 1
        except Refusal as refusal:
            assert str(refusal)


def test_silence_about_warnings_ends_with_decoding():
    decode(good())
    with pytest.warns(UserWarning, match="still heard"):
        warnings.warn("still heard", stacklevel=1)


def test_a_long_chain_of_pages_is_not_walked(monkeypatch):
    read = []
    load = TiffImagePlugin.ImageFileDirectory_v2.load
    monkeypatch.setattr(TiffImagePlugin.ImageFileDirectory_v2, "load", lambda *at: read.append(1) or load(*at))
    found = decode(tiff_chain(2000))
    assert (found.width, found.remark) == (1, "has several frames; only the first is used")
    assert len(read) < 20


def test_a_jpeg_of_very_many_scans_is_refused_before_it_is_decoded():
    assert decode(jpeg_of_scans(20)).width == 40
    with pytest.raises(Refusal, match="more than 100 scans"):
        decode(jpeg_of_scans(200))
