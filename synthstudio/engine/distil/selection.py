"""Which few images of a class to keep, and the two kinds of mean: rules that need no optimisation.

Every rule takes features (N, F), labels (N,) with places 0 … C-1, how many to keep per class and a generator, and gives
places of images as (C, per_class). Ties go to the lower place, so a rule is a pure function of its arguments.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from synthstudio.errors import BadInput

_ROUNDS = 50  # of Lloyd's algorithm; it ends earlier when nothing moves
_STARTS = 3  # of k-means; the tightest is kept

Rule = Callable[[Tensor, Tensor, int, torch.Generator], Tensor]
_OneClass = Callable[[Tensor, int, torch.Generator], Tensor]


def random(features: Tensor, labels: Tensor, per_class: int, chance: torch.Generator) -> Tensor:
    """A fresh draw without repeats. Returns (C, per_class) places."""
    return _per_class(_random, features, labels, per_class, chance)


def herding(features: Tensor, labels: Tensor, per_class: int, chance: torch.Generator) -> Tensor:
    """The images whose running mean stays closest to the mean of the class (Welling 2009; iCaRL, Rebuffi et al. 2017).

    Greedy: argmin over x of ‖μ − (Σ chosen + φ(x)) / (k + 1)‖. Returns (C, per_class) places.
    """
    return _per_class(_herding, features, labels, per_class, chance)


def k_center(features: Tensor, labels: Tensor, per_class: int, chance: torch.Generator) -> Tensor:
    """The image nearest to the mean, then always the one farthest from those chosen (Sener & Savarese 2018).

    Covers a class, outliers first. Returns (C, per_class) places.
    """
    return _per_class(_k_center, features, labels, per_class, chance)


def k_means(features: Tensor, labels: Tensor, per_class: int, chance: torch.Generator) -> Tensor:
    """The image nearest to each centre of k-means, no image twice. Returns (C, per_class) places."""
    return _per_class(_k_means, features, labels, per_class, chance)


def cluster_means(values: Tensor, features: Tensor, labels: Tensor, per_class: int, chance: torch.Generator) -> Tensor:
    """Means of `values` (N, …) over the `per_class` k-means clusters of each class's features: (C, per_class, …).

    With one image per class this is the class mean; with more, as many means as images, none of them twice. Clusters
    are ordered by size, largest first.
    """
    means = []
    for places in _places(labels, per_class):
        owner = clusters(features[places], per_class, chance)
        sizes = torch.bincount(owner, minlength=per_class)
        for one in sizes.argsort(descending=True, stable=True):
            means.append(values[places[owner == one]].double().mean(0))
    return torch.stack(means).float().unflatten(0, (-1, per_class))


def clusters(features: Tensor, count: int, chance: torch.Generator) -> Tensor:
    """k-means (Lloyd 1982) from k-means++ starts: the cluster 0 … count-1 of each row (N,); none is empty.

    Raises BadInput if there are fewer rows than clusters.
    """
    if len(features) < count:
        raise BadInput(f"{len(features)} images cannot form {count} clusters. Ask for fewer images per class.")
    rows = features.flatten(1).double()
    best, tightest = torch.zeros(len(rows), dtype=torch.long), float("inf")
    for _ in range(_STARTS if count > 1 else 1):
        owner, spread = _lloyd(rows, _spread_out(rows, count, chance))
        if spread < tightest:
            best, tightest = owner, spread
    return best


def _lloyd(rows: Tensor, centres: Tensor) -> tuple[Tensor, float]:
    owner = torch.full((len(rows),), -1)
    distances = torch.cdist(rows, centres)
    for _ in range(_ROUNDS):
        found = _filled(distances)
        if found.equal(owner):
            break
        owner = found
        centres = torch.stack([rows[owner == place].mean(0) for place in range(len(centres))])
        distances = torch.cdist(rows, centres)
    return owner, float(distances.gather(1, owner[:, None]).square().sum())


def _filled(distances: Tensor) -> Tensor:
    """The nearest centre of each row; an empty cluster takes the row that fits its own cluster worst."""
    owner = distances.argmin(1)
    for place in range(distances.shape[1]):
        if not (owner == place).any():
            lonely = distances.gather(1, owner[:, None])[:, 0].clone()
            lonely[torch.bincount(owner, minlength=distances.shape[1])[owner] < 2] = -1
            owner[lonely.argmax()] = place
    return owner


def _spread_out(rows: Tensor, count: int, chance: torch.Generator) -> Tensor:
    """k-means++ (Arthur & Vassilvitskii 2007): each next start with probability ∝ its squared distance."""
    chosen = [int(torch.randint(len(rows), (1,), generator=chance))]
    nearest = (rows - rows[chosen[0]]).square().sum(1)
    while len(chosen) < count:
        weights = nearest if float(nearest.sum()) > 0 else torch.ones_like(nearest)
        chosen.append(int(torch.multinomial(weights, 1, generator=chance)))
        nearest = torch.minimum(nearest, (rows - rows[chosen[-1]]).square().sum(1))
    return rows[chosen]


def _random(rows: Tensor, count: int, chance: torch.Generator) -> Tensor:
    return torch.randperm(len(rows), generator=chance)[:count].sort().values


def _herding(rows: Tensor, count: int, chance: torch.Generator) -> Tensor:
    mean, total = rows.mean(0), torch.zeros_like(rows[0])
    chosen: list[int] = []
    for number in range(1, count + 1):
        distances = (mean - (total + rows) / number).square().sum(1)
        distances[chosen] = float("inf")
        chosen.append(int(distances.argmin()))
        total = total + rows[chosen[-1]]
    return torch.tensor(chosen)


def _k_center(rows: Tensor, count: int, chance: torch.Generator) -> Tensor:
    chosen = [int((rows - rows.mean(0)).square().sum(1).argmin())]
    nearest = (rows - rows[chosen[0]]).square().sum(1)
    while len(chosen) < count:
        nearest[chosen] = -1  # copies of a chosen image are at distance 0 and may still be needed
        chosen.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, (rows - rows[chosen[-1]]).square().sum(1))
    return torch.tensor(chosen)


def _k_means(rows: Tensor, count: int, chance: torch.Generator) -> Tensor:
    owner = clusters(rows, count, chance)
    chosen = []
    for place in range(count):
        inside = (owner == place).nonzero()[:, 0]
        distances = (rows[inside] - rows[inside].mean(0)).square().sum(1)
        chosen.append(int(inside[distances.argmin()]))
    return torch.tensor(chosen)


def _per_class(rule: _OneClass, features: Tensor, labels: Tensor, per_class: int, chance: torch.Generator) -> Tensor:
    rows = features.flatten(1).double()
    return torch.stack([places[rule(rows[places], per_class, chance)] for places in _places(labels, per_class)])


def _places(labels: Tensor, per_class: int) -> list[Tensor]:
    """The places of each class's images, classes in order; BadInput if a class is too small."""
    found = []
    for label in range(int(labels.max()) + 1):
        places = (labels == label).nonzero()[:, 0]
        if len(places) < per_class:
            raise BadInput(
                f"{per_class} images per class were asked for, but a class has {len(places)}. "
                "Ask for fewer, or add images."
            )
        found.append(places)
    return found


RULES: dict[str, Rule] = {"random": random, "herding": herding, "k_center": k_center, "k_means": k_means}
