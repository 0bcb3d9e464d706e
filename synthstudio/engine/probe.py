"""A linear classifier on frozen embeddings that starts from the words, where the eye knows any.

CLIP's zero-shot head is a linear layer whose rows are the text embeddings. The probe is that head plus an update with
an L2 penalty, so one shot moves it a little and many shots can change everything: a head that starts from CLIP's words
as in He et al. 2023, held near the zero-shot prototypes as in CLAP (Silva-Rodriguez et al. 2024).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from synthstudio.engine.encoders import softmax, unit

PENALTY = 0.04  # good on validation images of digits, satellite photos and flowers from 1 to 16 shots
PENALTIES = (0.0025, 0.01, 0.04, 0.16, 0.64)  # what cross-validation chooses among
_SCALE = 8.0  # of cosines to prototypes, where there is one image of each class
_SCALES = (2.0, 4.0, 8.0, 16.0, 32.0)
_FOLDS = 5
_FINE, _ROUGH = 1e-7, 1e-6  # of the search: when the loss changes less, it ends
_MANY = 1000  # examples beyond which products are single precision; sums and the search stay double
_TEACHERS = 5000  # images that one fold learns from: what so many say of a label, more would hardly change
MOST = 300  # images that cross-validation looks at: what suits so many suits more


@dataclass(frozen=True)
class Examples:
    """Embeddings (N, D) of one part and the place of each label."""

    vectors: NDArray[np.float32]
    labels: NDArray[np.int64]


class Validated(NamedTuple):
    """What cross-validation found of one way to fit: over `n` images that were left out once each, per repetition."""

    accuracy: float
    log_loss: float  # the mean negative log of the probability of the true class, in nats
    n: int
    low: float  # the lowest accuracy of a repetition, and the highest
    high: float
    hits: NDArray[np.float64]  # (n,) of each image left out, in order: in what share of the repetitions it was right


def folds_of(labels: NDArray[np.int64], seed: int = 0) -> NDArray[np.int64]:
    """The fold of every image: classes spread evenly over as many folds as the smallest class has images, at most 5.

    Classes with a single image are never left out: they have fold -1, and stay among what is learned from.
    """
    counts = np.bincount(labels)
    several = counts[counts > 1]
    folds = np.full(len(labels), -1)
    if not len(several):
        return folds
    count = min(_FOLDS, int(several.min()))
    random = np.random.default_rng(seed)
    for label in np.flatnonzero(counts > 1):
        own = random.permutation(np.flatnonzero(labels == label))
        folds[own] = (np.arange(len(own)) + random.integers(count)) % count
    return folds


def can_validate(labels: NDArray[np.int64]) -> bool:
    """Whether there is anything to leave out: two classes of two images, or nothing could be confused."""
    return int((np.bincount(labels) > 1).sum()) >= 2


def evenly(labels: NDArray[np.int64], most: int = MOST) -> NDArray[np.int64]:
    """Places of at most so many images, in order: of every class as many as of the others, where it has them.

    Two of each class are always among them, or nothing could be left out.
    """
    turn = np.zeros(len(labels), dtype=np.int64)
    random = np.random.default_rng(0)
    for label in np.unique(labels):
        own = random.permutation(np.flatnonzero(labels == label))
        turn[own] = np.arange(len(own))
    return np.sort(np.argsort(turn, kind="stable")[: max(most, 2 * len(np.unique(labels)))])


def validated(
    part: Examples, prior: NDArray[np.float32] | None, classes: int, *, scale: float,
    among: Sequence[float] = (PENALTY,), repeats: int = 1,
) -> dict[float, Validated]:  # fmt: skip
    """Cross-validation of a probe on one part alone, for every penalty. Each repetition cuts the folds anew."""
    start = _start(prior, classes, part.vectors.shape[1])
    vectors = torch.from_numpy(part.vectors).double()
    if len(vectors) < vectors.shape[1]:  # a smaller problem with the same answer, see `fit`
        basis = torch.linalg.qr(vectors.T)[0]
        vectors, start = vectors @ basis, start @ basis
    every: dict[float, list[tuple[NDArray[np.bool_], float]]] = {one: [] for one in among}
    for repeat in range(repeats):
        folds = torch.from_numpy(folds_of(part.labels, repeat))
        own = part.labels[folds >= 0]
        for penalty, chances in _left_out(vectors, part.labels, folds, scale * start, among).items():
            right = chances[np.arange(len(own)), own]
            every[penalty].append((chances.argmax(1) == own, float(-np.log(np.maximum(right, 1e-12)).mean())))
    return {one: _together([hits for hits, _ in rows], [loss for _, loss in rows]) for one, rows in every.items()}


def _together(hits: Sequence[NDArray[np.bool_]], losses: Sequence[float]) -> Validated:
    """The repetitions of one way to fit; the same images are left out in each, in the same order."""
    each = [float(one.mean()) for one in hits]
    return Validated(
        float(np.mean(each)), float(np.mean(losses)), len(hits[0]), min(each), max(each), np.mean(hits, axis=0)
    )


def _left_out(
    vectors: Tensor, labels: NDArray[np.int64], folds: Tensor, start: Tensor, among: Sequence[float]
) -> dict[float, NDArray[np.float64]]:
    """For every penalty the probabilities of each image by the probe that did not see it; in the images' order."""
    places = torch.from_numpy(labels)
    found = {one: torch.zeros(len(labels), len(start), dtype=torch.double) for one in among}
    for fold in range(int(folds.max()) + 1):
        shown, asked = folds != fold, folds == fold
        shares = torch.full((int(shown.sum()),), 1 / int(shown.sum()), dtype=torch.double)
        begin = None
        for penalty in sorted(among, reverse=True):  # each begins where the one before, which is stiffer, ended
            head, begin = _solved(vectors[shown], places[shown], shares, start, penalty, _ROUGH, begin)
            found[penalty][asked] = vectors[asked] @ head[0].T + head[1]
    return {one: softmax(logits[folds >= 0].numpy()) for one, logits in found.items()}


