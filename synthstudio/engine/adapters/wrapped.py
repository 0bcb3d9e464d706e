"""Adapters in peft's own layers: every kind that is no plain product of two factors."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from synthstudio.engine.adapters.files import INSIDE, write_low_rank, write_peft
from synthstudio.engine.adapters.kinds import KINDS, Plan
from synthstudio.engine.backbones import Backbone
from synthstudio.seeds import derived_seed


class Wrapped:
    """An adapter in peft's layers, in training. Its parameters are views of one flat vector."""

    def __init__(self, backbone: Backbone, plan: Plan) -> None:
        self.plan = plan
        self._within = ExitStack()
        self.models = self._within.enter_context(injected(backbone, plan.configs(), plan.size.seed))
        parameters = [
            parameter
            for part in sorted(self.models)
            for _, parameter in sorted(self.models[part].named_parameters())
            if parameter.requires_grad
        ]
        count = sum(parameter.numel() for parameter in parameters)
        self.flat = nn.Parameter(torch.zeros(count, device=backbone.device))
        self.flat.grad = torch.zeros_like(self.flat)
        at = 0
        for parameter in parameters:
            end = at + parameter.numel()
            view = self.flat.data[at:end].view(parameter.shape)
            view.copy_(parameter.data)
            parameter.data, parameter.grad = view, self.flat.grad[at:end].view(parameter.shape)
            at = end

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint needs beside the flat vector: nothing, the rest follows from the plan."""
        return {}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take `tensors()` of a checkpoint back."""

    def write(self, path: Path) -> None:
        """Write the adapter as peft does; a low-rank one as diffusers does."""
        if not KINDS[self.plan.kind].low_rank:
            write_peft(path, self.models, {part: self.plan.names(part) for part in self.models})
            return
        size = self.plan.size
        settings: dict[str, Any] = {"r": size.rank, "lora_alpha": size.alpha, "use_dora": True}
        tensors = {
            f"{part}.{name.removeprefix(INSIDE)}": tensor
            for part, model in self.models.items()
            for name, tensor in get_peft_model_state_dict(model).items()
        }
        write_low_rank(path, tensors, settings, self.plan)

    def remove(self) -> None:
        """Give the model back unchanged."""
        self._within.close()


@contextmanager
def injected(backbone: Backbone, configs: Mapping[str, PeftConfig], seed: int = 0) -> Iterator[dict[str, PeftModel]]:
    """Within, peft's layers stand in the parts of the backbone; what they draw follows from `seed`, on the CPU."""
    models: dict[str, PeftModel] = {}
    try:
        for part, config in configs.items():
            with _quiet(), torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(derived_seed(seed, "adapter", part))
                models[part] = get_peft_model(backbone.modules[part], config)
            config.base_model_name_or_path = None  # a temporary folder of this run
        yield models
    finally:
        for model in models.values():
            with _quiet():
                model.unload()


def tuned_layers(model: PeftModel) -> dict[str, Any]:
    """peft's layers in a model, by the names of the layers they stand for."""
    return {
        name.removeprefix(INSIDE): layer for name, layer in model.named_modules() if isinstance(layer, BaseTunerLayer)
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """peft asks models for attributes that transformers retires, and says that it fits a block size to a layer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
