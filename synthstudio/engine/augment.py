"""Random views of training images, for whole batches at once.

All chance is in a table of uniform numbers, one row per view, so a view is a pure function of (pixels, row) and the
rows are a pure function of a seed. Nothing here mirrors an image unless `flip` says so.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from synthstudio.engine.seeds import generator

NUMBERS = 16  # uniform numbers per view
_AREA, _RATIO, _X, _Y, _FLIP = range(5)
_JITTERS, _BRIGHT, _CONTRAST, _COLOUR, _HUE, _GREYS, _BLURS, _SIGMA, _SOLARISES = range(5, 14)

SMALLEST_CROP = {"light": 0.6, "strong": 0.25}


def rows_for_views(seed: int, views: Sequence[tuple[str, int]]) -> Tensor:
    """The numbers of numbered views of images; they depend on (image, view), not on their neighbours."""
    return torch.stack([torch.rand(NUMBERS, generator=generator(seed, "view", image, view)) for image, view in views])


def rows_for_step(seed: int, step: int, part: str, count: int) -> Tensor:
    """Fresh numbers for one training step."""
    return torch.rand((count, NUMBERS), generator=generator(seed, "step", part, step))


def augment(pixels: Tensor, rows: Tensor, strength: str, *, flip: bool) -> Tensor:
    """Views of `pixels` (B, 3, S, S), uint8 or float in [0, 1]; float in [0, 1] comes back.

    light: crops of 60-100 % of the area, aspect 3:4 to 4:3. strong: crops of 25-100 %, colour jitter
    (.4, .4, .2, .1) with p .8, grey with p .2, blur with p .2, solarise with p .2, the published DataDream settings
    without RandAugment.
    """
    views = pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels
    rows = rows.to(views.device)
    if strength != "none":
        views = _cropped(views, rows, SMALLEST_CROP[strength])
    if strength == "strong":
        views = _blurred(_solarised(_grey(_jittered(views, rows), rows), rows), rows)
    if flip:
        views = torch.where(_chance(rows, _FLIP, 0.5), views.flip(-1), views)
    return views


def _column(rows: Tensor, name: int) -> Tensor:
    return rows[:, name].view(-1, 1, 1, 1)


def _chance(rows: Tensor, name: int, probability: float) -> Tensor:
    return _column(rows, name) < probability


def _between(rows: Tensor, name: int, low: float, high: float) -> Tensor:
    return low + (high - low) * _column(rows, name)


def _cropped(views: Tensor, rows: Tensor, smallest: float) -> Tensor:
    area = smallest + (1 - smallest) * rows[:, _AREA]
    ratio = torch.exp((2 * rows[:, _RATIO] - 1) * torch.log(torch.tensor(4 / 3)).item())
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    x, y = (1 - width) * (2 * rows[:, _X] - 1), (1 - height) * (2 * rows[:, _Y] - 1)
    zero = torch.zeros_like(width)
    theta = torch.stack([torch.stack([width, zero, x], 1), torch.stack([zero, height, y], 1)], 1)
    grid = F.affine_grid(theta, list(views.shape), align_corners=False)
    return F.grid_sample(views, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _luminance(views: Tensor) -> Tensor:
    weights = torch.tensor([0.299, 0.587, 0.114], device=views.device).view(1, 3, 1, 1)
    return (views * weights).sum(1, keepdim=True)


def _jittered(views: Tensor, rows: Tensor) -> Tensor:
    bright = (views * _between(rows, _BRIGHT, 0.6, 1.4)).clamp(0, 1)
    middle = _luminance(bright).mean((2, 3), keepdim=True)
    contrasted = (middle + (bright - middle) * _between(rows, _CONTRAST, 0.6, 1.4)).clamp(0, 1)
    grey = _luminance(contrasted)
    coloured = (grey + (contrasted - grey) * _between(rows, _COLOUR, 0.8, 1.2)).clamp(0, 1)
    return torch.where(_chance(rows, _JITTERS, 0.8), _hue_turned(coloured, rows), views)


def _hue_turned(views: Tensor, rows: Tensor) -> Tensor:
    """Hue as a rotation of the chroma plane of YIQ: cheap, and equal to a shift of hue for our small angles."""
    to_yiq = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]], device=views.device)
    yiq = torch.einsum("ij,bjhw->bihw", to_yiq, views)
    angle = (rows[:, _HUE] * 2 - 1) * 0.1 * 2 * torch.pi
    cos, sin = angle.cos().view(-1, 1, 1), angle.sin().view(-1, 1, 1)
    turned = torch.stack([yiq[:, 0], yiq[:, 1] * cos - yiq[:, 2] * sin, yiq[:, 1] * sin + yiq[:, 2] * cos], 1)
    return torch.einsum("ij,bjhw->bihw", torch.linalg.inv(to_yiq), turned).clamp(0, 1)


def _grey(views: Tensor, rows: Tensor) -> Tensor:
    return torch.where(_chance(rows, _GREYS, 0.2), _luminance(views).expand_as(views), views)


def _solarised(views: Tensor, rows: Tensor) -> Tensor:
    return torch.where(_chance(rows, _SOLARISES, 0.2) & (views >= 0.5), 1 - views, views)


def _blurred(views: Tensor, rows: Tensor) -> Tensor:
    """Gaussian blur of 0.1-2 px at 224 px, less on smaller images."""
    batch, channels, size, _ = views.shape
    sigma = (0.1 + 1.9 * rows[:, _SIGMA]) * size / 224
    reach = max(1, round(4 * size / 224))
    offsets = torch.arange(-reach, reach + 1, device=views.device, dtype=views.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    flat = F.pad(views.reshape(1, batch * channels, size, size), (reach,) * 4, mode="replicate")
    flat = F.conv2d(flat, kernel[:, None, None, :], groups=batch * channels)
    flat = F.conv2d(flat, kernel[:, None, :, None], groups=batch * channels)
    return torch.where(_chance(rows, _BLURS, 0.2), flat.view_as(views), views)