def best_penalty(
    part: Examples, prior: NDArray[np.float32] | None, classes: int, *, scale: float
) -> tuple[float, dict[float, Validated]]:
    """The penalty of the least cross-validated log loss, and what every one reached.

    With one image of every class nothing can be left out; the penalty is then `PENALTY`, and the table empty.
    """
    if not can_validate(part.labels):
        return PENALTY, {}
    few = evenly(part.labels)
    some = Examples(part.vectors[few], part.labels[few])
    found = validated(some, prior, classes, scale=scale, among=PENALTIES)
    return min(found, key=lambda one: (found[one].log_loss, -one)), found


def out_of_fold(
    part: Examples, prior: NDArray[np.float32] | None, classes: int, *, scale: float, more: Examples | None = None
) -> NDArray[np.float64]:
    """Probabilities (N, classes) of every image by a probe that has learnt from the other folds, and from `more`.

    Nobody can say anything of an image that is the only one of its class: its row is not a number.
    """
    folds = folds_of(part.labels)
    if more is None:
        more = Examples(part.vectors[:0], part.labels[:0])
    folds[(folds < 0) & np.isin(part.labels, more.labels)] = 0
    vectors, labels = np.concatenate([part.vectors, more.vectors]), np.concatenate([part.labels, more.labels])
    turns = np.concatenate([folds, np.full(len(more.labels), -1)])
    penalty, _ = best_penalty(Examples(vectors, labels), prior, classes, scale=scale)
    found = np.full((len(folds), classes), np.nan)
    for fold in range(int(folds.max(initial=-1)) + 1):
        others = np.flatnonzero(turns != fold)
        few = others[evenly(labels[others], _TEACHERS)]
        learnt = {"real": Examples(vectors[few], labels[few])}
        head = fit(learnt, prior, classes, scale=scale, penalty=penalty, real_weight=1.0)
        own = part.vectors[folds == fold]
        found[folds == fold] = softmax(own @ head["weight"].numpy().T + head["bias"].numpy())
    return found


def prototypes(part: Examples, classes: int) -> dict[str, Tensor]:
    """Weight (classes, D) and bias of a head without training: logits = scale · cos(image, mean of its class).

    Nearest class mean, as in prototypical networks (Snell et al. 2017), read relative to the mean of all images. The
    scale is the one under which the images, each judged without itself, are most probable in their class. A class
    without an image is refused by whoever asks; here its row is zero.
    """
    vectors, labels = torch.from_numpy(part.vectors).double(), torch.from_numpy(part.labels)
    truth = F.one_hot(labels, classes).double()
    counts = truth.sum(0).clamp(min=1)[:, None]
    middle = ((truth.T @ vectors) / counts)[truth.sum(0) > 0].mean(0)
    seen = F.normalize(vectors - middle, dim=1)
    sums = truth.T @ seen
    means = F.normalize(sums, dim=1)
    scale = _scale(seen, labels, sums, means)
    # The length of an image relative to the mean is that of the images here, so that the head stays linear.
    spread = max(float((vectors - middle).norm(dim=1).mean()), 1e-12)
    weight = scale * means / spread
    return {"weight": weight.float().contiguous(), "bias": (-weight @ middle).float().contiguous()}


