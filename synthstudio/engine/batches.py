"""What a step of a training shows, and what it weighs: images of two kinds, their shares of a batch, the rate."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from synthstudio.engine.seeds import generator


@dataclass(frozen=True)
class Part:
    """Images of one kind: digests, uint8 pixels (N, 3, S, S), and the place of each label."""

    images: tuple[str, ...]
    pixels: Tensor
    labels: Tensor

    @classmethod
    def of(cls, images: tuple[str, ...], pixels: Tensor, places: Sequence[int]) -> "Part":
        """A part from the places of its labels as plain numbers."""
        return cls(images, pixels, torch.tensor(places))


def first_images(part: Part, count: int) -> Part:
    """At most `count` images of a part, spread over all of it, so that every label is among them."""
    places = torch.linspace(0, len(part.images) - 1, min(count, len(part.images))).round().long()
    return Part(tuple(part.images[place] for place in places), part.pixels[places], part.labels[places])


def warmed_up(step: int, peak: float, warmup_steps: int, training_steps: int) -> float:
    """The learning rate of a step: linear to `peak`, then a cosine to zero."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    share = (step - warmup_steps) / max(1, training_steps - warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * share))


def weighted_loss(
    logits: dict[str, Tensor], labels: dict[str, Tensor], real_weight: float, whole: dict[str, int] | None = None
) -> Tensor:
    """λ · CE(real) + (1 − λ) · CE(synthetic); with one part only, its CE alone, so λ never scales a lone loss.

    Where a pass shows some rows of a batch, `whole` says how many of each part the batch has: the losses of all passes,
    each weighed by its rows, then have the loss of the whole batch as their mean.
    """
    whole = whole or {part: len(labels[part]) for part in logits}
    rows, shown = sum(whole.values()), sum(len(labels[part]) for part in logits)
    losses = {}
    for part, own in logits.items():
        share = len(own) / whole[part] * (rows / shown)
        loss = F.cross_entropy(own, labels[part])
        losses[part] = loss if share == 1 else share * loss
    if len(whole) == 1:
        return next(iter(losses.values()))
    weights = {"real": real_weight, "synthetic": 1 - real_weight}
    return torch.stack([weights[part] * loss for part, loss in losses.items()]).sum()


def shares(batch_size: int, parts: Sequence[str]) -> dict[str, int]:
    """How many images of each part stand in a batch: half and half when there are two, whatever their counts.

    The published code repeats the shots until an epoch holds as many real as synthetic images: that mix, exactly.
    """
    if len(parts) == 1:
        return {parts[0]: batch_size}
    return {"real": batch_size - batch_size // 2, "synthetic": max(1, batch_size // 2)}


def chosen(seed: int, part: str, count: int, step: int, size: int) -> Tensor:
    """Places of the `size` images of a step: shuffled passes over all `count`, one after the other."""
    start = step * size
    passes = range(start // count, (start + size - 1) // count + 1)
    order = torch.cat([torch.randperm(count, generator=generator(seed, "order", part, each)) for each in passes])
    return order[start % count :][:size]


def rows_by_part(sizes: dict[str, int], rows: Sequence[int]) -> dict[str, list[int]]:
    """Places within their part of some rows of a batch, in which the parts follow one another; no part without rows."""
    found, start = {}, 0
    for part, size in sizes.items():
        own = [row - start for row in rows if start <= row < start + size]
        start += size
        if own:
            found[part] = own
    return found


def only(rows: Sequence[int], tensors: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """These rows of two tensors of a batch; the tensors themselves where that is all of them."""
    if len(rows) == len(tensors[0]):
        return tensors
    some, others = (one[torch.tensor(list(rows)).to(one.device)] for one in tensors)
    return some, others
