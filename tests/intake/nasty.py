"""Files a stranger might send, made on the spot."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from synthstudio.intake.sources import register
from synthstudio.steps.collect.import_images import ImportImages
from tests.steps.kit import work_in


def photo(number: int = 0, size: tuple[int, int] = (40, 30)) -> Image.Image:
    """A smooth random picture, different for each number."""
    random = np.random.default_rng(number)
    return Image.fromarray(random.integers(0, 255, (5, 6, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)


def saved(image: Image.Image, kind: str = "PNG", **how) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def good(number: int = 0) -> bytes:
    return saved(photo(number))


def bomb_png(width: int = 30_000, height: int = 30_000) -> bytes:
    """A PNG whose header promises far more pixels than its few bytes could pay for."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def tree(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def zipped(path: Path, files: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


class Imported:
    """What an import said and made."""

    def __init__(self, tmp_path: Path, source: Path, **fields) -> None:
        self.work = work_in(tmp_path / "studio")
        step = ImportImages(source=register(str(source), self.work.workspace), **fields)
        self.events = list(step.run(self.work))
        self.outputs = {e.name: e.value for e in self.events if e.event == "output"}
        self.refused = {e.name: e.reason for e in self.events if e.event == "refused"}
        self.notes = [e.text for e in self.events if e.event == "note"]
        self.made = [e.image for e in self.events if e.event == "made"]
        self.counts = self.outputs["counts"]
        self.pool = self.work.workspace.image_set(self.outputs["images"])
        assert not list(self.work.workspace.root.rglob("*.part"))
        assert all(self.work.workspace.has(member.image) for member in self.pool)


def tiff_chain(pages: int) -> bytes:
    """A TIFF of one pixel whose directory is repeated: a few bytes a page."""
    out = bytearray(b"II*\0" + struct.pack("<I", 10) + b"\x80\0")
    tags = [(256, 3, 1, 1), (257, 3, 1, 1), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8),
            (277, 3, 1, 1), (278, 3, 1, 1), (279, 4, 1, 1)]  # fmt: skip
    for page in range(pages):
        out += struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        out += struct.pack("<I", len(out) + 4 if page < pages - 1 else 0)
    return bytes(out)


def jpeg_of_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    whole = saved(photo(), "JPEG", progressive=True)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + last * count + whole[-2:]
