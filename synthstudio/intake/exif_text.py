"""The user comment of a JPEG or WebP, where other tools keep how an image was made; read without decoding the image.

See the EXIF specification (CIPA DC-008), section 4.6: a TIFF header, directories of twelve-byte entries, and under tag
37510 a comment behind eight bytes that name its letters.
"""

import struct

from synthstudio.errors import BadInput

_MOST_BYTES = 256 << 10
_MOST_SEGMENTS = 1000
_EXIF_DIRECTORY, _USER_COMMENT = 0x8769, 0x9286
_DAMAGED = "The notes in this image are damaged. Export it again, or choose another."


def comment(data: bytes) -> str | None:
    """The user comment; None without one. BadInput for damaged or endless notes, and for other formats."""
    exif = _exif(data)
    if exif is None:
        return None
    try:
        return _comment(exif.removeprefix(b"Exif\0\0"))
    except (struct.error, UnicodeDecodeError) as error:
        raise BadInput(_DAMAGED) from error


def _exif(data: bytes) -> bytes | None:
    if data.startswith(b"\xff\xd8"):
        return _of_jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _of_webp(data)
    raise BadInput("This is no PNG, JPEG or WebP. Settings are read from images in these formats.")


def _of_jpeg(data: bytes) -> bytes | None:
    at = 2
    for _ in range(_MOST_SEGMENTS):
        marker, size = data[at : at + 2], int.from_bytes(data[at + 2 : at + 4], "big")
        if len(marker) < 2 or marker[0] != 0xFF or marker[1] in (0xDA, 0xD9) or size < 2:
            return None
        body = data[at + 4 : at + 2 + size]
        if marker[1] == 0xE1 and body.startswith(b"Exif\0\0"):
            return body
        at += 2 + size
    return None


def _of_webp(data: bytes) -> bytes | None:
    at = 12
    for _ in range(_MOST_SEGMENTS):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if len(kind) < 4:
            return None
        if kind == b"EXIF":
            if size > _MOST_BYTES:
                raise BadInput("The notes in this image are longer than any settings. Choose another image.")
            return data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    return None


def _comment(tiff: bytes) -> str | None:
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        raise BadInput(_DAMAGED)
    (first,) = struct.unpack_from(f"{order}I", tiff, 4)
    inner = _entry(tiff, order, first, _EXIF_DIRECTORY)
    if inner is None:
        return None
    found = _entry(tiff, order, inner[1], _USER_COMMENT)
    if found is None:
        return None
    count, offset = found
    raw = tiff[offset : offset + count]
    if len(raw) < count:
        raise BadInput(_DAMAGED)
    letters, text = raw[:8], raw[8:]
    if letters.startswith(b"UNICODE"):
        return _utf16(text, order)
    return text.decode("utf-8").strip("\0 ") or None


def _utf16(text: bytes, order: str) -> str | None:
    """In the order of the file, or big-endian, which writers use whatever the file says: the one with plain letters."""
    big = text[:2] == b"\xfe\xff" or text[:1] == b"\0"
    small = text[:2] == b"\xff\xfe" or text[1:2] == b"\0"
    name = "utf-16-be" if big or (order == ">" and not small) else "utf-16-le"
    return text.decode(name).strip("\0 \ufeff") or None


def _entry(tiff: bytes, order: str, at: int, wanted: int) -> tuple[int, int] | None:
    """(count, value or offset) of a tag in the directory at a place."""
    (entries,) = struct.unpack_from(f"{order}H", tiff, at)
    for number in range(entries):
        tag, _, count, value = struct.unpack_from(f"{order}HHII", tiff, at + 2 + 12 * number)
        if tag == wanted:
            return count, value
    return None
