"""A text tower for the teacher: the image tower stays as it is, words learn where its pictures lie.

Locked-image tuning (Zhai et al. 2022, https://arxiv.org/abs/2111.07991): contrastive between captions and the teacher's
features of training pictures, where every caption true of a picture counts as right. Beside it, each of ImageNet's
1,000 class vectors, by any of its names in any template, so that a thousand names are known and not only those of the
training pictures.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import open_clip
import torch
from open_clip.model import CLIP
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from synthstudio.engine import packaged
from synthstudio.engine.pretrain.cached import LOOK
from synthstudio.engine.pretrain.captions import TEMPLATES, Caption, looks_of, rich_caption
from synthstudio.engine.pretrain.clip import CONTEXT, VOCABULARY, encode_text, multi_positive, right_pairs
from synthstudio.engine.pretrain.data import Batch, Mixture
from synthstudio.engine.pretrain.loop import Draw
from synthstudio.engine.pretrain.names import imagenet_names
from synthstudio.engine.pretrain.teacher import Teacher

# What people write around a name. A tower that only met names at the end of a caption is lost after a full stop.
PROMPTS = (
    *TEMPLATES, "{}.", "the {}", "my {}", "a photo of a {}.", "a photo of the {}.", "a picture of the {}", "one {}!",
    "a close-up of a {}", "a blurry photo of the {}", "a {} on a table", "a {} outdoors.", "{}, a photo", "{}, indoors",
)  # fmt: skip


@dataclass(frozen=True)
class WordsShape:
    """Size of the text tower; the image tower is the teacher."""

    width: int = 128
    heads: int = 4
    layers: int = 3

    def config(self) -> dict[str, object]:
        """The `model_cfg` of an open_clip folder."""
        vision = {
            "timm_model_name": "tf_efficientnet_lite0",
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "none",
            "image_size": LOOK,
        }
        text = {
            "context_length": CONTEXT,
            "vocab_size": VOCABULARY,
            "width": self.width,
            "heads": self.heads,
            "layers": self.layers,
        }
        return {"embed_dim": Teacher.width, "vision_cfg": vision, "text_cfg": text}

    def build(self, teacher: Teacher) -> CLIP:
        """A fresh text tower beside the teacher, which is locked."""
        model = CLIP(**self.config())  # type: ignore[arg-type]
        state = {k: v for k, v in teacher.network.state_dict().items() if not k.startswith("classifier.")}
        model.visual.trunk.load_state_dict(state)
        model.visual.requires_grad_(False)
        return model


class WordsStage:
    """`data` holds the teacher's features (1,280) instead of pixels."""

    def __init__(
        self, data: Mixture, teacher: Teacher, shape: WordsShape, batch: int = 256, extra: int = 64, classes: int = 128
    ) -> None:
        self.data, self.batch, self.extra, self.classes = data, batch, extra, classes
        self.names = [(n, "" if s.is_glyphs else None) for s in data.sources for n in sorted(set(s.labels))]
        self.tokenizer = open_clip.SimpleTokenizer(context_length=CONTEXT)
        self.vectors = F.normalize(teacher.network.classifier.weight.detach().clone(), dim=1)
        self.clip = shape.build(teacher)
        self.modules = nn.ModuleDict({"clip": self.clip})

    def said(self, texts: list[str]) -> Tensor:
        """Text features of unit length."""
        return F.normalize(encode_text(self.clip, self.tokenizer(texts)).float(), dim=-1)

    def captions(self, drawn: Batch, rng: np.random.Generator) -> list[Caption]:
        """A caption of each picture, and some of names that may be absent."""
        rows = zip(drawn.labels, drawn.looks, drawn.settings, strict=True)
        others = [self.names[i] for i in rng.permutation(len(self.names))[: self.extra]]
        said = [rich_caption(n, s, w, rng) for n, s, w in rows] + [rich_caption(n, s, "", rng) for n, s in others]
        return [replace(one, text=one.text + ".") if rng.random() < 0.3 else one for one in said]

    def named(self, draw: Draw) -> Tensor:
        """How far names of some of ImageNet's classes are from the class vectors: 1 - cosine."""
        chosen = draw.rng.permutation(len(self.vectors))[: self.classes]
        names = [imagenet_names()[i][draw.rng.integers(len(imagenet_names()[i]))] for i in chosen]
        texts = [PROMPTS[draw.rng.integers(len(PROMPTS))].format(name) for name in names]
        wanted = self.vectors.to(draw.device)[torch.from_numpy(chosen)]
        return (1 - (self.said(texts) * wanted).sum(1)).mean()

    def loss(self, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        drawn = self.data.draw(draw.rng, self.batch)
        captions = self.captions(drawn, draw.rng)
        pictures = F.normalize(torch.from_numpy(drawn.pixels).to(draw.device).float(), dim=-1)
        texts = self.said([c.text for c in captions])
        looks = [looks_of(s or w) for s, w in zip(drawn.looks, drawn.settings, strict=True)]
        right = right_pairs(captions, drawn.labels, looks)
        logits = self.clip.logit_scale.clamp(max=4.6).exp() * pictures @ texts.T
        named = self.named(draw)
        loss = multi_positive(logits, right) + 0.5 * multi_positive(logits.T, right.T) + named
        hit = right.to(draw.device).gather(1, logits.argmax(1, keepdim=True)).float().mean()
        return loss, {"hit": hit, "named": named.detach()}


def save_words(clip: CLIP, shape: WordsShape, folder: Path) -> None:
    """An open_clip folder: `open_clip.create_model_and_transforms("local-dir:FOLDER")`; beside its weights those of the
    text tower alone, in half precision, as `packaged.convert` puts them to the teacher's.
    """
    half = [0.5, 0.5, 0.5]
    preprocess = {"mean": half, "std": half, "interpolation": "bicubic", "resize_mode": "shortest"}
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_cfg": shape.config(), "preprocess_cfg": preprocess}
    (folder / packaged.CLIP_CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    state = {name: value.contiguous() for name, value in clip.state_dict().items()}
    save_file(state, folder / packaged.CLIP_WEIGHTS)
    texts = {name: value.half() for name, value in state.items() if not name.startswith("visual.")}
    save_file(texts, folder / packaged.TEXT)


def load_words(folder: Path) -> CLIP:
    """The model that the `words` stage left in `folder`."""
    return open_clip.create_model(f"local-dir:{folder}").eval()
