"""Eyes: what looks at a picture and says a vector. Read from a folder; pixels (perhaps words) in, unit vectors out.

Two kinds: open_clip models, which also have a text tower, and timm models, which know no words. Whoever uses one asks
`reads_words` first; everything about pictures is alike.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import timm
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from open_clip.modified_resnet import ModifiedResNet
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.transforms import Normalize, Resize
from torchvision.transforms.functional import center_crop

from synthstudio import modelfolder
from synthstudio.encoder_settings import ClipModel, Preprocessing, TimmConfig
from synthstudio.errors import BadInput
from synthstudio.modelfiles import WEIGHT_FILES
from synthstudio.terms import fill


@dataclass(frozen=True)
class Stage:
    """A part of an image tower that can be run on its own. `modules` are the names it owns below the tower."""

    modules: tuple[str, ...]
    run: Callable[[Tensor], Tensor]


class Encoder(ABC):
    """An eye in evaluation mode, with its own preprocessing."""

    reads_words = False
    scale = 1.0  # what cosines are multiplied by before a softmax
    size: int  # side of the square pictures it is shown, in pixels

    def __init__(self, model: nn.Module, mean: Sequence[float], std: Sequence[float], device: torch.device) -> None:
        self.model: Any = model.to(device).eval().requires_grad_(False)
        self.device = device
        self._mean = torch.tensor(mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(std, device=device).view(1, 3, 1, 1)

    @property
    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the normalisation, each (1, 3, 1, 1)."""
        return self._mean, self._std

    @property
    @abstractmethod
    def pictures(self) -> dict[str, Any] | None:
        """How a picture becomes pixels, for a program without us; none if that takes more than resize and crop."""

    def pixels(self, files: Iterable[bytes]) -> Tensor:
        """Decode, resize and crop as the folder's configuration says: uint8 (N, 3, size, size)."""
        return torch.stack([self._pixels(file) for file in files])

    @abstractmethod
    def _pixels(self, file: bytes) -> Tensor: ...

    def normalised(self, pixels: Tensor) -> Tensor:
        """Pixels, uint8 or float in [0, 1], as the tower wants them, on its device."""
        unit = pixels.to(self.device)
        unit = unit.float() / 255 if unit.dtype == torch.uint8 else unit
        return (unit - self._mean) / self._std

    @abstractmethod
    def features(self, inputs: Tensor) -> Tensor:
        """Vectors (N, D), of any length, of normalised pixels; gradients flow to the pixels."""

    @abstractmethod
    def stages(self) -> list[Stage]:
        """The image tower in order; together the stages are `features`."""

    def embed_images(self, pixels: Tensor, batch: int = 0) -> NDArray[np.float32]:
        """Unit vectors (N, D) of uint8 pixels."""
        outputs = in_batches(pixels, lambda some: self.features(self.normalised(some)), self.batch(batch))
        return F.normalize(outputs.float(), dim=-1).numpy()

    def embed_labels(self, labels: Sequence[str], prompts: Sequence[str]) -> NDArray[np.float32]:
        """One unit vector per label: what its words look like. BadInput if this eye knows no words."""
        raise BadInput("This encoder knows no words. Choose one with a text tower, such as pico-clip.")

    def tokens(self, texts: Sequence[str]) -> Tensor:
        """Token ids on the model's device. BadInput if this eye knows no words."""
        raise BadInput("This encoder knows no words. Choose one with a text tower, such as pico-clip.")

    def batch(self, asked: int) -> int:
        """Images at once: what was asked, or what suits the device."""
        return asked or (32 if self.device.type == "cpu" else 256)


