"""Which device, how many threads."""

import os
from collections.abc import Callable

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
        raise BadInput(
            f"The device {name!r} is not on this machine. Use auto or cpu; a run that was asked for with it goes on"
            " elsewhere with: python -m synthstudio resume RUN --device auto"
        )
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


class Memory:
    """The memory of a CUDA card."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.name = device, str(device)

    def free(self) -> int:
        """Bytes that may still be taken, those included that torch keeps unused."""
        unused = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        return torch.cuda.mem_get_info(self.device)[0] + unused

    def total(self) -> int:
        """Bytes of the whole card."""
        return torch.cuda.mem_get_info(self.device)[1]

    def peak(self, work: Callable[[], object]) -> int:
        """Bytes that `work` takes at most, beside what is held before it; 0, without asking it, where none is held."""
        if not torch.cuda.is_initialized():
            return 0
        before = torch.cuda.memory_allocated(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        work()
        return torch.cuda.max_memory_allocated(self.device) - before


def memory_of(device: torch.device) -> Memory | None:
    """The memory of a device that has its own; None for a CPU and for Apple's GPUs."""
    return Memory(device) if device.type == "cuda" else None


def has_bfloat16(device: torch.device) -> bool:
    """Whether this is a CUDA card with bfloat16 of its own; older ones (T4, V100) emulate it, slower than float32."""
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def working_dtype(device: torch.device) -> torch.dtype:
    """float32 on the CPU; on CUDA bfloat16, or float16 where a card lacks it."""
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if has_bfloat16(device) else torch.float16


def no_compiler(device: torch.device) -> str | None:
    """Why torch cannot compile a network for this device, as a sentence; None where it can."""
    # Seconds of imports that nobody else needs.
    from torch._dynamo.eval_frame import is_dynamo_supported  # noqa: PLC0415
    from torch._inductor.cpp_builder import get_cpp_compiler  # noqa: PLC0415
    from torch._inductor.exc import InvalidCxxCompiler  # noqa: PLC0415
    from torch.utils._triton import has_triton  # noqa: PLC0415

    if not is_dynamo_supported():
        return f"torch {torch.__version__} does not compile with this version of Python."
    if device.type == "cuda":
        if has_triton():
            return None
        return f"{device} has no Triton compiler; that is of cards from the Volta generation on, with its package."
    if device.type != "cpu":
        return f"torch does not compile diffusion models well for {device.type}."
    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        return "there is no C++ compiler on this machine (g++ or clang)."
    return None


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
