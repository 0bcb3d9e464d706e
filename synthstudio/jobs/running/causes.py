"""What went wrong inside a worker, as one sentence: memory and disk are told apart from mistakes in the program.

Libraries wrap the operating system's error in classes of their own (torch's allocator, the safetensors writer, PIL), so
the whole chain of causes is read, and texts where there is no class.
"""

import errno
import re
from collections.abc import Iterator
from pathlib import Path

from synthstudio.errors import ran_out_of_memory
from synthstudio.jobs.running.endings import SMALLER, memory_mb
from synthstudio.jobs.running.run_folder import LOG

_DISK = re.compile(r"No space left on device|os error 28\b|Disk quota exceeded", re.IGNORECASE)
_ACCELERATOR = re.compile(r"\b(CUDA|HIP|MPS|XPU)\b")


_VANISHED = re.compile(r"CUDA error|CUDA driver|No CUDA GPUs|HIP error|NVIDIA driver|cu(BLAS|DNN) error", re.IGNORECASE)


def sentence(error: BaseException, folder: Path, peak_mb: float) -> str:
    """What to tell the person whose run in `folder` ended by `error`; the process had used `peak_mb` MiB at most."""
    chain = list(_chain(error))
    if any(map(_is_full_disk, chain)):
        return (
            f"The disk that holds {folder} is full. Free some space (old exports, for example) and resume: "
            "it goes on from its last checkpoint, and nothing finished is lost."
        )
    short = next((one for one in chain if ran_out_of_memory(one)), None)
    if short is None and any(isinstance(one, RuntimeError) and _VANISHED.search(str(one)) for one in chain):
        return (
            f"The accelerator failed or is gone ({str(error).splitlines()[0][:200]}). Resume the run when it is back: "
            "it goes on from its last checkpoint. With device auto it goes on with what is there then, the CPU too; "
            "the result is then the same up to rounding, not to the byte."
        )
    if short is None:
        return f"Unexpected {type(error).__name__}: {error}. The traceback is in {folder / LOG}."
    if _ACCELERATOR.search(str(short)):
        return f"The accelerator's memory ran out. {SMALLER}"
    return f"Memory ran out: the worker had used {peak_mb:.0f} MB of {memory_mb()} MB. {SMALLER}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _is_full_disk(error: BaseException) -> bool:
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or bool(_DISK.search(str(error)))
