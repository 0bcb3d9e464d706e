"""Any image file → RGB PNG bytes of our own, or one sentence that says why not."""

import io
import threading
import warnings
from dataclasses import dataclass
from types import TracebackType

from PIL import (  # each plugin makes its format known
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    JpegImagePlugin,  # noqa: F401
    MpoImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401
)
from PIL.Image import Resampling, Transpose

from synthstudio.errors import BadInput

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF")
READABLE = "JPEG, PNG, WebP, GIF, BMP, TIFF or HEIC"
SUFFIXES = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".gif",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".heic",
        ".heif",
        ".hif",
    }
)

_MOST_SCANS = 100  # of a progressive JPEG; encoders write about ten, and each one touches every pixel again
_START_OF_SCAN = b"\xff\xda"  # cannot occur inside the coded data, where 0xff is always escaped
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_ORIENTATION = 0x0112
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
_OTHER_KINDS = (  # where in the file, which bytes, what it is, what to do
    (0, b"PK\x03\x04", "a zip archive", "unpack it and give the images themselves"),
    (0, b"\x1f\x8b", "a gzip archive", "unpack it and give the images themselves"),
    (0, b"7z\xbc\xaf", "a 7z archive", "unpack it and give the images themselves"),
    (0, b"Rar!", "a rar archive", "unpack it and give the images themselves"),
    (0, b"%PDF", "a PDF", "save its pictures as PNG or JPEG"),
    (4, b"ftyphei", "a damaged HEIC photo", "copy it again, or save it as JPEG"),
    (4, b"ftypmif1", "a damaged HEIC photo", "copy it again, or save it as JPEG"),
    (4, b"ftypavif", "an AVIF image", "save it as JPEG or PNG"),
    (0, b"<svg", "an SVG drawing", "save it as PNG"),
)


class Refusal(BadInput):
    """This file is not used; the message goes on from its name: "is empty (zero bytes); copy it again"."""


@dataclass(frozen=True)
class Decoded:
    """An image as we keep it. `remark` says what was left behind, if anything."""

    png: bytes
    width: int
    height: int
    remark: str = ""


def decode(data: bytes, max_side: int = 1024, max_pixels: int = 50_000_000) -> Decoded:
    """RGB PNG bytes without metadata, the same for the same input; Refusal if it cannot be read whole.

    The EXIF orientation is applied, 16-bit values are scaled to 8, transparency is laid on white, an animation gives
    its first frame, and the long side is reduced to `max_side`. Colour profiles are dropped, not converted.
    """
    if not data:
        raise Refusal("is empty (zero bytes); copy it again")
    try:
        with _quiet, Image.open(io.BytesIO(data), formats=_formats(data)) as file:
            _check_size(file.width, file.height, max_pixels)
            _check_scans(file, data)
            # Never `n_frames`: in a GIF or TIFF it walks the whole chain, and a small file can hold a long one.
            several = file.format != "MPO" and bool(getattr(file, "is_animated", False))
            if file.format in ("JPEG", "MPO"):  # a HEIC would give the small picture inside it, which may be another
                file.draft(None, (2 * max_side, 2 * max_side))  # skip detail that the resize would drop
            turn = _orientation(file)
            file.load()
            image = _shrink(_rgb(file), max_side)
            image = image.transpose(turn) if turn is not None else image
            remark = "has several frames; only the first is used" if several else ""
            return Decoded(_png(image), image.width, image.height, remark)
    except Refusal:
        raise
    except Image.DecompressionBombError as error:
        raise Refusal(f"has far more than {max_pixels / 1e6:.0f} million pixels; make it smaller") from error
    except UnidentifiedImageError as error:
        raise Refusal(_not_an_image(data)) from error
    except MemoryError as error:
        raise Refusal("needs more memory than one image may take; make it smaller") from error
    except Exception as error:
        # Pillow's decoders meet hostile bytes with whatever comes up: OSError, struct.error, IndexError, …
        raise Refusal(f"is damaged or cut short ({_cause(error)}); copy or download it again") from error


def _formats(data: bytes) -> tuple[str, ...]:
    """What the bytes may be read as. The decoder of HEIC is loaded for those alone: it costs a third of a second."""
    if data[4:8] != b"ftyp" or data[8:12] not in _HEIF_BRANDS:
        return FORMATS
    import pillow_heif

    # The picture alone, one thread: thumbnails, depth maps and other companions would be decoded too. libheif applies
    # the turn that the file asks for, and the plugin sets the one in the EXIF data to none.
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
    return ("HEIF",)


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise Refusal("has no pixels; copy or download it again")
    if width * height > max_pixels:
        raise Refusal(
            f"has {width} x {height} = {width * height / 1e6:.0f} million pixels; the limit is {max_pixels / 1e6:g} "
            "million: make it smaller, or raise max_pixels"
        )


def _check_scans(file: Image.Image, data: bytes) -> None:
    if file.format in ("JPEG", "MPO") and data.count(_START_OF_SCAN) > _MOST_SCANS:
        raise Refusal(f"is a JPEG of more than {_MOST_SCANS} scans, which take too long to decode; save it again")


def _orientation(file: Image.Image) -> Transpose | None:
    try:
        return _TURNS.get(file.getexif().get(_ORIENTATION, 1))
    except Exception:  # broken EXIF beside good pixels: the picture is worth more than its orientation
        return None


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _eight_bits(image).convert("RGB")
    if image.mode in ("La", "RGBa"):
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        paper = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(paper, layer).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey values of 16 or 32 bits, or floats, brought to 0..255 by the range their type or their content has."""
    import numpy as np  # noqa: PLC0415 - a third of the start of a process that decodes; few pictures need it

    values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if image.mode == "F":
        low, top = min(low, 0.0), next((top for top in (1.0, 255.0, 65535.0) if high <= top), high)
    else:
        low, top = min(low, 0.0), 65535.0 if high <= 65535 else high
    scaled = (values - low) / max(top - low, 1e-12) * 255
    return Image.fromarray(np.rint(np.clip(scaled, 0, 255)).astype(np.uint8))


def _shrink(image: Image.Image, max_side: int) -> Image.Image:
    long = max(image.size)
    if long <= max_side:
        return image
    width, height = (max(1, round(side * max_side / long)) for side in image.size)
    return image.resize((width, height), Resampling.LANCZOS, reducing_gap=3.0)


def _png(image: Image.Image) -> bytes:
    image.info = {}  # a profile, a comment or a resolution would be written too
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=4)
    return out.getvalue()


def _not_an_image(data: bytes) -> str:
    for offset, magic, what, remedy in _OTHER_KINDS:
        if data[offset : offset + len(magic)] == magic:
            return f"is {what}; {remedy}"
    return f"is not a picture we can read; give {READABLE}"


def _cause(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:80] if text else type(error).__name__


class _Quiet:
    """Silences Pillow's warnings while any thread decodes; what they warn of is refused or repaired here.

    `warnings.catch_warnings` alone is not safe with threads: the last one out could restore the first one's silence.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._saved = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.simplefilter("ignore")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._saved.__exit__(kind, error, at)


_quiet = _Quiet()
