"""DataDream: low-rank updates of a text-to-image model, fitted to a few photos (Kim et al. 2024, arXiv:2407.10910).

The loss is the plain one: predict the noise (or the velocity) of a noised latent, timesteps uniform. The published code
runs autoencoder and text encoder at every step; here latents are made once, and a prompt is encoded once (frozen text
encoder) or once per distinct prompt of the batch (adapted text encoder).

Whatever is random in step i is a function of (seed, i), so a run that was killed and resumed ends with the same bytes
as one that was not.
"""

import json
import math
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from synthstudio import weightfile
from synthstudio.engine.adapters import kinds
from synthstudio.engine.adapters.beside import Beside
from synthstudio.engine.adapters.inverted import Inverted
from synthstudio.engine.adapters.learned import Words, use_words
from synthstudio.engine.adapters.merging import use_adapter
from synthstudio.engine.adapters.wrapped import Wrapped
from synthstudio.engine.backbones import Backbone, working_dtype
from synthstudio.engine.families.base import Prompts
from synthstudio.engine.minimax import Minimax
from synthstudio.engine.seeds import generator, normal
from synthstudio.engine.tensors import plain
from synthstudio.engine.updates import Updates
from synthstudio.errors import BadInput, StudioError, UnsafeInput, ran_out_of_memory

PROBES = 32  # fixed (latent, timestep, noise) triples whose loss is reported
PROBED = 8  # times the probe loss is measured on the way
_PROBED_TOGETHER = PROBES * 64 * 64  # latent pixels: all of them at 512 px, eight at 1024 px
WORDS = "textual_inversion"  # the method that learns a word
VECTORS = "inverted_vectors"  # the method that learns vectors of each photo
_LATER = {"method": "lora", "word": "", "vectors": 1, "initial_word": "the"}  # what the first recipes did not say


class NotFinite(StudioError):
    """Training has left the numbers; the message says what to lower."""


@dataclass(frozen=True)
class Recipe:
    """What decides the weights, besides backbone and photos."""

    steps: int
    rank: int = 16
    alpha: float = 16
    targets: str = "attention"
    method: str = "lora"
    text_encoder: bool = True
    learning_rate: float = 1e-4
    batch_size: int = 8
    warmup_steps: int = 100
    weight_decay: float = 1e-2
    prompt_dropout: float = 0.0
    min_snr_gamma: float | None = None
    representativeness: float = 0.0
    diversity: float = 0.0
    seed: int = 0
    word: str = ""  # of textual inversion: what is learned, as it stands in prompts, and where it begins
    vectors: int = 1  # of a word, or of each photo where photos are inverted
    initial_word: str = "the"

    def rate(self, step: int) -> float:
        """Linear warm-up, then a cosine down to zero."""
        if step < self.warmup_steps:
            return self.learning_rate * step / max(1, self.warmup_steps)
        along = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * along))


@dataclass(frozen=True)
class Photos:
    """Latents of the photos, as the posterior's mean and deviation (views, C, h, w), and what they show.

    `views[i]` lists the rows that are crops of photo i; `prompts[i]` is its prompt (its digest where it is inverted),
    and `several[i]`, where given, are prompts of which each example is shown with one.
    """

    mean: Tensor
    deviation: Tensor
    views: tuple[tuple[int, ...], ...]
    prompts: tuple[str, ...]
    several: tuple[tuple[str, ...], ...] = ()

    def prompt(self, place: int, luck: float) -> str:
        """What photo `place` is shown with; `luck` in [0, 1) chooses where there are several."""
        if not self.several:
            return self.prompts[place]
        return self.several[place][int(luck * len(self.several[place]))]


@dataclass(frozen=True)
class Tick:
    """After a step: the running training loss, and the probe loss when it was measured."""

    step: int
    loss: float
    probe: float | None


