"""Fine-tuning both towers of a CLIP model with LoRA, on real, synthetic or both; and asking a trained classifier.

logits = exp(logit_scale) · cos(image, text of the label), logit_scale frozen. With both kinds of images
L = λ · CE(real part) + (1 − λ) · CE(synthetic part), each averaged over its own part (DataDream; Kim et al. 2024).

A step is a pure function of (seed, step): which images, which views, which dropout. So a run that is killed and
resumed from its checkpoint ends with the same bytes as one that was not.
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.func import functional_call

from synthstudio import weightfile
from synthstudio.engine.augment import augment, rows_for_step, rows_for_views
from synthstudio.engine.devices import lowered
from synthstudio.engine.encoders import Encoder, TimmEncoder, in_batches, sentence, softmax
from synthstudio.engine.low_rank import LowRank, targets_of
from synthstudio.engine.seeds import generator
from synthstudio.errors import BadInput, StudioError


@dataclass(frozen=True)
class Settings:
    """The scientific choices of a fine-tuning, without the images."""

    training_steps: int
    batch_size: int
    seed: int
    rank: int = 16
    alpha: float = 32
    dropout: float = 0.1
    targets: str = "attention"
    depth: int | None = None
    learning_rate: float = 1e-4
    weight_decay: float = 1e-4
    warmup_steps: int = 0
    real_weight: float = 0.8
    augmentation: str = "light"
    flip: bool = False
    views: int = 0


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


def learning_rate_at(step: int, settings: Settings) -> float:
    """Linear warm-up, then a cosine to zero; per step."""
    return warmed_up(step, settings.learning_rate, settings.warmup_steps, settings.training_steps)


def warmed_up(step: int, peak: float, warmup_steps: int, training_steps: int) -> float:
    """The learning rate of a step: linear to `peak`, then a cosine to zero."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    share = (step - warmup_steps) / max(1, training_steps - warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * share))


def weighted_loss(logits: dict[str, Tensor], labels: dict[str, Tensor], real_weight: float) -> Tensor:
    """λ · CE(real) + (1 − λ) · CE(synthetic); with one part only, its CE alone, so λ never scales a lone loss."""
    losses = {part: F.cross_entropy(logits[part], labels[part]) for part in logits}
    if len(losses) == 1:
        return next(iter(losses.values()))
    return real_weight * losses["real"] + (1 - real_weight) * losses["synthetic"]


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


class Training:
    """One fine-tuning. Call `prepare()`, then `advance()` until `step` reaches the settings' training steps."""

    def __init__(self, encoder: Encoder, parts: dict[str, Part], texts: Sequence[str], settings: Settings) -> None:
        self.encoder, self.parts, self.settings = encoder, parts, settings
        self.step = 0
        self.tokens = encoder.tokens(texts)
        targets = targets_of(encoder.model, settings.targets, settings.depth)
        self.update = LowRank(targets, settings.rank, settings.alpha, settings.dropout)
        self.update.initialise(settings.seed)
        self.update.to(encoder.device)
        self._optimizer = torch.optim.AdamW([self.update.flat], lr=0.0, weight_decay=settings.weight_decay)
        self.towers = Towers(encoder, first_adapted(encoder, self.update))
        self._features: dict[str, Tensor] = {}

    def prepare(self) -> Iterator[tuple[int, int]]:
        """Draw the fixed views and run the frozen part of the tower on them once; says (done, total) images.

        Does nothing when every step draws fresh views, or when no part of the tower is frozen.
        """
        views, total = self.settings.views, sum(len(part.images) for part in self.parts.values()) * self.settings.views
        if not views or self.towers.first == 0:
            return
        done, size = 0, self.encoder.batch(0)
        for name, part in self.parts.items():
            made = []
            for view in range(views):
                for start in range(0, len(part.images), size):
                    places = torch.arange(start, min(start + size, len(part.images)))
                    made.append(in_batches(self._views(name, places, [view] * len(places)), self.towers.frozen, size))
                    done += len(places)
                    yield done, total
            self._features[name] = torch.cat(made).unflatten(0, (views, len(part.images)))

    def advance(self) -> dict[str, float]:
        """One optimiser update; returns its loss, accuracy on the batch and learning rate."""
        settings, names = self.settings, sorted(self.parts)
        sizes = shares(settings.batch_size, names)
        places = {
            name: chosen(settings.seed, name, len(self.parts[name].images), self.step, sizes[name]) for name in names
        }
        inputs = torch.cat([self._inputs(name, places[name]) for name in names])
        labels = {name: self.parts[name].labels[places[name]].to(inputs.device) for name in names}
        weights = self.update.weights(self.encoder.model, generator(settings.seed, "dropout", self.step))
        logits = self.towers.logits(weights, inputs, self.tokens)
        split = dict(zip(names, logits.split([len(labels[name]) for name in names]), strict=True))
        loss = weighted_loss(split, labels, settings.real_weight)
        self._optimizer.param_groups[0]["lr"] = rate = learning_rate_at(self.step, settings)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        right = (logits.argmax(1) == torch.cat([labels[name] for name in names])).float().mean()
        value, accuracy = torch.stack([loss.detach(), right]).tolist()  # the only wait for the device in a step
        if not math.isfinite(value):
            raise BadInput(f"The loss of step {self.step} is not a number. Lower learning_rate and train again.")
        self._optimizer.step()
        self.step += 1
        return {"loss": value, "accuracy": accuracy, "learning_rate": rate}

    def _inputs(self, name: str, places: Tensor) -> Tensor:
        settings = self.settings
        if not settings.views:
            rows = rows_for_step(settings.seed, self.step, name, len(places))
            pixels = self.parts[name].pixels[places].to(self.encoder.device)
            return self.towers.frozen(augment(pixels, rows, settings.augmentation, flip=settings.flip))
        chance = generator(settings.seed, "choice", name, self.step)
        view = torch.randint(settings.views, (len(places),), generator=chance)
        if name in self._features:
            return self._features[name][view, places].to(self.encoder.device)
        return self.towers.frozen(self._views(name, places, view.tolist()))

    def _views(self, name: str, places: Tensor, views: Sequence[int]) -> Tensor:
        part, settings = self.parts[name], self.settings
        rows = rows_for_views(settings.seed, [(part.images[p], view) for p, view in zip(places, views, strict=True)])
        return augment(part.pixels[places].to(self.encoder.device), rows, settings.augmentation, flip=settings.flip)

    def save(self, checkpoint: Path) -> None:
        """Write the state aside and rename: safetensors with the step in its header, never a pickle."""
        tensors = {"flat": self.update.flat.detach().cpu()}
        for name in ("exp_avg", "exp_avg_sq"):
            if name in self._optimizer.state[self.update.flat]:
                tensors[name] = self._optimizer.state[self.update.flat][name].cpu()
        write_tensors(checkpoint, tensors, {"step": self.step})

    def resume(self, checkpoint: Path) -> bool:
        """Go on from a checkpoint if there is a readable one; returns whether there was."""
        found = read_tensors(checkpoint)
        if found is None or found[0]["flat"].shape != self.update.flat.shape:
            return False
        tensors, about = found
        self.update.flat.data.copy_(tensors["flat"])
        self.step = about["step"]
        if "exp_avg" in tensors:
            state = {name: tensors[name].to(self.encoder.device) for name in ("exp_avg", "exp_avg_sq")}
            self._optimizer.state[self.update.flat] = {"step": torch.tensor(float(self.step)), **state}
        return True


