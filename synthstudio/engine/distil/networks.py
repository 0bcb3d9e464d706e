"""Small image classifiers, from scratch: the networks that distil and the networks that judge.

Instance norm throughout (as GroupNorm with one channel per group): with one image per class the statistics of a batch
are of no use. A network is a pure function of its arguments: the weights come from a generator of its own.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from synthstudio.engine.distil.layers import MeanPool
from synthstudio.engine.seeds import generator
from synthstudio.errors import BadInput, UnknownName

PUBLISHED_WIDTH = 128  # of ConvNet in the literature; every network is scaled by width / 128
SMALLEST = 8  # pixels


class Network(nn.Module):
    """Features and a linear head; both see (N, channels, size, size) in whatever scale they were trained on."""

    def __init__(self, features: nn.Module, features_out: int, classes: int) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Linear(features_out, classes)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.head.weight.device

    def embed(self, images: Tensor) -> Tensor:
        """(N, F): what the head reads."""
        return self.features(images).flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, classes) logits."""
        return self.head(self.embed(images))


def make_network(name: str, *, channels: int, classes: int, image_size: int, width: int, seed: int) -> Network:
    """A network by name, the same bytes for the same arguments; the global random state is neither read nor moved.

    `image_size` is the side in pixels, at least 8. `width` 128 gives the published sizes; 32 a quarter of the channels
    everywhere. Raises UnknownName for a name not in `ARCHITECTURES`.
    """
    if name not in ARCHITECTURES:
        raise UnknownName.among("architecture", name, ARCHITECTURES)
    if image_size < SMALLEST:
        raise BadInput(f"Images of {image_size} px are too small for these networks; use at least {SMALLEST}.")
    with torch.device("meta"):
        features, out = ARCHITECTURES[name](channels, image_size, width)
        network = Network(features, out, classes)
    network.to_empty(device="cpu")
    initialise(network, generator(seed, "network", name))
    return network


