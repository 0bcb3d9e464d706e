"""Photos, trainings and comparisons for the tests of the text-to-image engine."""

import io

import numpy as np
import torch
from PIL import Image

from synthstudio.engine import backbones, lora, pixels
from tests.engine.tiny import SIZE

CPU = torch.device("cpu")
QUICK = lora.Recipe(steps=6, learning_rate=1e-2, warmup_steps=1, batch_size=3, rank=4, alpha=8, seed=5)

# Kinds beside the weights, that subtract their start, that scale, that only peft reads: each family has one of each.
ONE_OF_EACH_SORT = ("lora", "pissa", "dora", "lokr", "ia3")


def loaded(folder):
    torch.set_num_threads(1)
    return backbones.load(folder, CPU)


def photos(backbone, count=4, labels=("cat", "dog")):
    pictures = [picture(number) for number in range(count)]
    mean, deviation = backbone.moments(pixels.to_tensor(pictures))
    views = tuple((number,) for number in range(count))
    return lora.Photos(mean, deviation, views, tuple(f"a photo of a {labels[n % len(labels)]}" for n in range(count)))


def picture(number, size=SIZE):
    coarse = np.random.default_rng(number).integers(0, 255, (4, 4, 3), np.uint8)
    return Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)


def trained(backbone, folder, recipe=QUICK, shots=None):
    """The bytes of the weights after an unbroken training."""
    training = lora.Training(backbone, shots or photos(backbone), recipe, folder)
    for _ in training.run(2):
        pass
    training.write(folder / "weights.safetensors")
    training.close()
    return (folder / "weights.safetensors").read_bytes()


def values(file):
    """The pixels of a PNG, as whole numbers."""
    return np.asarray(Image.open(io.BytesIO(file))).astype(int)


def furthest(one, other):
    """The largest difference of two PNG files, of 255."""
    return int(np.abs(values(one) - values(other)).max())