class Towers(nn.Module):
    """A CLIP model cut where its image tower stops being frozen, so that the frozen part can run once per view."""

    def __init__(self, encoder: Encoder, first: int) -> None:
        super().__init__()
        self.model = encoder.model
        self.first = first
        self._encoder = encoder
        self._stages = encoder.stages()

    @torch.no_grad()
    def frozen(self, pixels: Tensor) -> Tensor:
        """What the frozen stages make of pixels; the pixels themselves when no stage is frozen."""
        features = self._encoder.normalised(pixels)
        for stage in self._stages[: self.first]:
            features = stage.run(features)
        return features

    def forward(self, features: Tensor) -> Tensor:
        """Unit image vectors from the output of `frozen`."""
        for stage in self._stages[self.first :]:
            features = stage.run(features)
        return F.normalize(features, dim=-1)

    def images(self, weights: dict[str, Tensor], features: Tensor) -> Tensor:
        """Unit image vectors under adapted weights."""
        return functional_call(self, {f"model.{name}": weight for name, weight in weights.items()}, (features,))

    def logits(self, weights: dict[str, Tensor], features: Tensor, tokens: Tensor) -> Tensor:
        """exp(logit_scale) · cos(image, text) under adapted weights, (N, labels)."""
        with lowered(self._encoder.device):
            image = self.images(weights, features)
            text = functional_call(_Texts(self.model), {f"model.{n}": w for n, w in weights.items()}, (tokens,))
        return self._encoder.scale * image.float() @ text.float().T


