"""open_clip models read from a folder: pixels and words in, unit vectors out."""

import contextlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from open_clip.modified_resnet import ModifiedResNet
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import Normalize

from synthstudio.errors import BadInput

WEIGHT_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "model.safetensors")


@dataclass(frozen=True)
class Stage:
    """A part of an image tower that can be run on its own. `modules` are the names it owns below `visual.`."""

    modules: tuple[str, ...]
    run: Callable[[Tensor], Tensor]


class Encoder:
    """A CLIP model in evaluation mode, with its own tokenizer and its own preprocessing."""

    def __init__(self, model: nn.Module, tokenizer: Any, transform: Any, device: torch.device) -> None:
        *self._geometry, normalise = transform.transforms
        if not isinstance(normalise, Normalize):
            raise BadInput("This encoder's preprocessing does not end in a normalisation; use an open_clip folder.")
        self.model: Any = model.to(device).eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.device = device
        self._mean = torch.tensor(normalise.mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(normalise.std, device=device).view(1, 3, 1, 1)

    @property
    def scale(self) -> float:
        """exp(logit_scale): what cosines are multiplied by before a softmax."""
        return float(self.model.logit_scale.exp().reshape(()))

    def pixels(self, files: Iterable[bytes]) -> Tensor:
        """Decode, resize and crop as the folder's configuration says: uint8 (N, 3, size, size)."""
        return torch.stack([self._pixels(file) for file in files])

    def _pixels(self, file: bytes) -> Tensor:
        with Image.open(BytesIO(file)) as opened:
            picture: Any = opened.convert("RGB")
        for transform in self._geometry:
            picture = transform(picture)
        return (picture * 255).round().to(torch.uint8)

    def normalised(self, pixels: Tensor) -> Tensor:
        """Pixels, uint8 or float in [0, 1], as the tower wants them, on its device."""
        unit = pixels.to(self.device)
        unit = unit.float() / 255 if unit.dtype == torch.uint8 else unit
        return (unit - self._mean) / self._std

    def stages(self) -> list[Stage]:
        """The image tower in order. A residual tower has stem, four layers and attention pool; others are one stage."""
        tower: Any = self.model.visual
        if not isinstance(tower, ModifiedResNet):
            return [Stage(("",), tower)]
        stem = Stage(("conv1", "bn1", "conv2", "bn2", "conv3", "bn3"), tower.stem)
        later = ("layer1", "layer2", "layer3", "layer4", "attnpool")
        return [stem, *(Stage((name,), getattr(tower, name)) for name in later)]

    def embed_images(self, pixels: Tensor, batch: int = 0) -> NDArray[np.float32]:
        """Unit vectors (N, D) of uint8 pixels."""
        outputs = in_batches(pixels, lambda some: self.model.encode_image(self.normalised(some)), self.batch(batch))
        return F.normalize(outputs.float(), dim=-1).numpy()

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors (N, D) of texts."""
        return F.normalize(self.model.encode_text(self.tokens(texts)).float(), dim=-1).cpu().numpy()

    def tokens(self, texts: Sequence[str]) -> Tensor:
        """Token ids on the model's device."""
        return self.tokenizer(list(texts)).to(self.device)

    def embed_labels(self, labels: Sequence[str], prompts: Sequence[str]) -> NDArray[np.float32]:
        """One unit vector per label: the mean over its prompts, as in CLIP's prompt ensembles (Radford et al. 2021)."""
        texts = [sentence(prompt, label) for label in labels for prompt in prompts]
        each = self.embed_texts(texts).reshape(len(labels), len(prompts), -1)
        return unit(each.mean(1))

    def batch(self, asked: int) -> int:
        """Images at once: what was asked, or what suits the device."""
        return asked or (32 if self.device.type == "cpu" else 256)


def load(folder: Path, device: torch.device) -> Encoder:
    """Read an open_clip folder. Offline, and safetensors only: a pickle beside them is never opened.

    open_clip's own search would prefer `open_clip_pytorch_model.bin` to `model.safetensors`, and takes a folder without
    weights for a random model; so the file is chosen here.
    """
    name = f"local-dir:{folder}"
    if not (folder / "open_clip_config.json").is_file():
        raise BadInput(f"{folder} has no open_clip_config.json: it is not an open_clip model. Choose another encoder.")
    try:
        with _without_warnings():
            model, _, transform = open_clip.create_model_and_transforms(name, load_weights=False, pretrained_text=False)
        open_clip.load_checkpoint(model, str(weight_file(folder)))
        tokenizer = open_clip.get_tokenizer(name)
    except (RuntimeError, ValueError, OSError, json.JSONDecodeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise BadInput(f"{folder} cannot be read as an open_clip model ({reason}). Fetch it again.") from error
    return Encoder(model, tokenizer, transform, device)


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    # open_clip warns of random weights here; the right ones are read on the next line.
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def weight_file(folder: Path) -> Path:
    """The safetensors file that holds both towers."""
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    others = sorted(folder.glob("*.safetensors"))
    if len(others) != 1:
        raise BadInput(f"{folder} holds {len(others)} safetensors files and none is called {WEIGHT_FILES[0]}.")
    return others[0]


def sentence(prompt: str, label: str) -> str:
    """The prompt about one label. A classifier knows no domains, so a {domain} reads "photo"."""
    return prompt.format(label=label, domain="photo")


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows scaled to length one; a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)


@torch.no_grad()
def in_batches(items: Tensor, run: Callable[[Tensor], Tensor], size: int) -> Tensor:
    """`run` over batches of one fixed shape; the last is filled up by repeats, which are dropped. Returned on the CPU.

    With one shape the same kernels run for every image, so a vector does not depend on how many others were asked for.
    """
    outputs = []
    for start in range(0, len(items), size):
        some = items[start : start + size]
        filled = torch.cat([some, some[-1:].expand(size - len(some), *some.shape[1:])]) if len(some) < size else some
        outputs.append(run(filled)[: len(some)].cpu())
    return torch.cat(outputs)


def softmax(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Probabilities along the last axis."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)
