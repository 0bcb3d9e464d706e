"""The notes inside a PNG from anywhere, read without decoding it: bounded, and nothing in them is followed."""

import struct
import zlib
from collections.abc import Iterator

from synthstudio.errors import BadInput

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MOST_CHUNKS = 100_000
_NOTES = frozenset({b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME"})
_MOST_BYTES = 256 << 10  # of one note, unpacked
_TOO_LONG = (
    f"The notes in this image are longer than {_MOST_BYTES >> 10} kB, which no settings are. Choose another image."
)


def note(png: bytes, keyword: str) -> str | None:
    """The first tEXt, zTXt or iTXt chunk of a keyword as text; None if there is none. BadInput for what is no whole
    PNG, and for a note that is too long or cannot be read. See the PNG specification, section 11.3.3.
    """
    wanted = keyword.encode("latin-1")
    for kind, data in _chunks(png):
        name, _, rest = data.partition(b"\0")
        if kind in (b"tEXt", b"zTXt", b"iTXt") and name == wanted:
            return _text(kind, rest)
    return None


def without_notes(png: bytes) -> bytes:
    """The same picture, byte for byte, without text, EXIF and the time of its making. BadInput as above."""
    kept = [(kind, data) for kind, data in _chunks(png) if kind not in _NOTES]
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in [*kept, (b"IEND", b"")])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not png.startswith(SIGNATURE):
        raise BadInput("This is no PNG. Settings are read from PNG files that were exported here.")
    at = len(SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        head = png[at : at + 8]
        size = int.from_bytes(head[:4], "big")
        end = at + 12 + size
        if len(head) < 8 or end > len(png):
            raise BadInput("This PNG is cut short. Copy or download it again.")
        if head[4:] == b"IEND":
            return
        yield head[4:], png[at + 8 : end - 4]
        at = end
    raise BadInput("This PNG consists of too many pieces. Choose another image.")


def _text(kind: bytes, rest: bytes) -> str:
    """What stands behind the keyword."""
    try:
        if kind == b"tEXt":
            return _bounded(rest, packed=False).decode("latin-1")
        if kind == b"zTXt":
            return _bounded(rest[1:], packed=True).decode("latin-1")
        packed, rest = rest[:1] == b"\1", rest[2:]
        _, _, rest = rest.partition(b"\0")  # the language
        _, _, rest = rest.partition(b"\0")  # the translated keyword
        return _bounded(rest, packed).decode("utf-8")
    except (zlib.error, UnicodeDecodeError) as error:
        raise BadInput("The notes in this image are damaged. Export it again, or choose another.") from error


def _bounded(data: bytes, packed: bool) -> bytes:
    """The bytes of a note; of a packed one no more is unpacked than may be used."""
    if packed:
        data = zlib.decompressobj().decompress(data, _MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise BadInput(_TOO_LONG)
    return data
