"""The solvers of the reverse process, and the noise schedule, from a backbone's own configuration."""

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    PNDMScheduler,
    UniPCMultistepScheduler,
)
from torch import Tensor

from synthstudio.errors import BadInput

_SOLVERS: dict[str, tuple[type, dict[str, Any]]] = {
    "dpm++": (DPMSolverMultistepScheduler, {"algorithm_type": "dpmsolver++", "solver_order": 2}),
    "ddim": (DDIMScheduler, {}),
    "euler": (EulerDiscreteScheduler, {}),
    "pndm": (PNDMScheduler, {"skip_prk_steps": True}),
    "unipc": (UniPCMultistepScheduler, {}),
}
_AS_A_FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}


def solver(sampler: str, config: Mapping[str, Any], steps: int) -> Any:
    """A fresh solver: it remembers earlier steps, so every batch needs its own."""
    cls, chosen = _SOLVERS[sampler]
    scheduler = _configured(cls, {**config, **chosen})
    scheduler.set_timesteps(steps)
    return scheduler


class _FlowEuler(FlowMatchEulerDiscreteScheduler):  # type: ignore[misc]
    """Euler's rule on a flow, asked as the other solvers are."""

    init_noise_sigma = 1.0

    def scale_model_input(self, sample: Tensor, _timestep: object = None) -> Tensor:
        """A flow is seen as it is."""
        return sample

    def add_noise(self, original: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Latents on the way to noise."""
        return self.scale_noise(original, timesteps, noise)


_OF_A_FLOW = {"euler": _FlowEuler, "dpm++": DPMSolverMultistepScheduler, "unipc": UniPCMultistepScheduler}


def flow_solver(sampler: str, config: Mapping[str, Any], steps: int, shift: float) -> Any:
    """A fresh solver of a flow whose noise levels are shifted by so much; BadInput for those of diffusion alone."""
    if sampler not in _OF_A_FLOW:
        raise BadInput(f"{sampler} does not solve a flow. Choose {', '.join(_OF_A_FLOW)} for this backbone.")
    chosen = {} if sampler == "euler" else {**_SOLVERS[sampler][1], **_AS_A_FLOW}
    scheduler = _configured(_OF_A_FLOW[sampler], {**config, **chosen})
    how = {"sigmas": np.linspace(1.0, 1 / steps, steps)} if sampler == "euler" else {}
    scheduler.set_timesteps(steps, mu=shift if scheduler.config.use_dynamic_shifting else None, **how)
    return scheduler


def signal_share(config: Mapping[str, Any]) -> Tensor:
    """The cumulative product of alphas, one per training timestep: the share of signal power left after noising."""
    return _configured(DDPMScheduler, config).alphas_cumprod.float()


def _configured(cls: type, config: Mapping[str, Any]) -> Any:
    known = inspect.signature(cls).parameters
    return cls(**{name: value for name, value in config.items() if name in known})