class ClipEncoder(Encoder):
    """A CLIP model with its own tokenizer."""

    reads_words = True

    def __init__(self, model: nn.Module, tokenizer: Any, transform: Any, device: torch.device) -> None:
        *self._geometry, normalise = transform.transforms
        if not isinstance(normalise, Normalize):
            raise BadInput("This encoder's preprocessing does not end in a normalisation; use an open_clip folder.")
        super().__init__(model, normalise.mean, normalise.std, device)
        self.tokenizer = tokenizer
        self._scale = float(self.model.logit_scale.exp().reshape(()))  # frozen; read once, as reading waits for a card
        size = self.model.visual.image_size
        self.size = int(size if isinstance(size, int) else size[0])

    @property
    def pictures(self) -> dict[str, Any] | None:
        """The shorter side becomes the tower's size and the middle is cut out, unless the folder says otherwise."""
        resize = self._geometry[0]
        if not isinstance(resize, Resize) or resize.size not in (self.size, [self.size]):
            return None
        return {
            "size": self.size, "shorter_side": self.size, "interpolation": resize.interpolation.value, "draft": False,
        }  # fmt: skip

    @property
    def scale(self) -> float:  # type: ignore[override]
        """exp(logit_scale): what cosines are multiplied by before a softmax."""
        return self._scale

    def _pixels(self, file: bytes) -> Tensor:
        with Image.open(BytesIO(file)) as opened:
            picture: Any = opened.convert("RGB")
        for transform in self._geometry:
            picture = transform(picture)
        return (picture * 255).round().to(torch.uint8)

    def features(self, inputs: Tensor) -> Tensor:
        """The image tower's projection of normalised pixels, (N, D)."""
        return self.model.encode_image(inputs)

    def stages(self) -> list[Stage]:
        """The image tower in order. A residual tower has stem, four layers and attention pool; others are one stage."""
        tower: Any = self.model.visual
        if not isinstance(tower, ModifiedResNet):
            return [Stage(("",), tower)]
        stem = Stage(("conv1", "bn1", "conv2", "bn2", "conv3", "bn3"), tower.stem)
        later = ("layer1", "layer2", "layer3", "layer4", "attnpool")
        return [stem, *(Stage((name,), getattr(tower, name)) for name in later)]

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors (N, D) of texts."""
        return F.normalize(self.model.encode_text(self.tokens(texts)).float(), dim=-1).cpu().numpy()

    def tokens(self, texts: Sequence[str]) -> Tensor:
        """Token ids on the model's device."""
        return self.tokenizer(list(texts)).to(self.device)

    def what_it_reads(self, text: str) -> str:
        """The text itself; of one that is too long for the text tower the part that it reads, in its own spelling."""
        ids, room = (
            self.tokenizer.encode(text),
            self.tokenizer.context_length - 2,
        )  # two say where a text begins and ends
        return str(self.tokenizer.decode(ids[:room])).strip() if len(ids) > room else text

    def embed_labels(self, labels: Sequence[str], prompts: Sequence[str]) -> NDArray[np.float32]:
        """One unit vector per label: the mean over its prompts, as in CLIP's prompt ensembles (Radford et al. 2021)."""
        texts = [sentence(prompt, label) for label in labels for prompt in prompts]
        each = self.embed_texts(texts).reshape(len(labels), len(prompts), -1)
        return unit(each.mean(1))


class TimmEncoder(Encoder):
    """A timm network without its classifier: the pooled features before it."""

    def __init__(self, network: nn.Module, config: TimmConfig, device: torch.device) -> None:
        prepared = config.pretrained_cfg
        super().__init__(network.to(memory_format=torch.channels_last), prepared.mean, prepared.std, device)
        self.config = config
        self.size = config.size
        self._folded: Any = None

    @property
    def pictures(self) -> dict[str, Any]:
        """The shorter side becomes size / crop_pct, then the middle is cut out; a JPEG is decoded near that size."""
        prepared = self.config.pretrained_cfg
        wanted = round(self.size / prepared.crop_pct)
        return {
            "size": self.size, "shorter_side": wanted, "interpolation": prepared.interpolation, "draft": True,
        }  # fmt: skip

    def _pixels(self, file: bytes) -> Tensor:
        how = self.pictures
        shorter = how["shorter_side"]
        with Image.open(BytesIO(file)) as opened:
            opened.draft("RGB", (2 * shorter, 2 * shorter))
            picture = opened.convert("RGB")
        share = shorter / min(picture.size)
        width, height = (shorter if side == min(picture.size) else int(side * share) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling[how["interpolation"].upper()])
        return torch.from_numpy(np.array(center_crop(picture, [self.size])).transpose(2, 0, 1).copy())

    def normalised(self, pixels: Tensor) -> Tensor:
        """Pixels, uint8 or float in [0, 1], as the network wants them: channels last, on its device."""
        return super().normalised(pixels).contiguous(memory_format=torch.channels_last)

    def features(self, inputs: Tensor) -> Tensor:
        """The pooled features of normalised pixels, (N, D)."""
        network = self.model
        return network.forward_head(network.forward_features(inputs), pre_logits=True)

    def embed_images(self, pixels: Tensor, batch: int = 0) -> NDArray[np.float32]:
        """Unit vectors (N, D) of uint8 pixels, by a copy of the network in which BatchNorm is part of convolutions."""
        if self._folded is None:
            self._folded = folded(self.model, self.normalised(pixels[:1]))
        network = self._folded

        def run(some: Tensor) -> Tensor:
            return network.forward_head(network.forward_features(self.normalised(some)), pre_logits=True)

        return F.normalize(in_batches(pixels, run, self.batch(batch)).float(), dim=-1).numpy()

    def stages(self) -> list[Stage]:
        """One stage: fine-tuning of timm networks cuts them elsewhere (`finetune`)."""
        return [Stage(("",), self.features)]


