"""From prompts, or prompts and source images, to pictures.

Every image draws its noise from its own seed on the CPU, that of a random solver too, so its neighbours in a batch
change nothing but the last bits of its floats. Guidance is classifier-free (Ho & Salimans 2022), in diffusers' sense: 1
is off. One batch may mix guidance and t0: images that keep more of their source join when the schedule reaches them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from synthstudio.engine.backbones import Backbone
from synthstudio.engine.pixels import squares, to_png, to_tensor, to_uint8
from synthstudio.engine.seeds import exactly, generator, normal
from synthstudio.engine.solvers import random_of
from synthstudio.errors import BadInput

if TYPE_CHECKING:
    from synthstudio.engine.lack import Lack


@dataclass(frozen=True)
class Settings:
    """What all images of a batch share; guidance and strength where a request does not say its own."""

    guidance_scale: float = 2.0
    inference_steps: int = 50
    sampler: str = "dpm++"
    strength: float = 1.0  # below 1 the images start from sources
    resolution: int = 512
    guided: tuple[float, float] = (0.0, 1.0)  # from which share of the schedule to which there is guidance
    lack: "Lack | None" = None  # guidance of another kind, in the same part of the schedule


@dataclass(frozen=True)
class Mix:
    """A second source and its prompt, and their share: latents and encoded prompts are taken on the straight line."""

    prompt: str
    source: Image.Image
    share: float


@dataclass(frozen=True, eq=False)
class Vectors:
    """Vectors (V, D) in the place of a prompt; all prompts of a batch are then vectors, equally many."""

    values: Tensor


@dataclass(frozen=True)
class Request:
    """One image."""

    prompt: str | Vectors
    negative_prompt: str | Vectors
    seed: int
    source: Image.Image | None = None
    guidance_scale: float | None = None
    strength: float | None = None
    mix: Mix | None = None


def sample(backbone: Backbone, requests: Sequence[Request], settings: Settings) -> list[bytes]:
    """PNG files, one per request, in order. What is no number in half precision is drawn once more in float32."""
    with _without_gradients(settings):
        return to_png(_pictures(backbone, requests, settings))


def _without_gradients(settings: Settings) -> AbstractContextManager[Any]:
    """Tensors of inference mode cost least, but no gradient can pass them, which guidance by a classifier asks for."""
    return torch.no_grad() if settings.lack else torch.inference_mode()


def _pictures(backbone: Backbone, requests: Sequence[Request], settings: Settings) -> Tensor:
    pictures, numbers = _drawn(backbone, requests, settings)
    if not numbers and backbone.dtype is not torch.float32:
        half = str(backbone.dtype).removeprefix("torch.")
        backbone.notes.append(
            f"A batch of {len(requests)} was no numbers in {half}, the half precision of this device; it was drawn "
            "again in float32. If that happens often, use --device cpu or a card with bfloat16."
        )
        with backbone.whole():
            pictures, numbers = _drawn(backbone, requests, settings)
    if not numbers:
        raise BadInput(
            "The model draws no numbers with these settings. Lower guidance_scale or adapter_scale; if it does so with "
            "others too, its weights or the adapter are damaged: fetch the one again, or train the other."
        )
    return pictures


def _drawn(backbone: Backbone, requests: Sequence[Request], settings: Settings) -> tuple[Tensor, bool]:
    """Pictures as bytes, and whether all of their latents are numbers: asked when the pictures were waited for."""
    latents = denoise(backbone, requests, settings)
    pictures = to_uint8(backbone.decode(latents))
    return pictures, bool(latents.isfinite().all())


@torch.no_grad()
def denoise(backbone: Backbone, requests: Sequence[Request], settings: Settings) -> Tensor:
    """Latents (N, C, h, w) of the finished images."""
    groups = _groups(backbone, requests, settings)
    texts = _Texts(backbone, requests, settings)
    lack, count = settings.lack, len(groups[0].solver.timesteps)

    def phase(step: int) -> tuple[int, bool]:
        """How many groups are under way, and whether they are guided."""
        begin, end = settings.guided
        guided = texts.guided or lack is not None
        return sum(group.first <= step for group in groups), guided and begin <= step / count < end

    for (active, guided), steps in groupby(range(groups[0].first, count), phase):
        under_way = groups[:active]
        rows = [row for group in under_way for row in group.rows]
        with texts.asked(rows, guided and texts.guided) as asked:
            predict = lack.guided(backbone, asked) if lack and guided else asked
            for step in steps:
                t = groups[0].solver.timesteps[step]
                seen = torch.cat([group.solver.scale_model_input(group.latents, t) for group in under_way])
                output = predict(seen, t).split([len(group.rows) for group in under_way])
                for group, part in zip(under_way, output, strict=True):
                    group.latents = group.solver.step(part, t, group.latents, **group.random, return_dict=False)[0]
    finished = torch.cat([group.latents for group in groups])
    order = [row for group in groups for row in group.rows]
    if order == sorted(order):
        return finished
    return finished[torch.tensor(order).argsort().to(finished.device)]


def side(backbone: Backbone, resolution: int | None) -> int:
    """The side of the images in pixels: what was asked for, or the backbone's own size."""
    return resolution or backbone.resolution


