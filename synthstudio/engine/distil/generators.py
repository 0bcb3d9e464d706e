"""Generators that people bring: a folder with one safetensors file that says itself how to build the network.

The file's metadata has the key `synthstudio_generator` with a JSON object:

    {"architecture": "convolutional", "latent": [C, h, w], "widths": [128, 64, 32], "groups": 8, "output": "tanh"}

    x = enter(z)                                    3x3 convolution from C channels to widths[0]
    x = SiLU(norm_i(conv_i(upsample(x))))           for each width: nearest 2x, 3x3 convolution, GroupNorm(groups)
    image = output(leave(x))                        3x3 convolution to 3 channels, tanh or nothing; in [-1, 1]

so images have h · 2^len(widths) pixels a side. Tensors are called `enter.weight`, `blocks.0.conv.weight`,
`blocks.0.norm.weight`, …, `leave.weight`, each with its `.bias`. A pickle is refused: it can run code when it is read.
"""

import json
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors.torch import load_file
from torch import Tensor, nn

from synthstudio import weightfile
from synthstudio.engine.tensors import plain
from synthstudio.errors import BadInput, UnsafeInput

KEY = "synthstudio_generator"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


class About(BaseModel):
    """What the metadata say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: str = Field(pattern="^convolutional$")
    latent: tuple[int, int, int]
    widths: tuple[int, ...] = Field(min_length=1, max_length=8)
    groups: int = Field(default=8, ge=1)
    output: str = Field(default="tanh", pattern="^(tanh|none)$")

    @model_validator(mode="after")
    def _fits(self) -> "About":
        channels, height, width = self.latent
        if min(channels, height, width, *self.widths) < 1 or max(channels, height, width, *self.widths) > 4096:
            raise ValueError("latent and widths must lie between 1 and 4096")
        if height != width or self.size > 1024:
            raise ValueError("images must be square and have at most 1024 pixels a side")
        if any(one % self.groups for one in self.widths):
            raise ValueError("groups must divide every width")
        return self

    @property
    def size(self) -> int:
        """Side of the images, in pixels."""
        return self.latent[1] * 2 ** len(self.widths)


class ConvolutionalGenerator(nn.Module):
    """The network the format describes."""

    def __init__(self, about: About) -> None:
        super().__init__()
        self.about = about
        widths = about.widths
        self.enter = nn.Conv2d(about.latent[0], widths[0], 3, padding=1)
        inputs = (widths[0], *widths[:-1])
        self.blocks = nn.ModuleList(_Block(i, o, about.groups) for i, o in zip(inputs, widths, strict=True))
        self.leave = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def stages(self) -> list[Callable[[Tensor], Tensor]]:
        """The network in order, cut after each block; the last stage gives images."""
        first, *rest = self.blocks
        stages: list[Callable[[Tensor], Tensor]] = [lambda latents: first(self.enter(latents)), *rest]
        return [*stages, self._leave]

    def forward(self, latents: Tensor) -> Tensor:
        """Images in [-1, 1]."""
        for stage in self.stages():
            latents = stage(latents)
        return latents

    def _leave(self, feature: Tensor) -> Tensor:
        image = self.leave(feature)
        return image.tanh() if self.about.output == "tanh" else image


class _Block(nn.Module):
    def __init__(self, inside: int, out: int, groups: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(inside, out, 3, padding=1), nn.GroupNorm(groups, out)

    def forward(self, feature: Tensor) -> Tensor:
        return F.silu(self.norm(self.conv(F.interpolate(feature, scale_factor=2, mode="nearest"))))


def load(folder: Path, device: torch.device) -> ConvolutionalGenerator:
    """The generator in a folder, frozen. UnsafeInput for pickles, BadInput for a file that does not describe itself."""
    files = sorted(folder.glob("*.safetensors"))
    if len(files) != 1:
        pickled = sorted(p.name for p in folder.iterdir() if p.suffix in _PICKLES)
        if pickled and not files:
            raise UnsafeInput(f"{pickled[0]} is a pickle, which can run code when read. Convert it to safetensors.")
        raise BadInput(f"{folder} holds {len(files)} safetensors files; a generator is exactly one.")
    about = _about(files[0])
    generator = ConvolutionalGenerator(about)
    try:
        generator.load_state_dict(load_file(files[0]))
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()[:160]
        raise BadInput(f"The tensors of {files[0].name} are not those its metadata describe: {reason}") from error
    return generator.to(device).eval().requires_grad_(False)


def save(path: Path, generator: ConvolutionalGenerator) -> None:
    """Write a generator in this format."""
    tensors = {name: plain(tensor) for name, tensor in generator.state_dict().items()}
    weightfile.write(path, tensors, {KEY: generator.about.model_dump_json()})


def _about(file: Path) -> About:
    text = weightfile.read_header(file).metadata.get(KEY)
    if text is None:
        raise BadInput(
            f"{file.name} does not say what it is: its metadata lack {KEY!r}. See generators.py for the format."
        )
    try:
        return About.model_validate(json.loads(text))
    except (ValidationError, ValueError) as error:
        raise BadInput(f"The metadata of {file.name} cannot be used: {str(error).splitlines()[-1].strip()}") from error