class _Texts(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        encode: Any = self.model.encode_text
        return F.normalize(encode(tokens), dim=-1)


def first_adapted(encoder: Encoder, update: LowRank) -> int:
    """The first stage of the image tower that an update touches."""
    touched = [target.name.removeprefix("visual.") for target in update.targets if target.name.startswith("visual.")]
    for place, stage in enumerate(encoder.stages()):
        if any(name.startswith(module) for name in touched for module in stage.modules):
            return place
    raise AssertionError("an update touches at least one stage")


# ---- asking a classifier


@dataclass(frozen=True)
class Fitted:
    """A trained classifier, read back: what its document says, and its tensors."""

    kind: str
    labels: tuple[str, ...]
    prompt: str
    tensors: dict[str, Tensor]
    rank: int = 1
    alpha: float = 1
    targets: str = "attention"
    depth: int | None = None

    @classmethod
    def read(cls, document: dict[str, Any], weights: Path) -> "Fitted":
        """From a classifier document and the path of its weights."""
        names = ("kind", "prompt", "rank", "alpha", "targets", "depth")
        known = {"prompt": ""} | {name: document[name] for name in names if name in document}
        return cls(labels=tuple(document["labels"]), tensors=load_file(weights), **known)


class Images:
    """Images that several classifiers of one encoder are asked about: each stage of the frozen tower runs once.

    Pixels may be given as a call, which is made only if a classifier has to see them.
    """

    def __init__(self, encoder: Encoder, pixels: Tensor | Callable[[], Tensor]) -> None:
        self.encoder, self._given = encoder, pixels
        self._kept: dict[int, Tensor] = {}

    @property
    def pixels(self) -> Tensor:
        """uint8 (N, 3, S, S)."""
        if not isinstance(self._given, Tensor):
            self._given = self._given()
        return self._given

    def frozen(self, towers: Towers) -> Tensor:
        """The output of the frozen part of `towers`, kept for the next classifier with the same cut."""
        if towers.first not in self._kept:
            self._kept[towers.first] = in_batches(self.pixels, towers.frozen, self.encoder.batch(0))
        return self._kept[towers.first]


def probabilities(fitted: Fitted, images: Images, embeddings: NDArray[np.float32] | None = None) -> NDArray[np.float64]:
    """Class probabilities (N, labels) of any kind of classifier; a linear probe may be given known embeddings."""
    encoder = images.encoder
    if fitted.kind == "linear_probe":
        if embeddings is None:
            embeddings = encoder.embed_images(images.pixels)
        weight, bias = fitted.tensors["weight"].numpy(), fitted.tensors["bias"].numpy()
        return softmax(embeddings @ weight.T + bias)
    if fitted.kind == "finetuned":
        return _finetuned(fitted, images)
    update = _update(fitted, encoder)
    towers = Towers(encoder, first_adapted(encoder, update))
    with torch.no_grad():
        weights = update.weights(encoder.model)

        def vectors(features: Tensor) -> Tensor:
            return towers.images(weights, features.to(encoder.device))

        found = in_batches(images.frozen(towers), vectors, encoder.batch(0))
        text = _text_head(fitted, encoder, weights)
    return softmax(encoder.scale * found.numpy() @ text.cpu().numpy().T)


def _finetuned(fitted: Fitted, images: Images) -> NDArray[np.float64]:
    from synthstudio.engine import finetune  # noqa: PLC0415 - it is made of what is above

    vectors = finetune.adapted(cast("TimmEncoder", images.encoder), fitted.tensors).embed_images(images.pixels)
    weight, bias = fitted.tensors[finetune.HEAD_WEIGHT].numpy(), fitted.tensors[finetune.HEAD_BIAS].numpy()
    return softmax(vectors @ weight.T + bias)


@torch.no_grad()
def standalone(fitted: Fitted, encoder: Encoder) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """A classifier in one piece: the encoder's state with what was trained in it, and a linear head on unit vectors.

    Returns (state, weight (labels, D), bias (labels,)); the class probabilities of an image are
    softmax(weight · unit vector + bias).
    """
    state = dict(encoder.model.state_dict())
    if fitted.kind == "linear_probe":
        return state, fitted.tensors["weight"], fitted.tensors["bias"]
    if fitted.kind == "finetuned":
        from synthstudio.engine import finetune  # noqa: PLC0415 - as above

        trained = finetune.adapted(cast("TimmEncoder", encoder), fitted.tensors).model.state_dict()
        return dict(trained), fitted.tensors[finetune.HEAD_WEIGHT], fitted.tensors[finetune.HEAD_BIAS]
    weights = _update(fitted, encoder).weights(encoder.model)
    text = _text_head(fitted, encoder, weights)
    return state | weights, encoder.scale * text, torch.zeros(len(fitted.labels))


def _update(fitted: Fitted, encoder: Encoder) -> LowRank:
    update = LowRank(targets_of(encoder.model, fitted.targets, fitted.depth), fitted.rank, fitted.alpha)
    update.load(fitted.tensors)
    update.to(encoder.device)
    return update


def _text_head(fitted: Fitted, encoder: Encoder, weights: dict[str, Tensor]) -> Tensor:
    """Unit text vectors (labels, D) of the labels under adapted weights."""
    tokens = encoder.tokens([sentence(fitted.prompt, label) for label in fitted.labels])
    found: Tensor = functional_call(
        _Texts(encoder.model), {f"model.{name}": weight for name, weight in weights.items()}, (tokens,)
    )
    return found


# ---- files


def write_tensors(path: Path, tensors: dict[str, Tensor], about: dict[str, Any] | None = None) -> None:
    """A safetensors file of float32 tensors that is there whole or not at all; equal tensors give equal bytes."""
    rows = {
        name: ("F32", tuple(tensor.shape), tensor.detach().cpu().float().contiguous().numpy().tobytes())
        for name, tensor in tensors.items()
    }
    weightfile.write(path, rows, {"about": json.dumps(about, sort_keys=True)} if about else {})


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and notes of `write_tensors`; None if there is no such file or it is damaged."""
    try:
        about = json.loads(weightfile.read_header(path).metadata.get("about", "{}"))
        return load_file(path), about
    except (OSError, ValueError, SafetensorError, StudioError):
        return None