def default_batch(backbone: Backbone, resolution: int | None) -> int:
    """Images per batch when nobody chose: as many as fill the device without filling its memory."""
    budget = {"cpu": 32 * 64**2, "mps": 4 * 512**2, "cuda": 16 * 512**2}[backbone.device.type]
    return max(1, min(128, budget // side(backbone, resolution) ** 2))


def first_step(inference_steps: int, strength: float) -> int:
    """Where on the schedule SDEdit starts (Meng et al. 2021, arXiv:2108.01073): floor(steps · strength) steps remain.

    At least one step remains, so that a low strength never returns the source itself under a new name.
    """
    return inference_steps - max(1, int(inference_steps * strength + 1e-9))


@dataclass
class _Group:
    """Images that begin at the same step of the schedule: one solver, since it remembers what it saw."""

    rows: list[int]
    first: int
    solver: Any
    latents: Tensor
    random: dict[str, Any]


def _groups(backbone: Backbone, requests: Sequence[Request], settings: Settings) -> list[_Group]:
    """The images by where they begin, the earliest first."""
    places: dict[tuple[int, bool], list[int]] = {}
    for row, request in enumerate(requests):
        strength = settings.strength if request.strength is None else request.strength
        kept = strength < 1 and request.source is not None
        first = first_step(settings.inference_steps, strength) if kept else 0
        places.setdefault((first, kept), []).append(row)
    return [
        _group(backbone, requests, settings, rows, first if kept else None)
        for (first, kept), rows in sorted(places.items())
    ]


def _group(
    backbone: Backbone, requests: Sequence[Request], settings: Settings, rows: list[int], first: int | None
) -> _Group:
    """Pure noise, or the sources noised to where the schedule starts."""
    solver = backbone.solver(settings.sampler, settings.inference_steps, settings.resolution)
    some = [requests[row] for row in rows]
    shape = backbone.latent_shape(settings.resolution)
    chances = [exactly(request.seed) for request in some]
    noise = torch.stack([normal(shape, chance, backbone.device) for chance in chances])
    random = random_of(solver, chances)
    if first is None:
        return _Group(rows, 0, solver, noise * solver.init_noise_sigma, random)
    begin = first * solver.order
    if hasattr(solver, "set_begin_index"):
        solver.set_begin_index(begin)
    when = solver.timesteps[begin : begin + 1].repeat(len(rows))
    return _Group(rows, begin, solver, solver.add_noise(_sources(backbone, some, settings), noise, when), random)


def _sources(backbone: Backbone, requests: Sequence[Request], settings: Settings) -> Tensor:
    """Latents of the sources; of two that are mixed, between them."""

    def views(pictures: Sequence[tuple[int, Image.Image | None]]) -> Tensor:
        cut = [squares(one, settings.resolution, "centre", generator(seed, "crop"))[0] for seed, one in pictures if one]
        return backbone.encode_images(to_tensor(cut))

    latents = views([(request.seed, request.source) for request in requests])
    mixed = [(row, request.seed, request.mix) for row, request in enumerate(requests) if request.mix]
    if mixed:
        others = views([(seed, mix.source) for _, seed, mix in mixed])
        for (row, _, mix), other in zip(mixed, others, strict=True):
            latents[row] = torch.lerp(latents[row], other, mix.share)
    return latents


class _Texts:
    """What the images of a batch are told: their prompts, each encoded once, and how hard they are held to them."""

    def __init__(self, backbone: Backbone, requests: Sequence[Request], settings: Settings) -> None:
        self.backbone, self.requests = backbone, requests
        own = (one.guidance_scale for one in requests)
        self.scales = [settings.guidance_scale if scale is None else scale for scale in own]
        self.guided = any(scale > 1 for scale in self.scales)
        told = [(r.prompt, r.mix.prompt, r.mix.share) if r.mix else (r.prompt, "", 0.0) for r in requests]
        away = [(r.negative_prompt, "", 0.0) for r in requests] if self.guided else []
        self.distinct = list(dict.fromkeys([*away, *told]))
        self.towards = [self.distinct.index(one) for one in told]
        self.away = [self.distinct.index(one) for one in away]
        self.prompts = backbone.together([self._encoded(*one) for one in self.distinct])

    def _encoded(self, prompt: str | Vectors, other: str, share: float) -> Any:
        if isinstance(prompt, Vectors):
            return self.backbone.attending(prompt.values[None])
        one = self.backbone.encode_prompts([prompt])
        return self.backbone.between(one, self.backbone.encode_prompts([other]), share) if share else one

    @contextmanager
    def asked(self, rows: Sequence[int], guided: bool) -> Iterator[Callable[[Tensor, Tensor], Tensor]]:
        """Within, what the backbone predicts of the latents of these images, guided or not."""
        places = [*(self.away[row] for row in rows if guided), *(self.towards[row] for row in rows)]
        device = self.backbone.device
        told = torch.tensor(places, device=device)
        scale = torch.tensor([self.scales[row] for row in rows], device=device).view(-1, 1, 1, 1)

        def predict(latents: Tensor, t: Tensor) -> Tensor:
            seen = latents.to(self.backbone.dtype)
            seen = torch.cat([seen, seen]) if guided else seen
            output = self.backbone.predict(seen, t.to(device), self.prompts, told).float()
            if not guided:
                return output
            away, towards = output.chunk(2)
            return away + scale * (towards - away)

        with self.backbone.remembering_prompts():
            yield predict
