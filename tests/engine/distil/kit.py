"""A few classes of small coloured pictures, and what the methods need around them."""

import torch

from synthstudio.engine.distil.forms.pixels import Pixels
from synthstudio.engine.distil.matching import METHODS, Teaching
from synthstudio.engine.distil.real import RealImages
from synthstudio.engine.seeds import generator

LABELS = ("blue", "green", "red")
SIZE = 16


def real_images(each=12, size=SIZE):
    """Noisy stripes: lying, standing or crossed, and of one colour per class. Instance norm takes colours away."""
    chance = generator(0, "pictures")
    colours = torch.tensor([[40, 60, 200], [50, 180, 60], [200, 60, 50]])
    labels = [label for label in LABELS for _ in range(each)]
    rows, columns = (
        (torch.arange(size) // 2 % 2 * 60 - 30).view(-1, 1),
        (torch.arange(size) // 2 % 2 * 60 - 30).view(1, -1),
    )
    stripes = torch.stack([rows.expand(size, size), columns.expand(size, size), rows * columns // 30])
    bases = (colours[:, :, None, None] + stripes[:, None]).repeat_interleave(each, 0)
    pixels = (bases + 30 * torch.randn((len(labels), 3, size, size), generator=chance)).clamp(0, 255)
    return RealImages.of(pixels.to(torch.uint8), labels)


def teaching(images_per_class=2, **more):
    return Teaching(real_images(), images_per_class, **{"width": 4, "real_batch": 6, **more})


def matching(name, **more):
    return METHODS[name](teaching(**more))


def some_images(images_per_class=2):
    """Normalised images (classes, per class, 3, S, S)."""
    return torch.randn((len(LABELS), images_per_class, 3, SIZE, SIZE), generator=generator(1, "start"))


def pixels_form():
    real = real_images()
    return Pixels(real.normalisation, real.size)
