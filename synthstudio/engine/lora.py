"""DataDream: low-rank updates of a text-to-image model, fitted to a few photos (Kim et al. 2024, arXiv:2407.10910).

The loss is the plain one: predict the noise (or the velocity) of a noised latent, timesteps uniform. The published code
runs autoencoder and text encoder at every step; here latents are made once, and a prompt is encoded once (frozen text
encoder) or once per distinct prompt of the batch (adapted text encoder).

Whatever is random in step i is a function of (seed, i), so a run that was killed and resumed ends with the same bytes
as one that was not.
"""

import json
import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from synthstudio import weightfile
from synthstudio.engine.backbones import StableDiffusion
from synthstudio.engine.lora_state import plain, use_adapter, write_adapter
from synthstudio.engine.minimax import Minimax
from synthstudio.engine.seeds import generator
from synthstudio.engine.solvers import signal_share
from synthstudio.errors import StudioError, UnsafeInput

PROBES = 32  # fixed (latent, timestep, noise) triples whose loss is reported
PROBED = 8  # times the probe loss is measured on the way


class NotFinite(StudioError):
    """Training has left the numbers; the message says what to lower."""


@dataclass(frozen=True)
class Recipe:
    """What decides the weights, besides backbone and photos."""

    steps: int
    rank: int = 16
    alpha: float = 16
    targets: str = "attention"
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

    def rate(self, step: int) -> float:
        """Linear warm-up, then a cosine down to zero."""
        if step < self.warmup_steps:
            return self.learning_rate * step / max(1, self.warmup_steps)
        along = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * along))


@dataclass(frozen=True)
class Photos:
    """Latents of the photos, as the posterior's mean and deviation (views, C, h, w), and what they show.

    `views[i]` lists the rows that are crops of photo i; `prompts[i]` is its prompt.
    """

    mean: Tensor
    deviation: Tensor
    views: tuple[tuple[int, ...], ...]
    prompts: tuple[str, ...]


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


