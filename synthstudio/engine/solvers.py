"""The solvers of the reverse process, and the noise schedule, from a backbone's own configuration."""

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    HeunDiscreteScheduler,
    LCMScheduler,
    PNDMScheduler,
    UniPCMultistepScheduler,
)
from torch import Tensor

from synthstudio.errors import BadInput

_SOLVERS: dict[str, tuple[type, dict[str, Any]]] = {
    "dpm++": (DPMSolverMultistepScheduler, {"algorithm_type": "dpmsolver++", "solver_order": 2}),
    "dpm++sde": (DPMSolverMultistepScheduler, {"algorithm_type": "sde-dpmsolver++", "solver_order": 2}),
    "ddim": (DDIMScheduler, {}),
    "ddpm": (DDPMScheduler, {}),
    "euler": (EulerDiscreteScheduler, {}),
    "euler_a": (EulerAncestralDiscreteScheduler, {}),
    "heun": (HeunDiscreteScheduler, {}),
    "lcm": (LCMScheduler, {}),
    "pndm": (PNDMScheduler, {"skip_prk_steps": True}),
    "unipc": (UniPCMultistepScheduler, {}),
}
OWN = "own"  # the solver that the checkpoint names, with its settings
_AS_A_FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}


def solver(sampler: str, config: Mapping[str, Any], steps: int) -> Any:
    """A fresh solver: it remembers earlier steps, so every batch needs its own. BadInput if it cannot take so many."""
    cls, chosen = _SOLVERS[sampler] if sampler != OWN else (_named(config, [cls for cls, _ in _SOLVERS.values()]), {})
    scheduler = _configured(cls, {**config, **chosen})
    most = scheduler.config.get("original_inference_steps", steps)
    if steps > most:
        raise BadInput(f"{sampler} takes at most {most} steps. Lower inference_steps; 4 to 8 are usual.")
    scheduler.set_timesteps(steps)
    return scheduler


def random_of(scheduler: Any, generators: list[torch.Generator]) -> dict[str, Any]:
    """What a step of a solver is given so that each image's noise comes from its own generator."""
    takes = "generator" in inspect.signature(scheduler.step).parameters
    return {"generator": generators} if takes else {}


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
    if sampler == OWN:
        cls = _named(config, [FlowMatchEulerDiscreteScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler])
        sampler = {FlowMatchEulerDiscreteScheduler: "euler", DPMSolverMultistepScheduler: "dpm++"}.get(cls, "unipc")
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


def _named(config: Mapping[str, Any], known: list[type]) -> type:
    """The class of a checkpoint's own solver, of those that are known here."""
    name = config.get("_class_name")
    found = next((cls for cls in known if cls.__name__ == name), None)
    if found is None:
        raise BadInput(
            f"The checkpoint's own solver, {name}, is not known here. Choose another sampler, such as dpm++."
        )
    return found


def _configured(cls: type, config: Mapping[str, Any]) -> Any:
    known = inspect.signature(cls).parameters
    return cls(**{name: value for name, value in config.items() if name in known})
