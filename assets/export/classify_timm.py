"""Say what photographs show: python classify.py photo.jpg [another.png ...]

Needs: pip install timm torch pillow numpy safetensors
"""

import json
import sys
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import load_file

here = Path(__file__).resolve().parent
classes = json.loads((here / "classes.json").read_text(encoding="utf-8"))
seen = json.loads((here / "pictures.json").read_text(encoding="utf-8"))
about = json.loads((here / "encoder" / "config.json").read_text(encoding="utf-8"))
model = timm.create_model(about["architecture"], num_classes=about["num_classes"], **about.get("model_args", {}))
model.load_state_dict(load_file(here / "encoder" / "model.safetensors"))
head = load_file(here / "head.safetensors")
model.eval()


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


@torch.inference_mode()
def classify(path: str) -> dict[str, float]:
    """The probability of every class for one photograph, most likely first."""
    mean, std = (torch.tensor(about["pretrained_cfg"][name]).view(3, 1, 1) for name in ("mean", "std"))
    image = ((torch.from_numpy(pixels(path)) - mean) / std).unsqueeze(0)
    vector = torch.nn.functional.normalize(model.forward_head(model.forward_features(image), pre_logits=True), dim=-1)
    chances = (vector @ head["weight"].T + head["bias"]).softmax(1)[0]
    return {classes[place]: float(chances[place]) for place in chances.argsort(descending=True)}


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for path in sys.argv[1:]:
        found = list(classify(path).items())[:3]
        print(path, *(f"{label}: {chance:.1%}" for label, chance in found), sep="\t")
