"""Where the images start: noise, real images chosen by some rule, or means."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from synthstudio.engine.distil import selection
from synthstudio.engine.distil.forms import Form
from synthstudio.engine.distil.networks import make_network
from synthstudio.engine.distil.real import RealImages
from synthstudio.engine.seeds import generator
from synthstudio.errors import BadInput
from synthstudio.seeds import derived_seed

MOST = 1000  # images of a class that rules and means look at, the first of a shuffle
_FEATURES_AT_ONCE = 64
_WIDTH = 32
_CPU = torch.device("cpu")

_RULES: dict[str, selection.Rule] = {
    "real": selection.random,
    "herding": selection.herding,
    "k_means": selection.k_means,
}


@dataclass(frozen=True)
class Start:
    """Which rule, how many images of each class, which chance."""

    rule: str
    images_per_class: int
    seed: int


def start(form: Form, real: RealImages, how: Start, device: torch.device = _CPU) -> Tensor:
    """Variables (classes · images_per_class, ...), class by class; networks look at images on the device.

    real, herding, k_means: chosen real images (features of a random ConvNet). class_mean: means of k-means clusters of
    the pixels; with one image per class the mean of the class. mean_latent: the same among the variables themselves.
    BadInput if a class has fewer images than asked for.
    """
    chance = generator(how.seed, "start", how.rule)
    count = how.images_per_class
    if how.rule == "noise":
        return form.noise(len(real.labels) * count, chance)
    for label, rows in zip(real.labels, real.rows, strict=True):
        if len(rows) < count:
            raise BadInput(
                f"{count} images of {label!r} cannot start from {len(rows)} real ones. "
                "Ask for fewer images per class, or set initialisation to noise."
            )
    rows, places = _looked_at(real, chance)
    if how.rule == "class_mean":
        unit = real.unit(rows)
        return form.encode(selection.cluster_means(unit, unit, places, count, chance).flatten(0, 1))
    if how.rule == "mean_latent":
        variables = torch.cat([form.encode(real.unit(some)).cpu() for some in rows.split(_FEATURES_AT_ONCE)])
        return selection.cluster_means(variables, variables, places, count, chance).flatten(0, 1)
    features = _features(real, rows, how.seed, device) if how.rule != "real" else rows[:, None].float()
    chosen = _RULES[how.rule](features, places, count, chance)
    return form.encode(real.unit(rows[chosen.flatten()]))


def _looked_at(real: RealImages, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """At most MOST rows of each class, and the class of each."""
    kept = [rows[torch.randperm(len(rows), generator=chance)[:MOST]] for rows in real.rows]
    places = [torch.full((len(rows),), place) for place, rows in enumerate(kept)]
    return torch.cat(kept), torch.cat(places)


@torch.no_grad()
def _features(real: RealImages, rows: Tensor, seed: int, device: torch.device) -> Tensor:
    """Features (N, F) on the CPU, where the rules choose: they look at numbers one by one, and draw some."""
    network = make_network(
        "convnet",
        channels=3,
        classes=len(real.labels),
        image_size=real.size,
        width=_WIDTH,
        seed=derived_seed(seed, "start"),
    ).to(device)
    embed: Callable[[Tensor], Tensor] = network.embed
    parts = [embed(real.normalisation.apply(real.unit(some).to(device))) for some in rows.split(_FEATURES_AT_ONCE)]
    return torch.cat(parts).cpu()