def _scale(seen: Tensor, labels: Tensor, sums: Tensor, means: Tensor) -> float:
    several = torch.bincount(labels, minlength=len(sums))[labels] > 1
    if not several.any():
        return _SCALE
    cosines = seen @ means.T
    without = F.normalize(sums[labels] - seen, dim=1)
    cosines[torch.arange(len(seen)), labels] = (seen * without).sum(1)
    losses = {s: float(F.cross_entropy(s * cosines[several], labels[several])) for s in _SCALES}
    return min(losses, key=lambda one: losses[one])


def fit(
    parts: dict[str, Examples],
    prior: NDArray[np.float32] | None,
    classes: int,
    *,
    scale: float,
    penalty: float,
    real_weight: float,
) -> dict[str, Tensor]:
    """Weight (classes, D) and bias of the probe: logits = embeddings @ weight.T + bias.

    Minimises λ · CE(real) + (1 − λ) · CE(synthetic) + penalty / (2 N) · ‖update‖² by L-BFGS on all N examples in double
    precision: convex, deterministic, no learning rate. The penalty is the log of a Gaussian prior, so its share shrinks
    as images come in and one value suits 1 shot and 16. Without a text prior the head starts from nothing. CLIP's image
    vectors share a large common part and differ by little, so the update reads them relative to their mean and in units
    of their spread: one value then suits every encoder.

    The best update is a sum of examples, so it is sought in the space they span: fewer images than dimensions are a
    smaller problem with the same answer.
    """
    weights = {"real": real_weight, "synthetic": 1 - real_weight} if len(parts) == 2 else dict.fromkeys(parts, 1.0)
    vectors = torch.cat([torch.from_numpy(part.vectors).double() for part in parts.values()])
    labels = torch.cat([torch.from_numpy(part.labels) for part in parts.values()])
    share = torch.cat(
        [torch.full((len(p.labels),), weights[name] / len(p.labels), dtype=torch.double) for name, p in parts.items()]
    )
    start = scale * _start(prior, classes, vectors.shape[1])
    basis = None
    if len(vectors) < vectors.shape[1]:
        basis = torch.linalg.qr(vectors.T)[0]
        (slope, bias), _ = _solved(vectors @ basis, labels, share, start @ basis, penalty)
        slope = start + (slope - start @ basis) @ basis.T
    else:
        (slope, bias), _ = _solved(vectors, labels, share, start, penalty)
    return {"weight": slope.float().contiguous(), "bias": bias.float().contiguous()}


def _start(prior: NDArray[np.float32] | None, classes: int, width: int) -> Tensor:
    """What the head is before it has seen an image: the words, or nothing."""
    if prior is None:
        return torch.zeros(classes, width, dtype=torch.double)
    return torch.from_numpy(unit(prior)).double()


def _solved(
    vectors: Tensor, labels: Tensor, share: Tensor, start: Tensor, penalty: float, tolerance: float = _FINE,
    begin: Tensor | None = None,
) -> tuple[tuple[Tensor, Tensor], Tensor]:  # fmt: skip
    """(weight, bias) of the least loss, and the solution as the search has it, to begin another one with.

    `share` is what every example weighs in the loss. The gradient is written out, which is faster than autograd.
    """
    middle = share @ vectors / share.sum()
    spread = max(float(share @ (vectors - middle).square().sum(1) / share.sum()), 1e-12) ** 0.5
    offset = vectors @ start.T
    seen = ((vectors - middle) / spread).to(torch.float if len(vectors) > _MANY else torch.double)
    (classes, width), stiff = start.shape, penalty / len(labels)
    truth = F.one_hot(labels, classes).double()
    flat = torch.zeros(classes * (width + 1), dtype=torch.double) if begin is None else begin.clone()
    search = torch.optim.LBFGS(
        [flat.requires_grad_()], max_iter=300, history_size=20, tolerance_change=tolerance,
        tolerance_grad=1e-9, line_search_fn="strong_wolfe",
    )  # fmt: skip

    @torch.no_grad()
    def loss() -> Tensor:
        update, shift = flat[: classes * width].view(classes, width), flat[classes * width :]
        logs = torch.log_softmax(offset + (seen @ update.T.to(seen.dtype)).double() + shift, 1)
        slope = (logs.exp() - truth) * share[:, None]
        steep = (slope.T.to(seen.dtype) @ seen).double()
        flat.grad = torch.cat([steep.flatten(), slope.sum(0)]) + stiff * flat.detach()
        return -(share * logs.gather(1, labels[:, None])[:, 0]).sum() + 0.5 * stiff * flat.square().sum()

    search.step(loss)
    found = flat.detach()
    slope = found[: classes * width].view(classes, width) / spread
    return (start + slope, found[classes * width :] - slope @ middle), found
