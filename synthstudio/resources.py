"""Resources: what changes the clock and never the science."""

import os
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Resources(BaseModel):
    """How a run is carried out. Two runs of one Step with other resources make the same things.

    The last bits of floats may differ when `batch`, `threads` or `device` differ; see ARCHITECTURE.md.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str = Field(
        default="auto", max_length=20, description="cpu, cuda, cuda:1, mps; auto takes the first accelerator there is."
    )
    threads: int = Field(default=0, ge=0, le=4096, description="CPU threads of torch; 0 lets the engine choose.")
    batch: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="Images sampled, embedded or trained on at once; 0 lets the engine choose.",
    )
    checkpointing: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="While adapting, compute activations again in the backward pass instead of keeping them: less "
        "memory, about a third slower. auto: once a halved pass does not fit either.",
    )
    slicing: bool = Field(
        default=False, description="Encode and decode one image at a time; by itself once several do not fit."
    )
    compile: bool = Field(
        default=False, description="Compile the denoiser (torch.compile): takes minutes before the first image."
    )
    checkpoint_every: int = Field(default=50, ge=1, le=1_000_000, description="Training steps between checkpoints.")


def cpu_count() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