@dataclass(frozen=True)
class _Batch:
    latents: Tensor
    noise: Tensor
    timesteps: Tensor
    prompts: list[str]
    places: Tensor  # the class of each, also where its prompt was dropped

    def part(self, rows: Sequence[int]) -> "_Batch":
        """Some rows of it."""
        if len(rows) == len(self.prompts):
            return self
        prompts = [self.prompts[row] for row in rows]
        at = torch.tensor(list(rows))
        tensors = (one[at.to(one.device)] for one in (self.latents, self.noise, self.timesteps, self.places))
        latents, noise, timesteps, places = tensors
        return _Batch(latents, noise, timesteps, prompts, places)


class Training:
    """One LoRA in training. `run()` yields a Tick per step and leaves `adapter` behind."""

    def __init__(
        self, backbone: Backbone, photos: Photos, recipe: Recipe, folder: Path, at_once: int = 0,
        checkpointing: str = "auto",
    ) -> None:  # fmt: skip
        self.backbone, self.photos, self.recipe, self.folder = backbone, photos, recipe, folder
        self.device = backbone.device
        self.noising = backbone.noising()
        self.checkpoint = folder / "checkpoint.safetensors"
        self.step = 0
        use_adapter(backbone, None, None, 1.0)
        use_words(backbone, None, ())
        self.adapter = _adapter(backbone, recipe, photos)
        backbone.restructured()
        self.flat = self.adapter.flat
        optimizer = torch.optim.AdamW(
            [self.flat], lr=recipe.learning_rate, betas=(0.9, 0.999), weight_decay=recipe.weight_decay, fused=True
        )
        compares = bool(recipe.representativeness or recipe.diversity)
        # Where a card lacks bfloat16 the weights are in float32 and it computes in float16, see `training_dtype`.
        computing = torch.float16 if working_dtype(self.device) is torch.float16 else backbone.dtype
        self.updates = Updates(self.flat, optimizer, computing, recipe.batch_size, 0 if compares else at_once)
        self.optimizer = self.updates.optimizer
        self.updates.divisible = not compares
        if checkpointing == "on":
            self._recompute()
        elif checkpointing == "auto" and not backbone.compiled:
            self.updates.relieve = self._recompute
        if compares and not self.updates.alone:
            raise BadInput("Representativeness and diversity compare all images of a batch. Train in one process.")
        self.labels = list(dict.fromkeys(photos.prompts))  # a prompt is a class
        self.minimax = Minimax(len(self.labels), photos.mean[0].numel(), recipe.representativeness, recipe.diversity,
                               self.device) if compares else None  # fmt: skip
        self.probe_batch = self._probe_batch()

    def run(self, checkpoint_every: int) -> Generator[Tick, None, None]:
        """Train to the end, from the last checkpoint if there is one. Closing the generator writes a checkpoint."""
        saved = self.step = self._resume()
        pauses = {round(self.recipe.steps * share / PROBED) for share in range(1, PROBED + 1)}
        running = 0.0
        try:
            while self.step < self.recipe.steps:
                loss = self._update(self.step)
                self.step += 1
                running = loss if not running else 0.9 * running + 0.1 * loss
                if self.step % checkpoint_every == 0:
                    self.save()
                    saved = self.step
                yield Tick(self.step, running, self.probe() if self.step in pauses else None)
        finally:
            if saved < self.step < self.recipe.steps:
                self.save()

    def close(self) -> None:
        """Give the backbone back unchanged."""
        self.backbone.recompute(False)
        self.adapter.remove()
        self.backbone.restructured()
        self.backbone.forget_prompts()

    def write(self, path: Path) -> None:
        """The finished adapter as a file."""
        self.adapter.write(path)

    def probe(self) -> float:
        """The loss on the fixed probe set: comparable from step to step, where the training loss is mostly noise."""
        with torch.no_grad():
            batch = self.probe_batch
            most = max(1, _PROBED_TOGETHER // batch.latents[0, 0].numel())
            parts = [range(at, min(at + most, PROBES)) for at in range(0, PROBES, most)]
            losses = [self._loss(batch.part(part))[0] * (len(part) / PROBES) for part in parts]
            return float(torch.stack(losses).sum())

    def try_one(self) -> None:
        """A pass of one image, forward and back, of which nothing stays; MemoryFull if it does not fit."""
        one = self._batch(self.step).part([0])
        while True:
            try:
                with torch.autocast(
                    self.device.type, self.updates.dtype, enabled=self.updates.dtype is not torch.float32
                ):
                    loss = self._loss(one)[0]
                loss.backward()
                return
            except (RuntimeError, MemoryError) as error:
                if not ran_out_of_memory(error):
                    raise
                self.updates.make_room(1, error)

    def _recompute(self) -> str:
        """Hold fewer activations from now on, and say so."""
        self.backbone.recompute(True)
        return (
            "Activations are computed again in the backward pass instead of kept (gradient checkpointing), which makes "
            "the same updates, about a third slower. Ask for it (--checkpointing on) to begin like that."
        )

    def _update(self, step: int) -> float:
        self.optimizer.param_groups[0]["lr"] = self.recipe.rate(step)
        batch = self._batch(step)
        value, length = self.updates.gradient(lambda rows: self._objective(batch.part(rows)))
        if not (math.isfinite(value) and (math.isfinite(length) or self.updates.scales())):
            raise NotFinite(
                f"The loss is no longer a finite number (step {step + 1} of {self.recipe.steps}). "
                f"Try a learning rate below {self.recipe.learning_rate:g}, or look for damaged photos."
            )
        self.updates.step()
        return value

    def _objective(self, batch: _Batch) -> tuple[Tensor, Tensor]:
        """The loss that is reported, and what is minimised."""
        loss, clean = self._loss(batch)
        if self.minimax is None:
            return loss, loss
        share = self.noising.share(batch.timesteps)
        return loss, loss + self.minimax.loss(clean, batch.latents, batch.places, share)

    def _loss(self, batch: _Batch) -> tuple[Tensor, Tensor]:
        """The loss of a batch, and the clean latents that its predictions mean."""
        distinct = list(dict.fromkeys(batch.prompts))
        rows = torch.tensor([distinct.index(prompt) for prompt in batch.prompts], device=self.device)
        prompts = self._encoded(distinct)
        times, noising = batch.timesteps, self.noising
        noised = noising.noised(batch.latents, batch.noise, times)
        predicted = self.backbone.predict(noised.to(self.backbone.dtype), noising.told(times), prompts, rows).float()
        error = (predicted - noising.target(batch.latents, batch.noise, times)).square().mean(dim=(1, 2, 3))
        weighed = error * noising.weights(times, self.recipe.min_snr_gamma)
        return weighed.mean(), noising.clean(noised, predicted, times)

    def _encoded(self, prompts: Sequence[str]) -> Prompts:
        """What the denoiser follows; gradients reach whatever of it is trained."""
        if isinstance(self.adapter, Inverted):
            return self.adapter.prompts(prompts)
        learns = self.recipe.text_encoder and (self.backbone.adapts_words() or self.recipe.method == WORDS)
        return (self.backbone.embed if learns else self.backbone.encode_prompts)(prompts)

    def _batch(self, step: int) -> _Batch:
        """The batch of a step: photos in shuffled passes, everything else from the step's own generator."""
        size, count = self.recipe.batch_size, len(self.photos.prompts)
        places = range(step * size, (step + 1) * size)
        orders = {
            turn: torch.randperm(count, generator=generator(self.recipe.seed, "order", turn))
            for turn in {place // count for place in places}
        }
        chosen = [int(orders[place // count][place % count]) for place in places]
        return self._draw(chosen, generator(self.recipe.seed, "step", step), self.recipe.prompt_dropout)

    def _probe_batch(self) -> _Batch:
        """Photos and timesteps spread evenly; the same for every run with this seed."""
        drawn = generator(self.recipe.seed, "probe")
        count = len(self.photos.prompts)
        batch = self._draw([i * count // PROBES for i in range(PROBES)], drawn, 0.0)
        spread = ((torch.arange(PROBES) + 0.5) / PROBES * len(self.noising)).long()
        order = torch.randperm(PROBES, generator=drawn)
        return _Batch(batch.latents, batch.noise, spread[order].to(self.device), batch.prompts, batch.places)

    def _draw(self, chosen: Sequence[int], drawn: torch.Generator, dropout: float) -> _Batch:
        luck = torch.rand((4 if self.photos.several else 3, len(chosen)), generator=drawn).tolist()
        views = [self.photos.views[i] for i in chosen]
        rows = torch.tensor([view[int(x * len(view))] for view, x in zip(views, luck[0], strict=True)])
        mean, deviation = self.photos.mean[rows], self.photos.deviation[rows]
        latents = mean + deviation * normal(mean.shape, drawn, mean.device)
        noise = normal(mean.shape, drawn, self.device)
        timesteps = torch.tensor([int(x * len(self.noising)) for x in luck[1]])
        prompts = [
            "" if x < dropout else self.photos.prompt(i, which)
            for i, x, which in zip(chosen, luck[2], luck[-1], strict=True)
        ]
        places = torch.tensor([self.labels.index(self.photos.prompts[i]) for i in chosen])
        return _Batch(latents.to(self.device), noise, timesteps.to(self.device), prompts, places)

    def save(self) -> None:
        """Write everything a resume needs, in one file that appears complete or not at all."""
        if not self.updates.leads:
            return
        state = self.optimizer.state.get(self.flat, {})
        zeros = torch.zeros_like(self.flat)
        tensors = {
            "weights": plain(self.flat),
            "first_moment": plain(state.get("exp_avg", zeros)),
            "second_moment": plain(state.get("exp_avg_sq", zeros)),
        }
        tensors |= {f"adapter.{name}": plain(tensor) for name, tensor in self.adapter.tensors().items()}
        if self.minimax is not None:
            tensors |= {f"minimax.{name}": plain(tensor) for name, tensor in self.minimax.tensors().items()}
        weightfile.write(self.checkpoint, tensors, self._about())

    def _resume(self) -> int:
        """Load the last checkpoint of this very recipe; returns the steps done."""
        if not self.checkpoint.exists():
            return 0
        header = weightfile.read_header(self.checkpoint)
        if header.metadata.get("recipe") != self._fingerprint():
            return 0
        tensors = load_file(self.checkpoint, device=str(self.device))
        if tensors["weights"].shape != self.flat.shape:
            raise UnsafeInput(f"{self.checkpoint} does not fit this backbone. Delete it to start again.")
        step = int(header.metadata["step"])
        self.updates.load(json.loads(header.metadata.get("scaler", "{}")))
        self.adapter.load({name.partition(".")[2]: one for name, one in tensors.items() if name.startswith("adapter.")})
        with torch.no_grad():
            self.flat.copy_(tensors["weights"])
        self.optimizer.state[self.flat] = {
            "step": torch.tensor(float(step), device=self.device),
            "exp_avg": tensors["first_moment"],
            "exp_avg_sq": tensors["second_moment"],
        }
        if self.minimax is not None:
            self.minimax.load({name: tensors[f"minimax.{name}"] for name in self.minimax.tensors()})
        return step

    def _about(self) -> dict[str, str]:
        about = {"step": str(self.step), "recipe": self._fingerprint()}
        return about | ({"scaler": json.dumps(self.updates.state())} if self.updates.scales() else {})

    def _fingerprint(self) -> str:
        """What a checkpoint is of. Those of before there was a choice do not name what was chosen."""
        fields = {name: one for name, one in asdict(self.recipe).items() if (name, one) not in _LATER.items()}
        return json.dumps({**fields, "photos": len(self.photos.prompts)}, sort_keys=True)


def _adapter(backbone: Backbone, recipe: Recipe, photos: Photos) -> Beside | Wrapped | Words | Inverted:
    if recipe.method == VECTORS:
        return Inverted(backbone, photos.prompts, recipe.vectors, recipe.seed)
    if recipe.method == WORDS:
        return Words(backbone, recipe.word, recipe.vectors, recipe.initial_word)
    size = kinds.Size(recipe.rank, recipe.alpha, recipe.seed)
    plan = kinds.plan(backbone, recipe.method, size, recipe.targets, recipe.text_encoder)
    return (Beside if kinds.KINDS[recipe.method].beside else Wrapped)(backbone, plan)
