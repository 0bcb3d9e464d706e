"""Say what photographs show: python classify.py photo.jpg [another.png ...]

Needs: pip install open_clip_torch pillow safetensors
"""

import json
import sys
from pathlib import Path

import open_clip
import torch
from PIL import Image
from safetensors.torch import load_file

here = Path(__file__).resolve().parent
classes = json.loads((here / "classes.json").read_text(encoding="utf-8"))
model, _, prepare = open_clip.create_model_and_transforms(f"local-dir:{here / 'encoder'}")
head = load_file(here / "head.safetensors")
model.eval()


@torch.inference_mode()
def classify(path: str) -> dict[str, float]:
    """The probability of every class for one photograph, most likely first."""
    with Image.open(path) as photo:
        image = prepare(photo.convert("RGB")).unsqueeze(0)
    vector = model.encode_image(image, normalize=True)
    chances = (vector @ head["weight"].T + head["bias"]).softmax(1)[0]
    return {classes[place]: float(chances[place]) for place in chances.argsort(descending=True)}


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for path in sys.argv[1:]:
        found = list(classify(path).items())[:3]
        print(path, *(f"{label}: {chance:.1%}" for label, chance in found), sep="\t")
