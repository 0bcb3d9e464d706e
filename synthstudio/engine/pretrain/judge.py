"""The independent judge: a plain CNN that names pictures, trained on the pre-training data and on nothing else.

It shares neither weights nor loss with the shipped CLIP, so it can say whether the denoiser drew what it was asked for.
Pictures are read at 32 px, which is where the names of this data live.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from synthstudio.engine.pretrain.clip import augment
from synthstudio.engine.pretrain.data import Mixture, Source, to_float
from synthstudio.engine.pretrain.fonts import DIGITS
from synthstudio.engine.pretrain.loop import Draw, share


def group_of(source: Source, name: str) -> str:
    """digits and letters apart, otherwise the name of the data set."""
    return source.name if not source.is_glyphs else "digits" if name in DIGITS else "letters"


def groups(data: Mixture) -> dict[str, list[str]]:
    """Names by group."""
    found: dict[str, set[str]] = defaultdict(set)
    for source in data.sources:
        for name in set(source.labels):
            found[group_of(source, name)].add(name)
    return {group: sorted(names) for group, names in found.items()}


def block(before: int, after: int) -> nn.Sequential:
    """Convolution, norm, rectifier."""
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU())


class Judge(nn.Module):
    """Seven convolutions; one output per (group, name)."""

    def __init__(self, names: dict[str, list[str]], width: int = 24) -> None:
        super().__init__()
        self.names = names
        self.keys = [(group, name) for group, members in names.items() for name in members]
        self.body = nn.Sequential(
            block(3, width), block(width, width), nn.MaxPool2d(2),
            block(width, 2 * width), block(2 * width, 2 * width), nn.MaxPool2d(2),
            block(2 * width, 4 * width), block(4 * width, 4 * width), nn.MaxPool2d(2),
            block(4 * width, 8 * width), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Linear(8 * width, len(self.keys))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(F.avg_pool2d(images, 2)))

    @torch.no_grad()
    def answers(self, pixels: np.ndarray, group: str, batch: int = 250) -> list[str]:
        """The best name within `group` for each uint8 picture."""
        columns = [i for i, (g, _) in enumerate(self.keys) if g == group]
        parts = [
            self(to_float(np.ascontiguousarray(pixels[i : i + batch])))[:, columns]
            for i in range(0, len(pixels), batch)
        ]
        return [self.keys[columns[i]][1] for i in torch.cat(parts).argmax(1).tolist()]

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.state_dict(), folder / "judge.safetensors")
        (folder / "names.json").write_text(json.dumps(self.names))

    @classmethod
    def load(cls, folder: Path) -> Judge:
        judge = cls(json.loads((folder / "names.json").read_text()))
        judge.load_state_dict(load_file(folder / "judge.safetensors"))
        return judge.eval()


class JudgeStage:
    """Cross-entropy over the names of the picture's own group, under the augmentation of the CLIP stage."""

    def __init__(self, data: Mixture, batch: int = 64) -> None:
        self.data, self.batch = data, batch
        self.judge = judge = Judge(groups(data))
        self.modules = nn.ModuleDict({"judge": judge})
        self.index = {key: i for i, key in enumerate(judge.keys)}
        members = [group for group, _ in judge.keys]
        self.same = {group: torch.tensor([g == group for g in members]) for group in judge.names}

    def loss(self, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        drawn = self.data.draw(draw.rng, self.batch)
        keys = [(group_of(self.data.sources[s], n), n) for s, n in zip(drawn.source, drawn.labels, strict=True)]
        photo = torch.tensor([s is None for s in drawn.looks], device=draw.device)
        images = augment(to_float(drawn.pixels).to(draw.device), photo, draw)
        logits = self.judge(images)
        logits = logits.masked_fill(~torch.stack([self.same[g] for g, _ in keys]).to(draw.device), -30.0)
        target = torch.tensor([self.index[key] for key in keys], device=draw.device)
        hit = (logits.argmax(1) == target).float()
        numbers = {"photo": share(hit, photo), "glyph": share(hit, ~photo)}
        return F.cross_entropy(logits, target), numbers
