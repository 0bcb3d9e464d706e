"""Which device, how many threads."""

import os

import torch

from synthstudio.errors import BadInput
from synthstudio.resources import cpu_count


def pick(name: str) -> torch.device:
    """The device of this name; 'auto' takes the first accelerator there is, or of several processes each its own.

    BadInput if it is not here.
    """
    if name == "auto":
        others = "mps" if torch.backends.mps.is_available() else "cpu"
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else others
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise BadInput(f"{name!r} is not a device. Use auto, cpu, cuda, cuda:1 or mps.") from error
    here = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}.get(device.type, 1)
    if (device.index or 0) >= here:
        raise BadInput(f"The device {name!r} is not on this machine. Use auto or cpu.")
    return device


def accelerators() -> dict[str, str]:
    """Every accelerator torch can use, by device name, with a phrase about it."""
    found = {}
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        found[f"cuda:{index}"] = f"{torch.cuda.get_device_name(index)}, {free >> 20} of {total >> 20} MB free"
    if torch.backends.mps.is_available():
        found["mps"] = "Apple GPU"
    return found


def has_bfloat16(device: torch.device) -> bool:
    """Whether this is a CUDA card with bfloat16 of its own; older ones (T4, V100) emulate it, slower than float32."""
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def working_dtype(device: torch.device) -> torch.dtype:
    """float32 on the CPU; on CUDA bfloat16, or float16 where a card lacks it."""
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if has_bfloat16(device) else torch.float16


def precisely(device: torch.device) -> torch.autocast:
    """Within, whatever is computed in half precision outside is computed as its tensors are."""
    return torch.autocast(device.type, enabled=False)


def use_threads(count: int) -> int:
    """Set torch's CPU threads; 0 takes half the cores this process may use. Returns the number set.

    Half, because the page, the owner and other programs want the rest: at this scale of models two threads on two busy
    cores did 0.4 to 0.8 of the work of one, since every layer waits for the slower of them.
    """
    threads = count or max(1, cpu_count() // 2)
    torch.set_num_threads(threads)
    return threads


def repeatable() -> None:
    """Ask torch for the same bytes on the same machine every time."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)


def whole_float32() -> None:
    """Ask CUDA for convolutions of float32 in float32; by default they keep ten bits of each mantissa (TF32)."""
    torch.backends.cudnn.allow_tf32 = False
