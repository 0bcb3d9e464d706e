"""Fine-tuning both towers of a CLIP model with LoRA, on real, synthetic or both; and asking a trained classifier.

logits = exp(logit_scale) · cos(image, text of the label), logit_scale frozen. With both kinds of images
L = λ · CE(real part) + (1 − λ) · CE(synthetic part), each averaged over its own part (DataDream; Kim et al. 2024).

A step is a pure function of (seed, step): which images, which views, which dropout. So a run that is killed and
resumed from its checkpoint ends with the same bytes as one that was not.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.func import functional_call

from synthstudio.engine.augment import augment, rows_for_step, rows_for_views
from synthstudio.engine.batches import Part, chosen, rows_by_part, shares, warmed_up, weighted_loss
from synthstudio.engine.devices import precisely, working_dtype
from synthstudio.engine.encoders import Encoder, TimmEncoder, in_batches, sentence, softmax
from synthstudio.engine.low_rank import LowRank, targets_of
from synthstudio.engine.seeds import generator
from synthstudio.engine.tensors import read_tensors, write_tensors
from synthstudio.engine.told import Told
from synthstudio.engine.updates import Updates
from synthstudio.errors import BadInput

_KEPT = 2 << 30  # bytes of what a frozen tower makes of all images that are asked about


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


def learning_rate_at(step: int, settings: Settings) -> float:
    """Linear warm-up, then a cosine to zero; per step."""
    return warmed_up(step, settings.learning_rate, settings.warmup_steps, settings.training_steps)


class Training:
    """One fine-tuning. Call `prepare()`, then `advance()` until `step` reaches the settings' training steps.

    At most `at_once` images (0: a whole batch) pass together; `dtype` is what they are computed in (None: what suits
    the device).
    """

    def __init__(
        self, encoder: Encoder, parts: dict[str, Part], texts: Sequence[str], settings: Settings, at_once: int = 0,
        dtype: torch.dtype | None = None,
    ) -> None:  # fmt: skip
        self.encoder, self.parts, self.settings = encoder, parts, settings
        self.step = 0
        self.tokens = encoder.tokens(texts)
        targets = targets_of(encoder.model, settings.targets, settings.depth)
        self.update = LowRank(targets, settings.rank, settings.alpha, settings.dropout)
        self.update.initialise(settings.seed)
        self.update.to(encoder.device)
        optimizer = torch.optim.AdamW([self.update.flat], lr=0.0, weight_decay=settings.weight_decay)
        self.sizes = shares(settings.batch_size, sorted(parts))
        self.updates = Updates(
            self.update.flat, optimizer, dtype or working_dtype(encoder.device), sum(self.sizes.values()), at_once, None
        )
        self.towers = Towers(encoder, first_adapted(encoder, self.update))
        self._features: dict[str, Tensor] = {}
        self._told = Told(encoder.device, self.updates.accelerator.num_processes == 1)
        self._values: dict[str, float] = {}
        self._lost: int | None = None  # the step whose loss was no number

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
        """One optimiser update; returns loss, accuracy on the batch and learning rate.

        On a CPU those of this very update; on a device those of an update a moment ago, as reading waits for it.
        BadInput if a loss was no number.
        """
        settings = self.settings
        places = {
            name: chosen(settings.seed, name, len(self.parts[name].images), self.step, size)
            for name, size in self.sizes.items()
        }
        self._told.add(self.step, self.updates.backward(lambda rows: self._loss(places, rows))[0])
        if self._told.due or self.step + 1 == settings.training_steps:
            self.look()
        if self._lost is not None:
            raise BadInput(self.updates.not_a_number(self._lost, settings.training_steps))
        self.updates.optimizer.param_groups[0]["lr"] = learning_rate_at(self.step, settings)
        self.updates.step()
        self.step += 1
        return dict(self._values)

    def _loss(self, places: dict[str, Tensor], rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Loss and accuracy of rows of the batch at `places`, as one vector, and the loss to minimise."""
        settings, rows_of = self.settings, rows_by_part(self.sizes, rows)
        with precisely(self.encoder.device):
            inputs = torch.cat([self._inputs(name, places[name], own) for name, own in rows_of.items()])
            weights = self.update.weights(self.encoder.model, generator(settings.seed, "dropout", self.step))
        labels = {name: self.parts[name].labels[places[name][own]].to(inputs.device) for name, own in rows_of.items()}
        logits = self.towers.logits(weights, inputs, self.tokens)
        split = dict(zip(labels, logits.split([len(one) for one in labels.values()]), strict=True))
        loss = weighted_loss(split, labels, settings.real_weight, self.sizes)
        right = (logits.argmax(1) == torch.cat(list(labels.values()))).float().mean()
        return torch.stack([loss.detach(), right]), loss

    def look(self) -> dict[str, float]:
        """Read what the steps told, finding the first whose loss was no number; returns the values of the last."""
        for step, (loss, accuracy) in self._told.read():
            if not math.isfinite(loss) and self._lost is None:
                self._lost = step
            rate = learning_rate_at(step, self.settings)
            self._values = {"loss": loss, "accuracy": accuracy, "learning_rate": rate}
        return dict(self._values)

    def _inputs(self, name: str, places: Tensor, own: list[int]) -> Tensor:
        """What the trained part of the tower is given for the images at `places[own]`."""
        settings = self.settings
        if not settings.views:
            rows = rows_for_step(settings.seed, self.step, name, len(places))[own]
            pixels = self.parts[name].pixels[places[own]].to(self.encoder.device)
            return self.towers.frozen(augment(pixels, rows, settings.augmentation, flip=settings.flip))
        chance = generator(settings.seed, "choice", name, self.step)
        view = torch.randint(settings.views, (len(places),), generator=chance)[own]
        if name in self._features:
            return self._features[name][view, places[own]].to(self.encoder.device)
        return self.towers.frozen(self._views(name, places[own], view.tolist()))

    def _views(self, name: str, places: Tensor, views: Sequence[int]) -> Tensor:
        part, settings = self.parts[name], self.settings
        rows = rows_for_views(settings.seed, [(part.images[p], view) for p, view in zip(places, views, strict=True)])
        return augment(part.pixels[places].to(self.encoder.device), rows, settings.augmentation, flip=settings.flip)

    def save(self, checkpoint: Path) -> None:
        """Write the state aside and rename: safetensors with the step in its header, never a pickle.

        Weights that came after a loss that is no number are not written; `advance` says so.
        """
        self.look()
        if not self.updates.leads or (self._lost is not None and self._lost < self.step):
            return
        tensors = {"flat": self.update.flat.detach().cpu()}
        state = self.updates.optimizer.state[self.update.flat]
        for name in ("exp_avg", "exp_avg_sq"):
            if name in state:
                tensors[name] = state[name].cpu()
        about = {"step": self.step} | ({"scaler": self.updates.state()} if self.updates.scales() else {})
        write_tensors(checkpoint, tensors, about)

    def resume(self, checkpoint: Path) -> bool:
        """Go on from a checkpoint if there is a readable one; returns whether there was."""
        found = read_tensors(checkpoint)
        if found is None or found[0]["flat"].shape != self.update.flat.shape:
            return False
        tensors, about = found
        self.update.flat.data.copy_(tensors["flat"])
        self.step = about["step"]
        self.updates.load(about.get("scaler", {}))
        if "exp_avg" in tensors:
            state = {name: tensors[name].to(self.encoder.device) for name in ("exp_avg", "exp_avg_sq")}
            self.updates.optimizer.state[self.update.flat] = {"step": torch.tensor(float(self.step)), **state}
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
        image = self.images(weights, features)
        text = functional_call(_Texts(self.model), {f"model.{n}": w for n, w in weights.items()}, (tokens,))
        with precisely(self._encoder.device):
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
        """The output of the frozen part of `towers`, kept for the next classifier with the same cut.

        The pictures themselves, as bytes, where nothing is frozen, or where the output would take too much memory.
        """
        if towers.first == 0:
            return self.pixels
        if towers.first not in self._kept:
            each = towers.frozen(self.pixels[:1]).numel() * 4
            if each * len(self.pixels) > _KEPT:
                return self.pixels
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

        def vectors(some: Tensor) -> Tensor:
            features = towers.frozen(some) if some.dtype == torch.uint8 else some.to(encoder.device)
            return towers.images(weights, features)

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
