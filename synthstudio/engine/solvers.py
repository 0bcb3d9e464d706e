"""The solvers of the reverse process, and the noise schedule, from a backbone's own configuration."""

import inspect
from collections.abc import Mapping
from typing import Any

from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    UniPCMultistepScheduler,
)
from torch import Tensor

_SOLVERS: dict[str, tuple[type, dict[str, Any]]] = {
    "dpm++": (DPMSolverMultistepScheduler, {"algorithm_type": "dpmsolver++", "solver_order": 2}),
    "ddim": (DDIMScheduler, {}),
    "euler": (EulerDiscreteScheduler, {}),
    "pndm": (PNDMScheduler, {"skip_prk_steps": True}),
    "unipc": (UniPCMultistepScheduler, {}),
}


def solver(sampler: str, config: Mapping[str, Any], steps: int) -> Any:
    """A fresh solver: it remembers earlier steps, so every batch needs its own."""
    cls, chosen = _SOLVERS[sampler]
    scheduler = _configured(cls, {**config, **chosen})
    scheduler.set_timesteps(steps)
    return scheduler


def signal_share(config: Mapping[str, Any]) -> Tensor:
    """The cumulative product of alphas, one per training timestep: the share of signal power left after noising."""
    return _configured(DDPMScheduler, config).alphas_cumprod.float()


def _configured(cls: type, config: Mapping[str, Any]) -> Any:
    known = inspect.signature(cls).parameters
    return cls(**{name: value for name, value in config.items() if name in known})