@torch.no_grad()
def folded(network: Any, example: Tensor) -> Any:
    """A copy in which every BatchNorm that follows a convolution is part of its weights; same answers, less work.

    A network that would answer `example` (normalised pixels) differently, because a norm does not follow the
    convolution before it, comes back as it is.
    """
    copied = copy.deepcopy(network)
    for parent in list(copied.modules()):
        before: tuple[str, nn.Conv2d] | None = None
        for name, child in list(parent.named_children()):
            if before and isinstance(child, nn.BatchNorm2d) and child.num_features == before[1].out_channels:
                setattr(parent, before[0], fuse_conv_bn_eval(before[1], child))
                setattr(parent, name, getattr(child, "act", nn.Identity()))
            before = (name, child) if isinstance(child, nn.Conv2d) else None
    copied = copied.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    told, wanted = (one.forward_features(example) for one in (copied, network))
    return copied if torch.allclose(told, wanted, rtol=1e-2, atol=1e-3 * float(wanted.abs().max())) else network


def load(folder: Path, device: torch.device) -> Encoder:
    """Read an open_clip or timm folder. Offline, without code of the folder, and safetensors only."""
    modelfolder.examine(folder, "encoder")
    return load_timm(folder, device) if modelfolder.is_timm(folder) else load_clip(folder, device)


def load_timm(folder: Path, device: torch.device) -> TimmEncoder:
    """Read a timm folder. timm is given a name of its own table and settings we know, nothing of the configuration."""
    config = modelfolder.timm_config(folder)
    try:
        network = timm_network(config)
        network.load_state_dict(load_file(weight_file(folder)))
    except (RuntimeError, ValueError, TypeError, AssertionError, OSError, SafetensorError) as error:
        raise _unreadable(folder, "a timm model", error) from error
    return TimmEncoder(network, config, device)


def timm_network(config: TimmConfig) -> Any:
    """The network of a configuration with random weights."""
    arguments = config.model_args.model_dump(exclude_none=True)
    if config.global_pool:
        arguments.setdefault("global_pool", config.global_pool)
    return timm.create_model(config.architecture, pretrained=False, num_classes=config.num_classes, **arguments)


def load_clip(folder: Path, device: torch.device) -> ClipEncoder:
    """Read an open_clip folder.

    open_clip's own factory would give the folder's configuration to transformers and timm, which can import modules
    from it or fetch others; it would prefer `open_clip_pytorch_model.bin` to `model.safetensors`, and take a folder
    without weights for a random model. So the model is built here, from what `modelfolder` knows of the configuration.
    """
    config = modelfolder.open_clip_config(folder)
    try:
        model = _built(config.model_cfg)
        open_clip.load_checkpoint(model, str(weight_file(folder)))
        transform = image_transform_v2(_preprocessing(model, config.preprocess_cfg), is_train=False)
    except (RuntimeError, ValueError, TypeError, AssertionError, OSError) as error:
        raise _unreadable(folder, "an open_clip model", error) from error
    words = open_clip.SimpleTokenizer(context_length=config.model_cfg.text_cfg.context_length)
    return ClipEncoder(model, words, transform, device)


def _unreadable(folder: Path, what: str, error: Exception) -> BadInput:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
    return BadInput(f"{folder} cannot be read as {what} ({reason}). Fetch it again.")


def _built(config: ClipModel) -> Any:
    """The network with random weights, of the class that open_clip's factory would choose."""
    arguments = config.model_dump(mode="json", exclude_unset=True)
    if not arguments.pop("custom_text", False):
        arguments.pop("multimodal_cfg", None)
        return open_clip.CLIP(**arguments)
    return (open_clip.CoCa if "multimodal_cfg" in arguments else open_clip.CustomTextCLIP)(**arguments)


def _preprocessing(model: Any, config: Preprocessing) -> PreprocessCfg:
    """How a picture becomes pixels: the size is the tower's, the rest the configuration's or else OpenAI's."""
    return PreprocessCfg(size=model.visual.image_size, **config.model_dump(exclude_none=True))


def weight_file(folder: Path) -> Path:
    """The safetensors file that holds the weights."""
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    others = sorted(folder.glob("*.safetensors"))
    if len(others) != 1:
        raise BadInput(f"{folder} holds {len(others)} safetensors files and none is called {WEIGHT_FILES[0]}.")
    return others[0]


def sentence(prompt: str, label: str) -> str:
    """The prompt about one label. A classifier knows no domains, so a {domain} reads "photo"."""
    return fill(prompt, label, domain="photo")


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
