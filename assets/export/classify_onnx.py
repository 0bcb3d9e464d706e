"""Say what photographs show, without torch: python classify_onnx.py photo.jpg [another.png ...]

Needs: pip install onnxruntime pillow numpy
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

here = Path(__file__).resolve().parent
classes = json.loads((here / "classes.json").read_text(encoding="utf-8"))
seen = json.loads((here / "pictures.json").read_text(encoding="utf-8"))
session = onnxruntime.InferenceSession(here / "model.onnx", providers=["CPUExecutionProvider"])


def pixels(path: str) -> np.ndarray:
    """One photograph as the network was taught to see it: (3, size, size) in [0, 1]."""
    size, shorter = seen["size"], seen["shorter_side"]
    with Image.open(path) as photo:
        if seen["draft"]:  # a JPEG is decoded at about the size that is needed
            photo.draft("RGB", (2 * shorter, 2 * shorter))
        picture = photo.convert("RGB")
    scale = shorter / min(picture.size)
    sides = [shorter if side == min(picture.size) else int(side * scale) for side in picture.size]
    picture = picture.resize(sides, Image.Resampling[seen["interpolation"].upper()])
    left, top = (round((side - size) / 2) for side in picture.size)
    return np.asarray(picture.crop((left, top, left + size, top + size)), np.float32).transpose(2, 0, 1) / 255


def classify(path: str) -> dict[str, float]:
    """The probability of every class for one photograph, most likely first."""
    (chances,) = session.run(["probabilities"], {"pixels": pixels(path)[None]})
    return {classes[place]: float(chances[0][place]) for place in np.argsort(-chances[0])}


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for path in sys.argv[1:]:
        found = list(classify(path).items())[:3]
        print(path, *(f"{label}: {chance:.1%}" for label, chance in found), sep="\t")
