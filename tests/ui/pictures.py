"""Small files for uploads: good, broken and hostile ones."""

import io
import zipfile

import numpy as np
from PIL import Image


def png(seed: int, side: int = 24) -> bytes:
    """A picture that is like no other."""
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def hostile_zip() -> bytes:
    """Traversal, a page, a broken picture, a class name full of HTML; and six good pictures of two classes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for n in range(3):
            archive.writestr(f"cats/{n}.png", png(n))
            archive.writestr(f"<img src=x onerror=alert(1)>/{n}.png", png(10 + n))
        archive.writestr("cats/copy.png", png(0))
        archive.writestr("cats/broken.png", png(30)[:60])
        archive.writestr("cats/page.png", b"<script>alert(1)</script>")
        archive.writestr("../../evil.png", png(40))
        archive.writestr("/abs.png", png(41))
    return out.getvalue()
