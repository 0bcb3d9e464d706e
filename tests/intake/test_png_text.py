"""Notes of a PNG are hostile: read within bounds, or refused in a sentence."""

import struct
import time
import zlib

import pytest

from synthstudio.errors import BadInput
from synthstudio.intake.png_text import note
from tests.intake.nasty import good, photo, saved

_HEADER = 8 + 25


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def noted(*chunks: bytes) -> bytes:
    png = good()
    return png[:_HEADER] + b"".join(chunks) + png[_HEADER:]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (b"tEXt", b"ours\0" + "grüße".encode("latin-1")),
        (b"zTXt", b"ours\0\0" + zlib.compress("grüße".encode("latin-1"))),
        (b"iTXt", b"ours\0\0\0de\0unser\0" + "grüße".encode()),
        (b"iTXt", b"ours\0\1\0\0\0" + zlib.compress("grüße".encode())),
    ],
)
def test_a_note_is_read_however_it_is_written(kind, data):
    assert note(noted(chunk(b"tEXt", b"other\0x"), chunk(kind, data)), "ours") == "grüße"


def test_no_note_is_none_and_a_jpeg_is_said():
    assert note(good(), "ours") is None
    with pytest.raises(BadInput, match="This is no PNG"):
        note(saved(photo(), "JPEG"), "ours")


@pytest.mark.parametrize("head", [b"zTXt ours\0\0", b"iTXt ours\0\1\0\0\0"])
def test_a_note_that_unpacks_to_very_much_is_refused_soon(head):
    kind, _, start = head.partition(b" ")
    bomb = noted(chunk(kind, start + zlib.compress(bytes(200 << 20), 9)))
    started = time.process_time()
    with pytest.raises(BadInput, match="longer than 256 kB"):
        note(bomb, "ours")
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "data",
    [
        good()[:60],
        good()[:_HEADER] + struct.pack(">I", 2**31 - 1) + b"tEXtours\0x",
        noted(chunk(b"zTXt", b"ours\0\0not packed")),
        noted(chunk(b"iTXt", b"ours\0\0\0\0\0\xff\xfe")),
        noted(chunk(b"tEXt", b"ours\0" + b"x" * (300 << 10))),
        good()[:_HEADER] + chunk(b"tEXt", b"a\0") * 100_001,
        b"\x89PNG\r\n\x1a\n",
    ],
)
def test_what_is_damaged_or_endless_is_refused_in_a_sentence(data):
    with pytest.raises(BadInput):
        note(data, "ours")