@torch.no_grad()
def initialise(network: nn.Module, random: torch.Generator) -> None:
    """Draw all weights anew, in place: uniform in ±1/sqrt(fan_in), torch's own default, and norms at identity."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = 1 / math.sqrt(module.weight[0].numel())
            module.weight.uniform_(-bound, bound, generator=random)
            if module.bias is not None:
                module.bias.uniform_(-bound, bound, generator=random)
        elif isinstance(module, nn.GroupNorm | nn.LayerNorm):
            module.weight.fill_(1)
            module.bias.fill_(0)
        elif isinstance(module, _Patches):
            module.position.normal_(0, 0.02, generator=random)


def _instance_norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(channels, channels)


def _scaled(published: int, width: int) -> int:
    return max(4, round(published * width / PUBLISHED_WIDTH))


def depth_for(image_size: int) -> int:
    """Blocks of a ConvNet: 3 up to 32 px, 4 at 64, 5 at 128, 6 at 256, so that the last map is about 4x4."""
    return max(3, round(math.log2(image_size / 4)))


def _convnet(channels: int, size: int, width: int) -> tuple[nn.Module, int]:
    """ConvNet-D<depth> (Gidaris & Komodakis 2018, as used by Zhao et al. 2021): conv, norm, ReLU, average pool."""
    layers: list[nn.Module] = []
    for _ in range(depth_for(size)):
        layers += [nn.Conv2d(channels, width, 3, padding=1), _instance_norm(width), nn.ReLU()]
        channels = width
        if size >= 2:
            layers.append(MeanPool())
            size //= 2
    return nn.Sequential(*layers), width * size * size


def _alexnet(channels: int, size: int, width: int) -> tuple[nn.Module, int]:
    """AlexNet for small images: five convolutions, three max pools, averaged to at most 4x4."""
    layers: list[nn.Module] = []
    for out, kernel, pool in ((128, 5, True), (192, 5, True), (256, 3, False), (192, 3, False), (192, 3, True)):
        out = _scaled(out, width)
        layers += [nn.Conv2d(channels, out, kernel, padding=kernel // 2), nn.ReLU()]
        channels = out
        if pool:
            layers.append(nn.MaxPool2d(2))
            size //= 2
    while size > 4:
        layers.append(MeanPool())
        size //= 2
    return nn.Sequential(*layers), channels * size * size


def _vgg11(channels: int, size: int, width: int) -> tuple[nn.Module, int]:
    """VGG-11 (Simonyan & Zisserman 2015) with instance norm; pools stop at 2x2, where a norm still means something."""
    layers: list[nn.Module] = []
    for stage in ((64,), (128,), (256, 256), (512, 512), (512, 512)):
        for published in stage:
            out = _scaled(published, width)
            layers += [nn.Conv2d(channels, out, 3, padding=1), _instance_norm(out), nn.ReLU()]
            channels = out
        if size >= 4:
            layers.append(nn.MaxPool2d(2))
            size //= 2
    return nn.Sequential(*layers, _GlobalMean()), channels


def _resnet18(channels: int, size: int, width: int) -> tuple[nn.Module, int]:
    """ResNet-18 (He et al. 2016) with the 3x3 stem for small images and instance norm."""
    inside = _scaled(64, width)
    layers: list[nn.Module] = [nn.Conv2d(channels, inside, 3, padding=1, bias=False), _instance_norm(inside), nn.ReLU()]
    for stage in range(4):
        out = _scaled(64 * 2**stage, width)
        stride = 2 if stage and size >= 4 else 1
        size //= stride
        layers += [_Residual(inside, out, stride), _Residual(out, out, 1)]
        inside = out
    return nn.Sequential(*layers, _GlobalMean()), inside


def _vit(channels: int, size: int, width: int) -> tuple[nn.Module, int]:
    """Vision transformer (Dosovitskiy et al. 2021), small: depth 6, patches of 4 px or an eighth of the side."""
    dimension = 8 * max(1, width // 2)
    heads = 8
    blocks = [_Block(dimension, heads) for _ in range(6)]
    patches = _Patches(channels, max(4, size // 8), dimension, size)
    return nn.Sequential(patches, *blocks, nn.LayerNorm(dimension), _TokenMean()), dimension


class _GlobalMean(nn.Module):
    def forward(self, maps: Tensor) -> Tensor:
        return maps.mean((-2, -1))


class _TokenMean(nn.Module):
    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.mean(-2)


class _Residual(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    def __init__(self, inside: int, out: int, stride: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(inside, out, 3, stride, 1, bias=False), _instance_norm(out), nn.ReLU(),
            nn.Conv2d(out, out, 3, 1, 1, bias=False), _instance_norm(out),
        )  # fmt: skip
        same = stride == 1 and inside == out
        self.shortcut: nn.Module = (
            nn.Identity() if same else nn.Sequential(nn.Conv2d(inside, out, 1, stride, bias=False), _instance_norm(out))
        )

    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(self.main(maps) + self.shortcut(maps))


class _Patches(nn.Module):
    """Patches as tokens, each with a learned position."""

    def __init__(self, channels: int, patch: int, dimension: int, size: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, dimension, patch, patch)
        self.position = nn.Parameter(torch.empty((size // patch) ** 2, dimension))

    def forward(self, images: Tensor) -> Tensor:
        return self.project(images).flatten(2).transpose(1, 2) + self.position


class _Block(nn.Module):
    """Attention, then a two-layer network, each after a norm and around a shortcut."""

    def __init__(self, dimension: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_mlp = nn.LayerNorm(dimension), nn.LayerNorm(dimension)
        self.qkv, self.out = nn.Linear(dimension, 3 * dimension), nn.Linear(dimension, dimension)
        self.mlp = nn.Sequential(nn.Linear(dimension, dimension), nn.GELU(), nn.Linear(dimension, dimension))

    def forward(self, tokens: Tensor) -> Tensor:
        batch, count, dimension = tokens.shape
        qkv = self.qkv(self.before_attention(tokens)).view(batch, count, 3, self.heads, dimension // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(batch, count, dimension)
        tokens = tokens + self.out(seen)
        return tokens + self.mlp(self.before_mlp(tokens))


ARCHITECTURES: dict[str, Callable[[int, int, int], tuple[nn.Module, int]]] = {
    "convnet": _convnet,
    "alexnet": _alexnet,
    "resnet18": _resnet18,
    "vgg11": _vgg11,
    "vit": _vit,
}
