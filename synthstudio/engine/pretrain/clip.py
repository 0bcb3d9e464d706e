"""Stage 2: the open_clip model that judges pictures. A small ResNet and a small text tower.

Loss: image-to-text and text-to-image cross-entropy where every caption true of a picture counts as right (UniCL,
Yang et al. 2022, https://arxiv.org/abs/2204.03610); captions of names absent from the batch are added as negatives.
A plain classifier on the picture features (not kept) gives the image tower a direct signal from the first step on.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.model import CLIP
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from synthstudio.engine.pretrain.captions import Caption, caption, looks_of
from synthstudio.engine.pretrain.data import Mixture, to_float
from synthstudio.engine.pretrain.loop import Draw, share

VOCABULARY = 49408
CONTEXT = 32


@dataclass(frozen=True)
class ClipShape:
    """Sizes of both towers."""

    embed_dim: int = 256
    width: int = 20
    layers: tuple[int, ...] = (1, 1, 2, 1)
    text_width: int = 64
    text_heads: int = 2
    text_layers: int = 3

    @classmethod
    def of(cls, config: dict[str, Any]) -> ClipShape:
        """The sizes that `config()` wrote down."""
        vision, text = config["vision_cfg"], config["text_cfg"]
        return cls(
            config["embed_dim"], vision["width"], tuple(vision["layers"]), text["width"], text["heads"], text["layers"]
        )

    def config(self) -> dict[str, object]:
        """The `model_cfg` of an open_clip folder."""
        return {
            "embed_dim": self.embed_dim,
            "vision_cfg": {"image_size": 64, "layers": list(self.layers), "width": self.width, "patch_size": None},
            "text_cfg": {
                "context_length": CONTEXT,
                "vocab_size": VOCABULARY,
                "width": self.text_width,
                "heads": self.text_heads,
                "layers": self.text_layers,
            },
        }

    def build(self) -> CLIP:
        return CLIP(**self.config())  # type: ignore[arg-type]


def encode_text(model: CLIP, tokens: Tensor) -> Tensor:
    """`model.encode_text` without the padding that all rows share: the tower is causal, so it changes nothing.

    Tokens may lie on the CPU, where their length is known without waiting for the device.
    """
    length = int((tokens != 0).sum(1).max())
    tokens = tokens[:, :length].to(model.positional_embedding.device)
    hidden = model.token_embedding(tokens) + model.positional_embedding[:length]
    hidden = model.ln_final(model.transformer(hidden, attn_mask=model.attn_mask[:length, :length]))
    return hidden[torch.arange(len(tokens)), tokens.argmax(-1)] @ model.text_projection


def augment(images: Tensor, mirror: Tensor, draw: Draw) -> Tensor:
    """Small turn and shear, brightness, contrast, saturation; crop and mirror image where `mirror` (photographs)."""
    count = len(images)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=draw.torch).to(images.device) * (high - low) + low

    zoom = torch.where(mirror, uniform(0.6, 1.05), uniform(0.88, 1.12))
    angle, shear, stretch = uniform(-0.15, 0.15), uniform(-0.12, 0.12), uniform(0.9, 1.1)
    flip = torch.where(mirror & (uniform(0, 1) < 0.5), -1.0, 1.0)
    room = (1 - zoom).clamp(min=0)
    row_x = torch.stack([flip * zoom * angle.cos() * stretch, zoom * (shear - angle.sin()), uniform(-1, 1) * room], 1)
    row_y = torch.stack([flip * zoom * angle.sin(), zoom * angle.cos() / stretch, uniform(-1, 1) * room], 1)
    grid = F.affine_grid(torch.stack([row_x, row_y], 1), list(images.shape), align_corners=False)
    images = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    gray = images.mean(1, keepdim=True)
    images = gray + (images - gray) * uniform(0.3, 1.5).view(-1, 1, 1, 1)
    mean = images.mean((1, 2, 3), keepdim=True)
    images = mean + (images - mean) * uniform(0.6, 1.4).view(-1, 1, 1, 1)
    return (images + uniform(-0.25, 0.25).view(-1, 1, 1, 1)).clamp(-1, 1)


def right_pairs(captions: list[Caption], labels: list[str], looks: list[frozenset[str]]) -> Tensor:
    """Which caption (column) is true of which picture (row)."""
    return torch.tensor([[c.fits(n, s) for c in captions] for n, s in zip(labels, looks, strict=True)])


def multi_positive(logits: Tensor, right: Tensor) -> Tensor:
    """Minus log of the probability that falls on any right answer; rows without one are left out.

    `right` may lie on the CPU, where such rows are known without waiting for the device.
    """
    rows = right.any(1).nonzero()[:, 0].to(logits.device)
    wanted = logits.masked_fill(~right.to(logits.device), -torch.inf).logsumexp(1)
    loss = logits.logsumexp(1) - wanted
    return loss[rows].mean()


class ClipStage:
    """Pictures against the captions of the batch plus `extra` captions of other names."""

    def __init__(self, data: Mixture, shape: ClipShape, batch: int = 64, extra: int = 64) -> None:
        self.data, self.batch, self.extra = data, batch, extra
        self.names = [(n, "" if s.is_glyphs else None) for s in data.sources for n in sorted(set(s.labels))]
        self.tokenizer = open_clip.SimpleTokenizer(context_length=CONTEXT)
        self.classes = {n: i for i, (n, _) in enumerate(self.names)}
        self.clip = shape.build()
        self.head = nn.Linear(shape.embed_dim, len(self.names))
        self.modules = nn.ModuleDict({"clip": self.clip, "head": self.head})

    def captions(self, labels: list[str], looks: list[str | None], rng: np.random.Generator) -> list[Caption]:
        own = [caption(n, s, rng) for n, s in zip(labels, looks, strict=True)]
        others = [self.names[i] for i in rng.permutation(len(self.names))[: self.extra]]
        return own + [caption(n, s, rng) for n, s in others]

    def loss(self, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        drawn = self.data.draw(draw.rng, self.batch)
        captions = self.captions(drawn.labels, drawn.looks, draw.rng)
        photo = torch.tensor([s is None for s in drawn.looks], device=draw.device)
        images = augment(to_float(drawn.pixels).to(draw.device), photo, draw)
        tokens = self.tokenizer([c.text for c in captions])
        features = self.clip.encode_image(images).float()
        classes = torch.tensor([self.classes[n] for n in drawn.labels], device=draw.device)
        named = F.cross_entropy(self.head(features), classes)
        pictures = F.normalize(features, dim=-1)
        texts = F.normalize(encode_text(self.clip, tokens).float(), dim=-1)
        right = right_pairs(captions, drawn.labels, [looks_of(s) for s in drawn.looks])
        logits = self.clip.logit_scale.clamp(max=4.6).exp() * pictures @ texts.T
        loss = named + multi_positive(logits, right) + 0.5 * multi_positive(logits.T, right.T)
        hit = right.to(draw.device).gather(1, logits.argmax(1, keepdim=True)).squeeze(1).float()
        return loss, {"photo": share(hit, photo), "glyph": share(hit, ~photo), "named": named.detach()}


def folder_config(shape: ClipShape) -> dict[str, object]:
    """`open_clip_config.json`."""
    half = [0.5, 0.5, 0.5]
    preprocess = {"mean": half, "std": half, "interpolation": "bicubic", "resize_mode": "shortest"}
    return {"model_cfg": shape.config(), "preprocess_cfg": preprocess}


def dump(shape: ClipShape) -> dict[str, object]:
    """The sizes as JSON values; `load_clip` reads them."""
    return asdict(shape)


def load_clip(folder: Path) -> CLIP:
    """The model that the `clip` stage left in `folder`."""
    shape = json.loads((folder / "shape.json").read_text())
    model = ClipShape(**{**shape, "layers": tuple(shape["layers"])}).build()
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.eval()