class LowRank:
    """Trainable factors beside chosen layers, all in one flat vector: one tensor to optimise, clip and save.

    Layers are reached by hooks, so the model keeps its shape and its names.
    """

    def __init__(self, layers: dict[str, nn.Module], rank: int, alpha: float, seed: int, device: torch.device) -> None:
        self.scale = alpha / rank
        self.shapes = {name: _factor_shapes(layer, rank) for name, layer in sorted(layers.items())}
        count = sum(a.numel() + b.numel() for a, b in self.shapes.values())
        self.flat = nn.Parameter(torch.zeros(count, device=device))
        self.flat.grad = torch.zeros_like(self.flat)
        self.factors: dict[str, tuple[nn.Parameter, nn.Parameter]] = {}
        self.hooks: list[RemovableHandle] = []
        at = 0
        for name, (down, up) in self.shapes.items():
            middle, end = at + down.numel(), at + down.numel() + up.numel()
            self.factors[name] = (self._view(at, middle, down), self._view(middle, end, up))
            at = end
            with torch.no_grad():  # peft's "gaussian": A from a normal with deviation 1/r, B zero
                start = torch.randn(down.shape, generator=generator(seed, "lora", name)) / rank
                self.factors[name][0].copy_(start)
            self.hooks.append(layers[name].register_forward_hook(self._beside(*self.factors[name])))

    def _view(self, start: int, end: int, like: Tensor) -> nn.Parameter:
        view = nn.Parameter(self.flat.data[start:end].view(like.shape))
        assert self.flat.grad is not None
        view.grad = self.flat.grad[start:end].view(like.shape)
        return view

    def _beside(self, down: Tensor, up: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
        def linear(_layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            inner = F.linear(inputs[0], down.to(output.dtype)).flatten(0, -2)
            flat = output.flatten(0, -2)
            return torch.addmm(flat, inner, up.to(output.dtype).t(), alpha=self.scale).view(output.shape)

        def convolution(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            assert isinstance(layer, nn.Conv2d)
            inner = F.conv2d(inputs[0], down.to(output.dtype), None, layer.stride, layer.padding, layer.dilation)
            return output + F.conv2d(inner, up.to(output.dtype) * self.scale)

        return linear if down.ndim == 2 else convolution

    def remove(self) -> None:
        """Leave the model as it was."""
        for hook in self.hooks:
            hook.remove()


class Training:
    """One LoRA in training. `run()` yields a Tick per step and leaves `adapter` behind."""

    def __init__(self, backbone: StableDiffusion, photos: Photos, recipe: Recipe, folder: Path) -> None:
        self.backbone, self.photos, self.recipe, self.folder = backbone, photos, recipe, folder
        self.device = backbone.device
        self.signal = signal_share(backbone.schedule)
        self.checkpoint = folder / "checkpoint.safetensors"
        self.step = 0
        use_adapter(backbone, None, None, 1.0)
        layers = backbone.adapter_layers(recipe.targets, recipe.text_encoder)
        self.lora = LowRank(layers, recipe.rank, recipe.alpha, recipe.seed, self.device)
        self.optimizer = torch.optim.AdamW(
            [self.lora.flat], lr=recipe.learning_rate, betas=(0.9, 0.999), weight_decay=recipe.weight_decay, fused=True
        )
        self.labels = list(dict.fromkeys(photos.prompts))  # a prompt is a class
        self.minimax = Minimax(len(self.labels), photos.mean[0].numel(), recipe.representativeness, recipe.diversity,
                               self.device) if recipe.representativeness or recipe.diversity else None  # fmt: skip
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
        self.lora.remove()
        self.backbone.forget_prompts()

    def write(self, path: Path) -> None:
        """The finished adapter as a file for diffusers."""
        write_adapter(path, self.lora.factors, self.recipe.rank, self.recipe.alpha, self.recipe.targets)

    def probe(self) -> float:
        """The loss on the fixed probe set: comparable from step to step, where the training loss is mostly noise."""
        with torch.no_grad():
            return float(self._loss(self.probe_batch)[0])

    def _update(self, step: int) -> float:
        self.optimizer.param_groups[0]["lr"] = self.recipe.rate(step)
        assert self.lora.flat.grad is not None
        self.lora.flat.grad.zero_()
        batch = self._batch(step)
        loss, clean = self._loss(batch)
        value = loss.item()
        if self.minimax is not None:
            share = self.signal.to(self.device)[batch.timesteps]
            loss = loss + self.minimax.loss(clean, batch.latents, batch.places, share)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.lora.flat, 1.0)
        if not (math.isfinite(value) and math.isfinite(norm.item())):
            raise NotFinite(
                f"The loss is no longer a finite number (step {step + 1} of {self.recipe.steps}). "
                f"Try a learning rate below {self.recipe.learning_rate:g}, or look for damaged photos."
            )
        self.optimizer.step()
        return value

    def _loss(self, batch: _Batch) -> tuple[Tensor, Tensor]:
        """The loss of a batch, and the clean latents that its predictions mean."""
        distinct = list(dict.fromkeys(batch.prompts))
        rows = torch.tensor([distinct.index(prompt) for prompt in batch.prompts], device=self.device)
        embed = self.backbone.embed if self.recipe.text_encoder else self.backbone.encode_prompts
        share = self.signal.to(self.device)[batch.timesteps].view(-1, 1, 1, 1)
        noised = share.sqrt() * batch.latents + (1 - share).sqrt() * batch.noise
        velocity = self.backbone.prediction == "v_prediction"
        target = share.sqrt() * batch.noise - (1 - share).sqrt() * batch.latents if velocity else batch.noise
        dtype = self.backbone.dtype
        predicted = self.backbone.predict(noised.to(dtype), batch.timesteps, embed(distinct).to(dtype), rows)
        predicted = predicted.float()
        error = (predicted - target).square().mean(dim=(1, 2, 3))
        away = (1 - share).sqrt() * predicted
        clean = share.sqrt() * noised - away if velocity else (noised - away) / share.sqrt()
        return (error * self._weights(share.flatten(), velocity)).mean(), clean

    def _weights(self, share: Tensor, velocity: bool) -> Tensor:
        """1, or min-SNR-γ weights (Hang et al. 2023, arXiv:2303.09556)."""
        if self.recipe.min_snr_gamma is None:
            return torch.ones_like(share)
        snr = share / (1 - share)
        return snr.clamp(max=self.recipe.min_snr_gamma) / (snr + 1 if velocity else snr)

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
        spread = ((torch.arange(PROBES) + 0.5) / PROBES * len(self.signal)).long()
        order = torch.randperm(PROBES, generator=drawn)
        return _Batch(batch.latents, batch.noise, spread[order].to(self.device), batch.prompts, batch.places)

    def _draw(self, chosen: Sequence[int], drawn: torch.Generator, dropout: float) -> _Batch:
        luck = torch.rand((3, len(chosen)), generator=drawn).tolist()
        views = [self.photos.views[i] for i in chosen]
        rows = torch.tensor([view[int(x * len(view))] for view, x in zip(views, luck[0], strict=True)])
        mean, deviation = self.photos.mean[rows], self.photos.deviation[rows]
        latents = mean + deviation * torch.randn(mean.shape, generator=drawn)
        noise = torch.randn(mean.shape, generator=drawn)
        timesteps = torch.tensor([int(x * len(self.signal)) for x in luck[1]])
        prompts = ["" if x < dropout else self.photos.prompts[i] for i, x in zip(chosen, luck[2], strict=True)]
        places = torch.tensor([self.labels.index(self.photos.prompts[i]) for i in chosen])
        return _Batch(latents.to(self.device), noise.to(self.device), timesteps.to(self.device), prompts, places)

    def save(self) -> None:
        """Write everything a resume needs, in one file that appears complete or not at all."""
        state = self.optimizer.state.get(self.lora.flat, {})
        zeros = torch.zeros_like(self.lora.flat)
        tensors = {
            "weights": plain(self.lora.flat),
            "first_moment": plain(state.get("exp_avg", zeros)),
            "second_moment": plain(state.get("exp_avg_sq", zeros)),
        }
        if self.minimax is not None:
            tensors |= {f"minimax.{name}": plain(tensor) for name, tensor in self.minimax.tensors().items()}
        weightfile.write(self.checkpoint, tensors, {"step": str(self.step), "recipe": self._fingerprint()})

    def _resume(self) -> int:
        """Load the last checkpoint of this very recipe; returns the steps done."""
        if not self.checkpoint.exists():
            return 0
        header = weightfile.read_header(self.checkpoint)
        if header.metadata.get("recipe") != self._fingerprint():
            return 0
        tensors = load_file(self.checkpoint, device=str(self.device))
        if tensors["weights"].shape != self.lora.flat.shape:
            raise UnsafeInput(f"{self.checkpoint} does not fit this backbone. Delete it to start again.")
        step = int(header.metadata["step"])
        with torch.no_grad():
            self.lora.flat.copy_(tensors["weights"])
        self.optimizer.state[self.lora.flat] = {
            "step": torch.tensor(float(step), device=self.device),
            "exp_avg": tensors["first_moment"],
            "exp_avg_sq": tensors["second_moment"],
        }
        if self.minimax is not None:
            self.minimax.load({name: tensors[f"minimax.{name}"] for name in self.minimax.tensors()})
        return step

    def _fingerprint(self) -> str:
        return json.dumps({**asdict(self.recipe), "photos": len(self.photos.prompts)}, sort_keys=True)


def _factor_shapes(layer: nn.Module, rank: int) -> tuple[Tensor, Tensor]:
    """Empty tensors with the shapes of A and B, as peft has them."""
    if isinstance(layer, nn.Conv2d):
        a, b = (rank, layer.in_channels, *layer.kernel_size), (layer.out_channels, rank, 1, 1)
        return torch.empty(a, device="meta"), torch.empty(b, device="meta")
    assert isinstance(layer, nn.Linear)
    return torch.empty(rank, layer.in_features, device="meta"), torch.empty(layer.out_features, rank, device="meta")
