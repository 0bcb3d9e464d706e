"""Tensors as a weight file holds them."""

import torch
from torch import Tensor


def plain(tensor: Tensor) -> tuple[str, tuple[int, ...], bytes]:
    """A tensor as float32 for `weightfile.write`: type, shape, bytes."""
    array = tensor.detach().to("cpu", torch.float32).contiguous().numpy()
    return "F32", tuple(array.shape), array.astype("<f4", copy=False).tobytes()
