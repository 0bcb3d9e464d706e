"""What fits into a card's memory: said before anything large is read, then measured with one image.

Weights are counted, from the headers of their files. What other models need is an estimate from their numbers and is
called so. What one image takes is measured. A CPU has no such check: its memory is everybody's, and swaps.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from synthstudio import modelfiles
from synthstudio.errors import MemoryFull, ran_out_of_memory
from synthstudio.models import MILLIONS, MODELS

if TYPE_CHECKING:
    from synthstudio.engine.devices import Memory

_WORKING = 1.25  # beside the weights: what is computed on the way, for one image at a time


def weights(folder: Path, bytes_each: int) -> int:
    """Bytes that the networks of a folder take on a device: the autoencoder in float32, the others as said."""
    found: dict[bool, list[Path]] = {True: [], False: []}
    for file in modelfiles.local(folder):
        if file.suffix == ".safetensors":
            found[file.parent.name == "vae"].append(file)
    return 4 * modelfiles.parameters(found[True]) + bytes_each * modelfiles.parameters(found[False])


def before_loading(name: str, folder: Path, bytes_each: int, memory: "Memory | None") -> str:
    """What the weights take and what is free, as a sentence; MemoryFull, with what would fit, if they do not fit."""
    if memory is None:
        return ""
    needed, free = weights(folder, bytes_each), memory.free()
    if needed <= free:
        return f"The weights of {name} take {gigabytes(needed)} (counted); {_room(memory, free)}."
    raise MemoryFull(
        f"{name} does not fit: its weights alone take {gigabytes(needed)} (counted); {_room(memory, free)}. "
        f"{others(name, free, bytes_each)}"
    )


def one_image(name: str, side: int, memory: "Memory | None", work: Callable[[], object], bytes_each: int) -> int:
    """Bytes that `work`, a pass of one image, takes at most beside what is held; 0 where that cannot be measured.

    MemoryFull, with what would fit, if not even one does.
    """
    if memory is None:
        return 0
    try:
        return memory.peak(work)
    except (MemoryFull, RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryFull) and not ran_out_of_memory(error):
            raise
        free = memory.free()
        raise MemoryFull(
            f"Not even one image of {side} px fits beside the weights of {name}; {_room(memory, free)}. "
            f"{others(name, memory.total(), bytes_each)}"
        ) from error


def together(side: int, taken: int, memory: "Memory") -> tuple[int, str]:
    """How many images fit together if one takes so much, and that as a sentence."""
    free = memory.free()
    most = max(1, free // taken)
    return most, f"One image of {side} px takes {gigabytes(taken)} (measured); {_room(memory, free)}: {most} at once."


def others(name: str, free: int, bytes_each: int) -> str:
    """Which known backbones would fit into so much memory, and what else can be done."""
    known = [one.name for one in MODELS.values() if one.purpose == "backbone" and one.name in MILLIONS]
    fit = [one for one in known if one != name and _need(MILLIONS[one], bytes_each) <= free]
    named = ", ".join(f"{other} ({gigabytes(_need(MILLIONS[other], bytes_each))})" for other in fit)
    first = f"By their size (an estimate) these would fit: {named}." if fit else "Only pico is small enough."
    return f"{first} Or close what else uses the card, lower the resolution, or take --device cpu."


def _need(millions: int, bytes_each: int) -> int:
    return int(millions * 1_000_000 * bytes_each * _WORKING)


def _room(memory: "Memory", free: int) -> str:
    return f"{gigabytes(free)} of {gigabytes(memory.total())} are free on {memory.name}"


def gigabytes(count: int) -> str:
    """Bytes as people read them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
